"""POST /api/crm/autoassign/run/. Contract F §9."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.actions import autoassign
from tandem.fieldservice.models import Attendance, Visit
from tandem.fieldservice.rules.warranty import add_months
from tests.cast import ANONYMOUS, as_, card_of, newcomer, person, visit_to

pytestmark = pytest.mark.django_db
URL = "/api/crm/autoassign/run/"
TODAY = moments.today()
DAY = TODAY + timedelta(days=2)
ON = {"date": DAY.isoformat()}


def run(body: dict | None = None) -> dict[str, Any]:
    answer = as_("asha").post(URL, ON if body is None else body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def waiting(on=DAY, region: str = "Madurai", **other: Any) -> Visit:
    return visit_to(card_of(person("chitra"), region=region), on=on, **other)


def mark_absent(name: str) -> None:
    now = moments.now()
    Attendance.objects.create(
        user=person(name), date=DAY, status="absent", marked_by=person("asha"), created_at=now, updated_at=now
    )


# --- what it does ----------------------------------------------------------------------------------------------------
def test_it_works() -> None:
    wasim, visit = person("wasim"), waiting()
    assert run() == {
        "assigned": [
            {
                "id": visit.pk,
                "assigned_to": wasim.pk,
                "assigned_to_name": "Wasim",
                "scheduled_at": DAY.isoformat(),
                "reasons": ["works in Madurai", "has 1 visit that day with this plan"],
            }
        ],
        "skipped": [],
        "dry_run": False,
    }
    visit.refresh_from_db()
    assert (visit.status, visit.assigned_to, visit.scheduled_on) == ("scheduled", wasim, DAY)
    assert (visit.scheduled_at, visit.scheduled_has_time) == (moments.start_of(DAY), False)
    assert as_("wasim").get(f"/api/crm/services/{visit.pk}/").json()["scheduled_at"] == DAY.isoformat()


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_said_of_a_dry_run_is_none(nothing: Any) -> None:
    person("wasim")
    visit = waiting()
    assert run({**ON, "dry_run": nothing})["dry_run"] is False
    visit.refresh_from_db()
    assert visit.status == "scheduled"


def test_the_event_keeps_the_reasons() -> None:
    wasim, visit = person("wasim"), waiting()
    run()
    event = Event.objects.get()
    assert (event.type, event.subject_type, event.subject_id) == ("visit.scheduled", "visit", str(visit.pk))
    assert event.actor == person("asha")
    assert event.before == {
        "assigned_to": None,
        "status": "pending",
        "scheduled_at": None,
    }
    assert event.after == {
        "assigned_to": wasim.pk,
        "status": "scheduled",
        "scheduled_at": DAY.isoformat(),
    }
    assert event.facts == {"reasons": ["works in Madurai", "has 1 visit that day with this plan"]}


def test_the_product_runs_it_without_an_actor() -> None:
    person("wasim")
    waiting(on=TODAY)
    done = autoassign.plan_day(on=TODAY, by=None, now=moments.now())
    assert len(done.assigned) == 1
    assert Event.objects.get().actor is None


def test_it_plans_today_when_no_day_is_given() -> None:
    person("wasim")
    today, tomorrow = waiting(on=TODAY), waiting(on=TODAY + timedelta(days=1))
    assert [given["id"] for given in run({})["assigned"]] == [today.pk]
    tomorrow.refresh_from_db()
    assert (tomorrow.status, tomorrow.assigned_to) == ("pending", None)


def test_a_dry_run_shows_the_plan_and_writes_nothing() -> None:
    person("wasim")
    visit = waiting()
    planned = run({**ON, "dry_run": True})
    before = Visit.objects.values().get()
    assert planned["dry_run"] is True
    assert [given["id"] for given in planned["assigned"]] == [visit.pk]
    assert (before["status"], before["assigned_to_id"], before["scheduled_on"]) == ("pending", None, None)
    assert not Event.objects.exists()
    assert run() == {**planned, "dry_run": False}


# --- which visits ----------------------------------------------------------------------------------------------------
def test_an_overdue_visit_moves_to_the_day_and_comes_first(settings) -> None:
    settings.CRM_MAX_VISITS_PER_DAY = 1
    person("wasim")
    waiting(on=DAY)
    overdue = waiting(on=TODAY - timedelta(days=3))
    done = run()
    assert [given["id"] for given in done["assigned"]] == [overdue.pk]
    assert done["assigned"][0]["reasons"][0] == f"overdue since {TODAY - timedelta(days=3)}"
    overdue.refresh_from_db()
    assert (overdue.day, overdue.scheduled_on) == (DAY, DAY)


def test_a_visit_of_a_day_between_now_and_then_keeps_its_day() -> None:
    person("wasim")
    between = waiting(on=DAY - timedelta(days=1))
    assert run() == {"assigned": [], "skipped": [], "dry_run": False}
    between.refresh_from_db()
    assert between.assigned_to is None


@pytest.mark.parametrize(
    "other",
    [
        {"status": "assigned", "assigned_to": "wali"},
        {"status": "scheduled", "assigned_to": "wali"},
        {"status": "in_progress", "assigned_to": "wali"},
        {"status": "completed"},
        {"status": "cancelled"},
    ],
    ids=lambda other: other["status"],
)
def test_it_never_touches_a_visit_that_has_a_worker_or_is_closed(other: dict) -> None:
    person("wasim")
    other = {**other, "assigned_to": person(other["assigned_to"])} if "assigned_to" in other else other
    waiting(**other)
    before = Visit.objects.values().get()
    assert run() == {"assigned": [], "skipped": [], "dry_run": False}
    assert Visit.objects.values().get() == before


@pytest.mark.parametrize("asked", ["madurai", "MADURAI", " Madurai "])
def test_a_region_in_any_case_narrows_the_run(asked: str) -> None:
    person("wasim")
    here, _ = waiting(), waiting(region="Theni")
    done = run({**ON, "region": asked})
    assert [given["id"] for given in done["assigned"]] == [here.pk]
    assert done["skipped"] == []


@pytest.mark.parametrize("body", [{"region": ""}, {"region": None}, {"date": ""}, {"date": None}, {"dry_run": "false"}])
def test_empty_values_mean_what_leaving_out_means(body: dict) -> None:
    person("wasim")
    visit = waiting(on=TODAY)
    assert [given["id"] for given in run(body)["assigned"]] == [visit.pk]


# --- the hard rules --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("worker", "reason"),
    [
        ({"region": "Theni"}, "No active worker works in Madurai."),
        ({"is_active": False}, "There is no active worker."),
        ({"role": "customer"}, "There is no active worker."),
    ],
    ids=["another region", "deactivated", "no worker"],
)
def test_it_says_why_a_visit_is_skipped(worker: dict, reason: str) -> None:
    newcomer("Wren", **{"role": "worker", "region": "Madurai", **worker})
    visit = waiting()
    assert run() == {"assigned": [], "skipped": [{"id": visit.pk, "reason": reason}], "dry_run": False}


def test_nobody_who_is_absent_that_day_gets_a_visit() -> None:
    person("wasim"), mark_absent("wasim")
    visit = waiting()
    reason = "Absent that day: all who work in Madurai (1 worker)."
    assert run()["skipped"] == [{"id": visit.pk, "reason": reason}]


def test_what_a_worker_has_on_that_day_counts_open_or_done(settings) -> None:
    settings.CRM_MAX_VISITS_PER_DAY = 3
    wasim = person("wasim")
    waiting(status="assigned", assigned_to=wasim)
    waiting(status="completed", assigned_to=wasim)
    waiting(status="cancelled", assigned_to=wasim)
    waiting(on=DAY + timedelta(days=1), status="assigned", assigned_to=wasim)
    first, second = waiting(), waiting()
    done = run()
    assert [given["id"] for given in done["assigned"]] == [first.pk]
    assert [skipped["id"] for skipped in done["skipped"]] == [second.pk]


def test_the_worker_who_knows_the_machine_is_sent() -> None:
    person("wasim"), person("wali")
    visit = waiting()
    for days in (100, 200):
        visit_to(visit.card, on=TODAY - timedelta(days=days), status="completed", assigned_to=person("wali"))
    (given,) = run()["assigned"]
    assert given["assigned_to_name"] == "Wali"
    assert "knows the machine from 2 earlier visits" in given["reasons"]


# --- the day and the time that are fixed -----------------------------------------------------------------------------
def local(day, clock: str) -> str:
    return moments.iso(moments.at_time(day, time.fromisoformat(clock)))


def test_the_time_that_was_asked_for_is_kept() -> None:
    person("wasim")
    waiting(preferred_time=time(10, 30))
    assert run()["assigned"][0]["scheduled_at"] == local(DAY, "10:30")
    stored = Visit.objects.get()
    assert (stored.scheduled_has_time, stored.scheduled_on) == (True, DAY)


def test_the_time_that_was_fixed_is_kept_also_when_the_day_moves() -> None:
    person("wasim")
    past = TODAY - timedelta(days=1)
    fixed = {"status": "scheduled", "scheduled_has_time": True, "preferred_time": time(8)}
    on_day, overdue = waiting(**fixed), waiting(on=past, **fixed)
    for visit, day in ((on_day, DAY), (overdue, past)):
        Visit.objects.filter(pk=visit.pk).update(scheduled_on=day, scheduled_at=moments.at_time(day, time(15, 45)))
    given = {one["id"]: one["scheduled_at"] for one in run()["assigned"]}
    assert given == {on_day.pk: local(DAY, "15:45"), overdue.pk: local(DAY, "15:45")}


def test_a_time_that_is_past_is_not_fixed() -> None:
    person("wasim")
    visit = waiting(on=TODAY, preferred_time=time(9))
    done = autoassign.plan_day(on=TODAY, by=None, now=moments.at_time(TODAY, time(12)))
    assert str(done.assigned[0].when) == TODAY.isoformat()
    visit.refresh_from_db()
    assert (visit.scheduled_on, visit.scheduled_has_time) == (TODAY, False)


# --- one open visit per card and day ---------------------------------------------------------------------------------
def test_an_overdue_visit_stays_when_its_machine_has_a_visit_on_that_day() -> None:
    person("wasim")
    on_day = waiting()
    overdue = visit_to(on_day.card, on=TODAY - timedelta(days=3))
    done = run()
    assert [given["id"] for given in done["assigned"]] == [on_day.pk]
    assert done["skipped"] == [{"id": overdue.pk, "reason": "This machine has another open visit on that day."}]


def test_of_two_overdue_visits_to_one_machine_the_older_one_moves() -> None:
    person("wasim")
    older = waiting(on=TODAY - timedelta(days=5))
    newer = visit_to(older.card, on=TODAY - timedelta(days=3))
    done = run()
    assert [given["id"] for given in done["assigned"]] == [older.pk]
    assert [skipped["id"] for skipped in done["skipped"]] == [newer.pk]


# --- free stays free -------------------------------------------------------------------------------------------------
def test_a_free_visit_that_moves_too_close_to_the_next_one_becomes_goodwill() -> None:
    person("wasim")
    past = TODAY - timedelta(days=4)
    overdue = waiting(on=past, service_type="free", service_type_reason="by the rule")
    visit_to(overdue.card, on=add_months(past, 3), service_type="free")
    run()
    overdue.refresh_from_db()
    assert (overdue.service_type, overdue.service_type_forced, overdue.day) == ("free", True, DAY)
    assert overdue.service_type_reason.startswith(f"Free before an admin moved it to {DAY}.")


def test_nothing_else_about_free_and_normal_is_decided_anew() -> None:
    person("wasim")
    past = TODAY - timedelta(days=4)
    free, normal = waiting(on=past, service_type="free", service_type_reason="by the rule"), waiting(on=past)
    run()
    for visit, decided in ((free, ("free", "by the rule", False)), (normal, ("normal", "", False))):
        visit.refresh_from_db()
        assert (visit.service_type, visit.service_type_reason, visit.service_type_forced) == decided
        assert visit.day == DAY


# --- somebody else at the same moment --------------------------------------------------------------------------------
@pytest.fixture
def while_planning(monkeypatch):
    """Give something that happens after the run has read the situation, before it writes."""
    plan = autoassign.assignment.plan_day
    pending: list = []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        found = plan(*args, **kwargs)
        if pending:
            pending.pop()()
        return found

    monkeypatch.setattr(autoassign.assignment, "plan_day", interrupted)
    return pending.append


def test_a_visit_that_an_admin_assigns_meanwhile_stays_as_the_admin_said(while_planning) -> None:
    person("wasim")
    visit, other = waiting(), waiting()
    path, body = f"/api/crm/services/{visit.pk}/assign/", {"assigned_to": person("wali").pk}
    while_planning(lambda: as_("asha").post(path, body))
    assert [given["id"] for given in run()["assigned"]] == [other.pk]
    visit.refresh_from_db()
    assert (visit.assigned_to, visit.status) == (person("wali"), "assigned")


def test_a_worker_who_is_marked_absent_meanwhile_gets_nothing(while_planning) -> None:
    person("wasim")
    visit = waiting()
    while_planning(lambda: mark_absent("wasim"))
    assert [skipped["id"] for skipped in run()["skipped"]] == [visit.pk]


def test_a_visit_that_is_booked_meanwhile_is_planned_too(while_planning) -> None:
    person("wasim")
    visit = waiting()
    while_planning(lambda: waiting(on=TODAY - timedelta(days=1)))
    assert len(run()["assigned"]) == 2
    visit.refresh_from_db()
    assert visit.status == "scheduled"


def test_it_ends_though_the_situation_changes_with_every_look(while_planning) -> None:
    person("wasim")
    changes = autoassign.TRIES_WITHOUT_LOCK + 1
    for _ in range(changes):
        while_planning(waiting)
    assert len(run()["assigned"]) == changes
    assert Visit.objects.filter(status="scheduled").count() == changes


@pytest.mark.parametrize(
    "changed",
    [{"status": "cancelled"}, {"preferred_date": DAY + timedelta(days=1)}, {"assigned_to": "wali"}, {"updated_at": 1}],
    ids=["cancelled", "another day", "assigned", "anything"],
)
def test_the_write_itself_compares_what_the_plan_was_made_for(changed: dict, monkeypatch) -> None:
    """Whoever changes a visit by hand does not take the run lock, so even the look under the lock may be stale."""
    person("wasim")
    visit = waiting()
    goodwill = autoassign._goodwill

    def and_then(*args: Any) -> Any:
        values = {"assigned_to": person("wali")} if "assigned_to" in changed else changed
        values = {"updated_at": visit.updated_at + timedelta(seconds=1)} if "updated_at" in changed else values
        Visit.objects.filter(pk=visit.pk).update(**values)
        return goodwill(*args)

    monkeypatch.setattr(autoassign, "_goodwill", and_then)
    expected = [{"id": visit.pk, "reason": "Somebody changed this visit at the same moment."}]
    assert run() == {"assigned": [], "skipped": expected, "dry_run": False}
    assert not Event.objects.exists()
    assert not Visit.objects.filter(assigned_to=person("wasim")).exists()


def test_a_booking_of_the_same_machine_and_day_in_the_last_moment_is_a_skip(monkeypatch) -> None:
    person("wasim")
    overdue = waiting(on=TODAY - timedelta(days=3))
    goodwill = autoassign._goodwill

    def and_then(*args: Any) -> Any:
        visit_to(overdue.card, on=DAY)
        return goodwill(*args)

    monkeypatch.setattr(autoassign, "_goodwill", and_then)
    assert run()["skipped"] == [{"id": overdue.pk, "reason": "This machine has another open visit on that day."}]


def test_its_reads_do_not_grow_with_the_visits(settings) -> None:
    settings.CRM_MAX_VISITS_PER_DAY = 100
    api, past = as_("asha"), TODAY - timedelta(days=1)
    person("wasim"), person("wali")

    def reads(visits: int) -> int:
        for n in range(visits):
            visit = waiting(on=DAY if n % 2 else past, service_type="free")
            visit_to(visit.card, on=TODAY - timedelta(days=100), status="completed", assigned_to=person("wali"))
        with CaptureQueriesContext(connection) as seen:
            assert len(api.post(URL, ON).json()["assigned"]) == visits
        return sum(query["sql"].startswith("SELECT") for query in seen)

    assert reads(1) == reads(10) <= 12


# --- who may, and what is refused ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"date": (TODAY - timedelta(days=1)).isoformat()}, "date"),
        ({"date": "tomorrow"}, "date"),
        ({"region": "x" * 51}, "region"),
        ({"region": ["Madurai"]}, "region"),
        ({"dry_run": "perhaps"}, "dry_run"),
    ],
)
def test_it_refuses_bad_input_by_field(body: dict, field: str) -> None:
    person("wasim")
    waiting(on=TODAY - timedelta(days=1))
    answer = as_("asha").post(URL, body)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert Visit.objects.get().assigned_to is None


@pytest.mark.parametrize("name", ["chitra", "wasim", "omar"])
def test_only_admins_run_it(name: str) -> None:
    person("wasim")
    waiting()
    assert as_(name).post(URL, ON).status_code == 403
    assert ANONYMOUS.post(URL, ON).status_code == 401
    assert Visit.objects.get().assigned_to is None


@pytest.mark.parametrize(("days", "expected"), [(30, 200), (31, 400), (27_000, 400)])
def test_nothing_is_planned_beyond_the_days_that_can_be_booked(days: int, expected: int) -> None:
    """A mistyped year would take all that is overdue out of sight."""
    overdue = waiting(on=TODAY - timedelta(days=1))
    person("wasim")
    answer = as_("asha").post(URL, {"date": (TODAY + timedelta(days=days)).isoformat()})
    assert answer.status_code == expected, answer.content
    overdue.refresh_from_db()
    assert (overdue.scheduled_on is not None) == (expected == 200)
    if expected == 400:
        assert list(answer.json()) == ["date"]
