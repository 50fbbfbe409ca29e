-- The requests of one round for wrk; arguments as in load.py.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  method, path, body = args[1], args[2], args[3]
  first, ids, start = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  days = {}
  for day in string.gmatch(args[7], "[^,]+") do
    table.insert(days, day)
  end
  sent = 0
end

local function filled(text, id, day)
  return (text:gsub("{id}", tostring(id)):gsub("{day}", day))
end

function request()
  local n = start + sent
  sent = sent + 1
  if method == "GET" then
    return wrk.format("GET", filled(path, first + (n * 7919) % ids, ""))
  end
  local day = days[math.floor(n / ids) % #days + 1]
  return wrk.format(method, path, nil, filled(body, first + n % ids, day))
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\n{"requests": %d, "microseconds": %d, "failed": %d, "sent": %d}\n',
    summary.requests, summary.duration, failed, threads[1]:get("sent")))
end
