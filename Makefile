# Everything from one place. Needs python3 (3.11 or newer) and make; the rest is fetched into .venv and .uv.
PORT ?= 8000
PYTHON ?= python3
TESTS ?=
# Tests that run at the same time; many of them wait for processes, so more than there are processors.
JOBS ?= 3

TANDEM := .venv/bin/tandem
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

.PHONY: help run setup check test bench growth soak

help:
	@echo "make run     install, load a demo company the first time, serve on http://127.0.0.1:$(PORT)"
	@echo "make setup   only install"
	@echo "make check   format, lint, types, import arrows, migrations"
	@echo "make test    all tests, on SQLite and PostgreSQL (TESTS='tandem/sms -k expired' for some)"
	@echo "make bench   the benchmarks"
	@echo "make growth  how lists of leads grow to a million, on PostgreSQL"
	@echo "make soak    the long tests"
	@echo "make audit   known holes in what is installed (asks pypi.org), and in the settings"

run: .venv/installed
	@$(TANDEM) migrate
	@$(TANDEM) demo || echo "Serving the data that is there."
	@exec $(TANDEM) serve --port $(PORT)

setup: .venv/installed

# A stamp, so that a second `make run` starts at once: it is older than the lock file only when that changed.
.venv/installed: uv.lock pyproject.toml | $(UV)
	@$(UV) sync --frozen --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

# uv itself, where the machine has none, in an environment of its own: Debian lets nobody install into the system's.
.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tandem needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Set PYTHON=… to a newer one."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python lacks its venv module: apt install python3-venv (Debian, Ubuntu), then try again."; exit 1; }
	@echo "Installing uv into .uv …"
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip --quiet --disable-pip-version-check install 'uv>=0.9,<1'

check: .venv/installed
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/bandit --quiet --recursive --configfile pyproject.toml tandem
	.venv/bin/python manage.py makemigrations --check --dry-run

test: .venv/installed
	@.venv/bin/python tests/run.py --jobs $(JOBS) $(TESTS)

bench: .venv/installed
	@.venv/bin/python -m bench

growth: .venv/installed
	@.venv/bin/python -m bench --growth

soak: .venv/installed
	@.venv/bin/python tests/run.py --soak $(TESTS)

# What the lock file would install, extras included. --strict: what could not be asked about is a failure, not a pass.
audit: .venv/installed
	.venv/bin/pytest -q -p no:xdist tests/test_audit.py
	$(UV) export --frozen --quiet --no-dev --all-extras --no-emit-project --no-hashes | \
		.venv/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement /dev/stdin
