"""How fast Tandem answers, beside two yardsticks in the same run.

    python -m bench            about ten minutes; both databases, visits, cards and leads
    python -m bench --quick    about a minute; visits alone, without pages that are counted and without Bearer
    python -m bench --database sqlite|postgresql --resource visits|cards|leads
    python -m bench --webhooks about five minutes; what is told in a second, writes beside receivers that hang
    python -m bench --growth   about five minutes; lists of leads at 10 thousand, 100 thousand and a million (growth.py)

Contestants, all on granian with two processes of one thread, with the same data, and with one look-up of the caller's
token per request: `tandem serve` as it is delivered; the same endpoints as idiomatic Django REST framework
(idiomatic/); the limit, a bare application whose database writes the whole JSON (limit.py). First all three must give
the right answers. Then they take turns in short rounds, so that whatever else the machine does meets all of them; what
is printed are medians of the rounds, and medians of the ratios within a round. BENCH_POSTGRESQL_URL names the server
on which databases of the benchmark's own are made, filled and dropped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from statistics import median

from bench import check, growth, load, webhooks
from bench.databases import Stage, grown_stage, postgresql_stage, reachable, sqlite_stage
from bench.measure import CASES, RESOURCES, Case, Result, measured
from bench.servers import PROCESSES, serving

SERVER = os.environ.get("BENCH_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    began = time.monotonic()
    if options.growth:
        _growth(rounds=options.rounds or 8)
    elif options.webhooks:
        _webhooks(options.database, rounds=options.rounds or 3)
    else:
        _contest(options)
    # Five minutes' average; what exceeds the processors comes from others, and makes only ratios worth reading.
    load_average = f"{os.getloadavg()[1]:.1f} on {os.cpu_count()} processors"
    print(f"\n{time.monotonic() - began:.0f} s; load average {load_average}")


def _contest(options: argparse.Namespace) -> None:
    only = options.resource or ("visits" if options.quick else None)
    cases = [case for case in CASES if only in (None, case.resource)]
    if options.quick:
        cases = [case for case in cases if case.least_share is not None]
    rounds = options.rounds or (2 if options.quick else 4)
    driver = "wrk" if load.WRK else "a client in Python, for wrk is not installed: fast contestants look slower"
    print(f"{driver}; {load.CONNECTIONS} connections, {PROCESSES} server processes, {rounds} rounds of 1 s each")
    for stage in _stages(options.database):
        with stage as where, serving(where) as servers:
            check.contestants(where, servers, cases)
            print(f"\n{where.name}\n{_HEAD}")
            results = [
                _shown(result) for result in measured(where, servers, cases, rounds=rounds, bearer=not options.quick)
            ]
        missed = [result.case.name for result in results if not result.is_met]
        print(f"missed: {', '.join(missed)}" if missed else "all targets met")


def _growth(*, rounds: int) -> None:
    trouble = reachable(SERVER)
    if trouble:
        raise SystemExit(f"bench: growth is measured on PostgreSQL only: {trouble}")
    with ExitStack() as stack:
        ports = []
        for count in growth.COUNTS:
            print(f"making {count:,} leads …", file=sys.stderr, flush=True)
            stage = stack.enter_context(grown_stage(SERVER, count))
            ports.append(stack.enter_context(serving(stage, only=["tandem"]))["tandem"].port)
        sizes = "".join(f"{count:>18,}" for count in growth.COUNTS)
        print(f"{rounds} rounds of {growth.REQUESTS} requests; milliseconds, median and 95th percentile")
        print(f"{'':30}{sizes}   × {growth.COUNTS[0]:,}")
        results = [_grown(result) for result in growth.measured(ports, rounds=rounds)]
    steep = [result.case.name for result in results if not result.is_flat]
    print(f"not flat (more than {growth.FLAT} times): {', '.join(steep)}" if steep else "all flat")


def _grown(result: growth.Result) -> growth.Result:
    sizes = range(len(growth.COUNTS))
    times = "".join(f"{result.median_of(size):>10.1f}{result.percentile_of(size, 95):>8.1f}" for size in sizes)
    ratios = "".join(f"{result.ratio(size):>7.2f}" for size in sizes[1:])
    print(f"{result.case.name:30}{times}   {ratios}   {'' if result.is_flat else 'NO'}".rstrip(), flush=True)
    return result


def _webhooks(database: str | None, *, rounds: int) -> None:
    for stage in _stages(database):
        with stage as where:
            workers = [1] if where.name == "SQLite" else [1, 3]
            print(f"\n{where.name}: deliveries per second, {rounds} rounds, with the load of the machine before each")
            for receivers, each in ((webhooks.RECEIVERS, webhooks.EACH), (1, webhooks.EACH)):
                for told in webhooks.told(where, receivers=receivers, each=each, workers=workers, rounds=rounds):
                    _print_told(told)
            _print_writes(webhooks.writes(where, rounds=rounds * 2))


def _print_told(told: webhooks.Told) -> None:
    each = ", ".join(f"{rate:.0f} ({load:.1f})" for rate, load in zip(told.per_second, told.load, strict=True))
    to = f"{told.receivers} receiver{'s' * (told.receivers > 1)}, {told.workers} worker{'s' * (told.workers > 1)}"
    print(f"{to:26}{median(told.per_second):>6.0f}   rounds: {each}", flush=True)


def _print_writes(writes: webhooks.Writes) -> None:
    print(f"milliseconds to create a lead, {len(writes.without)} rounds of {webhooks.WRITES}", end="; ")
    print(f"load {min(writes.load):.1f} to {max(writes.load):.1f}")
    print(f"{'':26}{'median':>8}{'p99':>8}")
    for name, rounds in (("no webhook", writes.without), (f"{webhooks.HANGING} receivers hang", writes.hanging)):
        every = [one for some in rounds for one in some]
        print(f"{name:26}{median(every):>8.1f}{webhooks.percentile(every, 99):>8.1f}")
    print(f"{'ratio':26}{writes.ratio(50):>8.2f}{writes.ratio(99):>8.2f}   {writes.attempts} attempts hung")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rounds; visits alone where no resource is named")
    parser.add_argument("--growth", action="store_true", help="leads alone, at three sizes, on PostgreSQL")
    parser.add_argument("--webhooks", action="store_true", help="what is told, and what receivers that hang cost")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--resource", choices=RESOURCES, help="only this one")
    parser.add_argument("--rounds", type=int, choices=range(1, 31), metavar="N", help="rounds of one second per case")
    return parser.parse_args(arguments)


def _stages(only: str | None) -> list[AbstractContextManager[Stage]]:
    stages: list[AbstractContextManager[Stage]] = []
    if only != "sqlite":
        trouble = reachable(SERVER)
        if trouble:
            print(f"PostgreSQL is not measured: {trouble}", file=sys.stderr)
        else:
            stages.append(postgresql_stage(SERVER))
    if only != "postgresql":
        stages.append(sqlite_stage())
    return stages


_HEAD = (
    f"{'':26}{'limit':>8}{'Tandem':>8}{'Bearer':>8}{'DRF':>8}   {'of the limit':>12}{'target':>8}"
    f"   {'× DRF':>6}{'target':>8}   met"
)


def _shown(result: Result) -> Result:
    case, rates = result.case, {name: f"{median(found):.0f}" for name, found in result.rates.items()}
    share, multiple = result.ratio("limit"), result.ratio("idiomatic")
    line = f"{case.name:26}{rates.get('limit', '–'):>8}{rates['tandem']:>8}{rates.get('bearer', '–'):>8}"
    line += f"{rates['idiomatic']:>8}   "
    if case.least_share is None:
        print(f"{line}{'–':>12}{'–':>8}   {multiple:>6.1f}{'–':>8}", flush=True)
        return result
    met = "yes" if result.is_met else "NO"
    print(
        f"{line}{share:>12.2f}{case.least_share:>8.2f}   {multiple:>6.1f}{Case.LEAST_MULTIPLE:>8.1f}   {met}",
        flush=True,
    )
    return result


if __name__ == "__main__":
    main()
