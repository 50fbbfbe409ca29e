"""What is raced in test_races_of_autoassign.py; see tests/racing.py.

The racers meet between planning and writing: each has planned the same visits before any of them writes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from typing import Any

from django.conf import settings

from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.actions import autoassign
from tandem.fieldservice.models import Visit
from tests.cast import as_, card_of, newcomer, person, visit_to
from tests.racing import Scenario

ON = moments.today() + timedelta(days=1)
RACERS = 2
VISITS = 12


def _all_plan_first() -> Callable[[], None]:
    """Give what a racer does before it starts: its first plan then waits until all racers have theirs."""
    everybody_has_planned = get_context("fork").Barrier(RACERS)
    plan = autoassign.assignment.plan_day
    first = [True]

    def plan_and_meet(*args: Any, **kwargs: Any) -> Any:
        found = plan(*args, **kwargs)
        if first.pop() if first else False:
            everybody_has_planned.wait(timeout=60)
        return found

    def start() -> None:
        autoassign.assignment.plan_day = plan_and_meet

    return start


def same_visits() -> Scenario:
    for name in ("wasim", "wali"):
        person(name)
    for _ in range(VISITS):
        visit_to(card_of(person("chitra")), on=ON)
    asha, start = as_("asha"), _all_plan_first()

    def run(n: int) -> list[int]:
        start()
        answer = asha.post("/api/crm/autoassign/run/", {"date": ON.isoformat()})
        assert answer.status_code == 200, answer.content
        return [given["id"] for given in answer.json()["assigned"]]

    answers = yield run
    given = Counter(pk for answer in answers for pk in answer)
    events = Counter(Event.objects.filter(type="visit.scheduled").values_list("subject_id", flat=True))
    return {
        "told_once": sorted(given.values()) == [1] * VISITS,
        "events": sorted(events.values()),
        "by_worker": sorted(Counter(Visit.objects.values_list("assigned_to__name", flat=True)).items()),
        "status": sorted(set(Visit.objects.values_list("status", flat=True))),
    }


def two_regions_one_worker() -> Scenario:
    """Different visits, the same worker: comparing each visit alone would fill that worker's day twice."""
    settings.CRM_MAX_VISITS_PER_DAY = 5
    newcomer("Wren", role="worker")
    regions = ("Madurai", "Theni")
    for region in regions:
        for _ in range(5):
            visit_to(card_of(person("chitra"), region=region), on=ON)
    asha, start = as_("asha"), _all_plan_first()

    def run(n: int) -> list[int]:
        start()
        answer = asha.post("/api/crm/autoassign/run/", {"date": ON.isoformat(), "region": regions[n]})
        assert answer.status_code == 200, answer.content
        return [len(answer.json()["assigned"]), len(answer.json()["skipped"])]

    answers = yield run
    return {"assigned_and_skipped": sorted(answers), "stored": Visit.objects.exclude(assigned_to=None).count()}
