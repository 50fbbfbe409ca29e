"""What is raced in test_races.py; see tests/racing.py."""

from __future__ import annotations

import json
from collections import Counter
from threading import Event

from django.conf import settings

from tandem.academy.models import Lead
from tandem.common import moments
from tandem.webhooks.actions.claims import AT_ONE_RECEIVER, claim
from tandem.webhooks.actions.fan_out import fan_out
from tandem.webhooks.models import Delivery, Notice
from tandem.webhooks.sender import Sender
from tandem.webhooks.tests.hooks import hook
from tandem.webhooks.tests.receiving import LOOPBACK, receiving
from tests.cast import as_
from tests.racing import Scenario

EDITS = 150


def _lead() -> Lead:
    now = moments.now()
    return Lead.objects.create(name="Jo", stage="New", created_at=now, updated_at=now)


def edits_of_one_record() -> Scenario:
    """Everybody renames the same lead."""
    asha, lead = as_("asha"), _lead()
    hook()
    answers = yield lambda n: asha.patch(f"/api/leads/{lead.pk}/", {"name": f"name {n}"}).status_code
    while fan_out(now=moments.now()):
        pass
    told = [json.loads(body) for body in Delivery.objects.order_by("sequence").values_list("body", flat=True)]
    befores, names = [one["previous"]["name"] for one in told], [one["data"]["name"] for one in told]
    return {
        "answers": sorted(set(answers)),
        "told": len(told),
        "sequences": len({one["sequence"] for one in told}),
        "each_begins_where_the_one_before_it_ended": befores == ["Jo", *names[:-1]],
    }


def notices_spread_together() -> Scenario:
    asha, lead = as_("asha"), _lead()
    for _ in range(3):
        hook()
    for n in range(EDITS):
        asha.patch(f"/api/leads/{lead.pk}/", {"name": str(n)})

    def act(n: int) -> int:
        spread = 0
        while some := fan_out(now=moments.now()):
            spread += some
        return spread

    spread = yield act
    each = Counter(Delivery.objects.values_list("webhook", "sequence"))
    return {
        "spread": sum(spread),
        "left": Notice.objects.count(),
        "deliveries": len(each),
        "twice": [key for key, n in each.items() if n > 1],
    }


def one_record_told_by_several() -> Scenario:
    """Everybody spreads and sends until nothing is left; the receiver says 200 to all of it."""
    with receiving() as receiver:
        settings.WEBHOOK_ALLOWED_NETWORKS = LOOPBACK
        asha, lead = as_("asha"), _lead()
        hook(url=receiver.url)
        for n in range(EDITS):
            asha.patch(f"/api/leads/{lead.pk}/", {"name": str(n)})

        def act(n: int) -> int:
            sender, rest, busy = Sender(), Event(), 0
            while Notice.objects.exists() or Delivery.objects.filter(status="pending").exists():
                if some := sender.turn():
                    busy += some
                else:
                    sender.await_landing(1)
                    rest.wait(0.005)  # the others are at it
            sender.close()
            return busy

        busy = yield act
        names = [json.loads(got.body)["data"]["name"] for got in receiver.got]
    return {"at_work": sum(1 for n in busy if n), "in_order": names == [str(n) for n in range(EDITS)]}


def claims_together() -> Scenario:
    """Each claims as much as it can get, and gives nothing back."""
    asha = as_("asha")
    for _ in range(3):
        hook()
    for lead in [_lead() for _ in range(20)]:
        asha.patch(f"/api/leads/{lead.pk}/", {"name": "Joe"})
    while fan_out(now=moments.now()):
        pass

    def act(n: int) -> list[str]:
        claimed: list[str] = []
        for _ in range(10):
            claimed += [str(one.pk) for one in claim(now=moments.now(), most=10, most_failing=10)]
        return claimed

    claimed = [pk for some in (yield act) for pk in some]
    at_each = Counter(Delivery.objects.filter(pk__in=claimed).values_list("webhook", flat=True))
    return {"twice": len(claimed) - len(set(claimed)), "at_each": sorted(at_each.values()), "room": AT_ONE_RECEIVER}
