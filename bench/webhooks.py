"""How fast webhooks are told, and what receivers that hang cost whoever writes.

    python -m bench.webhooks prepare COUNT URL …   makes webhooks and so many deliveries for each, due in a year
    python -m bench.webhooks due                   makes all of them due now, as if none had been tried
    python -m bench.webhooks listen URL …          makes webhooks that are told of every lead
    python -m bench.webhooks switch on|off         switches all webhooks; what waits for them is gone

These are run by the benchmark, in processes that know the database of the stage.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles

from bench import company
from bench.databases import COMMON, ROOT, Stage
from bench.receivers import receiving
from bench.servers import serving

RECEIVERS, EACH = 8, 625
HANGING = 50
WRITES = 120  # of one kind in one round


@dataclass(frozen=True)
class Told:
    """per_second: deliveries that arrived, by round; load: of the machine when the round began, runnable processes."""

    receivers: int
    workers: int
    per_second: list[float]
    load: list[float]


@dataclass(frozen=True)
class Writes:
    """Milliseconds of writes without any webhook, and while receivers hang, by round. attempts: at those that hang."""

    without: list[list[float]]
    hanging: list[list[float]]
    attempts: int
    load: list[float]

    def ratio(self, percent: int) -> float:
        """Hanging over without, within each round, in the middle."""
        pairs = zip(self.hanging, self.without, strict=True)
        return median(percentile(these, percent) / percentile(those, percent) for these, those in pairs)


def percentile(milliseconds: list[float], percent: int) -> float:
    return quantiles(milliseconds, n=100)[percent - 1]


def told(stage: Stage, *, receivers: int, each: int, workers: list[int], rounds: int) -> Iterator[Told]:
    """Real workers, so many at a time in turn, tell receivers of what is due all at once."""
    rates: dict[int, list[float]] = {count: [] for count in workers}
    loads: dict[int, list[float]] = {count: [] for count in workers}
    with receiving(receivers) as there:
        _run(stage, "prepare", str(each), *there.urls)
        for _ in range(rounds):
            for count in workers:
                loads[count].append(os.getloadavg()[0])
                with _workers(stage, count):
                    there.arrivals.clear()
                    _run(stage, "due")
                    there.wait_for(receivers * each, seconds=600)
                rates[count].append((receivers * each - 1) / (there.arrivals[-1] - there.arrivals[0]))
    for count in workers:
        yield Told(receivers, count, rates[count], loads[count])


def writes(stage: Stage, *, rounds: int) -> Writes:
    """One client creates leads, at a server and a worker, in turn with and without webhooks that hang."""
    measured: dict[str, list[list[float]]] = {"off": [], "on": []}
    load = []
    with receiving(HANGING, hang=True) as there, serving(stage, only=["tandem"]) as servers, _workers(stage, 1):
        _run(stage, "listen", *there.urls)
        for nth in range(rounds + 1):
            for switch, found in measured.items():
                _run(stage, "switch", switch)
                milliseconds = _written(servers["tandem"].port, WRITES)
                if nth > 0:  # the first round warms up
                    found.append(milliseconds)
            load.append(os.getloadavg()[0])
        _run(stage, "switch", "off")
        return Writes(measured["off"], measured["on"], len(there.arrivals), load)


def _written(port: int, count: int) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Token {company.KEY}", "Content-Type": "application/json"}
    milliseconds = []
    for n in range(count):
        began = time.perf_counter()
        connection.request("POST", "/api/leads/", json.dumps({"name": f"Anita Rao {n}"}), headers)
        answer = connection.getresponse()
        answer.read()
        milliseconds.append((time.perf_counter() - began) * 1000)
        if answer.status != 201:
            raise SystemExit(f"bench: a lead was refused with {answer.status}")
    connection.close()
    return milliseconds


@contextmanager
def _workers(stage: Stage, count: int) -> Iterator[None]:
    """So many `tandem worker`, ready for work; gone at the end."""
    log = Path(stage.environment["TANDEM_DATA_DIR"]) / "worker.log"
    with ExitStack() as stack:
        file = stack.enter_context(open(log, "w"))
        for _ in range(count):
            stack.enter_context(_worker(stage, file.fileno()))
        until = time.monotonic() + 90
        while log.read_text().count("worker started") < count:
            if time.monotonic() > until:
                raise SystemExit(f"bench: workers did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield


@contextmanager
def _worker(stage: Stage, log: int) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tandem.config.cli", "worker"], cwd=ROOT, env=_environment(stage), stdout=log, stderr=log
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _run(stage: Stage, *command: str) -> None:
    subprocess.run([sys.executable, "-m", "bench.webhooks", *command], cwd=ROOT, env=_environment(stage), check=True)


def _environment(stage: Stage) -> dict[str, str]:
    return {**os.environ, **stage.environment, **COMMON, "TANDEM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}


def prepare(each: str, *urls: str) -> None:
    from tandem.academy.models import Lead
    from tandem.common import moments
    from tandem.common.endpoint import written
    from tandem.webhooks import registry
    from tandem.webhooks.actions.fan_out import fan_out
    from tandem.webhooks.models import Notice

    hooks, now, shows = _hooks(urls), moments.now(), registry.by_model("Lead").shows
    leads = Lead.objects.order_by("pk").values_list("pk", flat=True)[: int(each)]
    for sequence, pk in enumerate(leads):
        text = written(shows, pk)
        Notice.objects.create(
            sequence=sequence,
            model="Lead",
            type="lead.updated",
            kind="updated",
            record=str(pk),
            at=now,
            data=text,
            previous={"name": "Anita"},
            webhooks=hooks,
        )
    while fan_out(now=now + timedelta(days=365)):
        pass


def due() -> None:
    from tandem.common import moments
    from tandem.webhooks.models import Delivery

    Delivery.objects.update(
        status="pending", answered=False, attempts=0, tried=[], lease_until=None, next_attempt_at=moments.now()
    )


def listen(*urls: str) -> None:
    from tandem.webhooks.models import Delivery, Webhook

    Delivery.objects.all().delete()
    Webhook.objects.all().delete()
    _hooks(urls)


def switch(to: str) -> None:
    from tandem.webhooks.models import Delivery, Notice, Webhook

    Webhook.objects.update(is_active=to == "on", failing_since=None)
    Notice.objects.all().delete()
    Delivery.objects.all().delete()


def _hooks(urls: tuple[str, ...]) -> list[str]:
    from tandem.accounts.models import User
    from tandem.common import moments
    from tandem.webhooks.actions.webhooks import create_webhook

    asha, now = User.objects.get(pk=company.CALLER_ID), moments.now()
    values = [{"name": f"Receiver {n}", "model": "Lead", "url": url} for n, url in enumerate(urls)]
    return [str(create_webhook(one, by=asha, now=now)[0].pk) for one in values]


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tandem.config.settings"
    import django

    django.setup()
    {"prepare": prepare, "due": due, "listen": listen, "switch": switch}[sys.argv[1]](*sys.argv[2:])
