"""How fast Tandem answers, beside two yardsticks in the same run.

    python -m bench            about ten minutes; both databases, visits, cards and leads
    python -m bench --quick    about a minute; visits alone, without pages that are counted and without Bearer
    python -m bench --database sqlite|postgresql --resource visits|cards|leads

Contestants, all on granian with two processes of one thread, with the same data, and with one look-up of the caller's
token per request: `tandem serve` as it is delivered; the same endpoints as idiomatic Django REST framework
(idiomatic/); the limit, a bare application whose database writes the whole JSON (limit.py). First all three must give
the right answers. Then they take turns in short rounds, so that whatever else the machine does meets all of them; what
is printed are medians of the rounds, and medians of the ratios within a round. BENCH_POSTGRESQL_URL names the server
on which a database of the benchmark's own is made, filled and dropped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from statistics import median

from bench import check, load
from bench.databases import Stage, postgresql_stage, reachable, sqlite_stage
from bench.measure import CASES, RESOURCES, Case, Result, measured
from bench.servers import PROCESSES, serving

SERVER = os.environ.get("BENCH_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    began = time.monotonic()
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
        _verdict(results)
    print(f"\n{time.monotonic() - began:.0f} s")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rounds; visits alone where no resource is named")
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


def _verdict(results: list[Result]) -> None:
    missed = [result.case.name for result in results if not result.is_met]
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")


if __name__ == "__main__":
    main()
