"""A sender that kills itself; run by test_crashes.py as a process: `python -m tandem.webhooks.tests.crashing <point>`.

`prepare <url> <count> <others> <each>` makes a webhook and changes that it is to be told of, and other webhooks with
some changes each. `<point>` works until it dies there.
`finish` works until nothing is due, tells how many deliveries wait, and works on when their leases have run out.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any


def prepare(url: str, count: str, others: str = "0", each: str = "0") -> None:
    from tandem.academy.models import Lead
    from tandem.common import moments
    from tandem.webhooks.tests.hooks import hook
    from tests.cast import as_

    hook(url=url)
    asha, now = as_("asha"), moments.now()
    for n in range(int(count)):
        lead = Lead.objects.create(name="Jo", stage="New", created_at=now, updated_at=now)
        assert asha.patch(f"/api/leads/{lead.pk}/", {"name": str(n)}).status_code == 200
    for n in range(int(others)):
        hook("Client", url=f"{url}/{n}")
    for n in range(int(each)):
        assert asha.post("/api/clients/", {"name": str(n)}).status_code == 201


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(act: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, **options: (act(*given, **options), die())


def armed(point: str) -> None:
    """Put the shot where it belongs."""
    from tandem.webhooks import letters, sender
    from tandem.webhooks.actions import deliveries, fan_out
    from tandem.webhooks.models import Delivery

    async def sent_then_die(*given: Any, **options: Any) -> None:
        await letters.attempt(*given, **options)
        die()

    if point == "before_fan_out_commits":
        fan_out._deliveries = lambda *given, **options: die()
    elif point == "fan_out_half_done":
        Delivery.objects.bulk_create = then_die(Delivery.objects.bulk_create)
    elif point == "claimed":
        sender._letter = die
    elif point == "sent":
        sender.attempt = sent_then_die
    elif point == "landed":
        sender.record_outcomes = die
    elif point == "recording":
        deliveries._remember = die
    elif point == "recorded":
        sender.record_outcomes = then_die(sender.record_outcomes)
    else:
        raise ValueError(point)


def work(*, ahead: timedelta = timedelta(0)) -> None:
    """ahead: how much later it is than it is."""
    from tandem.common import moments
    from tandem.webhooks.sender import Sender

    sender = Sender(clock=lambda: moments.now() + ahead)
    while sender.turn() or sender.is_busy:
        sender.await_landing(20)
    sender.close()


def finish() -> None:
    from tandem.webhooks.actions.claims import LEASE
    from tandem.webhooks.models import Delivery

    work()
    print(Delivery.objects.filter(status="pending").count())
    work(ahead=LEASE + timedelta(seconds=1))


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1] == "prepare":
        prepare(*sys.argv[2:])
    elif sys.argv[1] == "finish":
        finish()
    else:
        armed(sys.argv[1])
        work()
