"""What becomes of machines and visits when people and owners change: nothing of one customer is told to another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.accounts.models import User
from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.models import Attendance, Card, Visit
from tests.cast import as_, card_of, newcomer, person, visit_to

pytestmark = pytest.mark.django_db
VISITS, CARDS, FEEDBACKS = "/api/crm/services/", "/api/crm/cards/", "/api/crm/feedbacks/"
EXPORT = "/api/crm/admin/export/services/"


@pytest.fixture
def card() -> Card:
    return card_of(person("chitra"))


def change_user(who: User, **body: Any) -> None:
    answer = as_("asha").patch(f"/api/auth/admin/users/{who.pk}/update/", body)
    assert answer.status_code == 200, answer.content


def given_to_deepak(card: Card) -> None:
    assert as_("asha").patch(f"{CARDS}{card.pk}/", {"customer": person("deepak").pk}).status_code == 200


class TestAMachineThatChangesHands:
    def test_closed_visits_stay_with_whom_they_were_made_for(self, card: Card) -> None:
        done = visit_to(card, status="completed", description="gate code 4711", amount_charged=700)
        open_one = visit_to(card, on=moments.today() + timedelta(days=3))
        given_to_deepak(card)
        chitra, deepak = person("chitra"), person("deepak")
        assert [row["id"] for row in as_("chitra").get(VISITS).json()] == [done.pk]
        assert [row["id"] for row in as_("deepak").get(VISITS).json()] == [open_one.pk]
        assert as_("deepak").get(f"{VISITS}{done.pk}/").status_code == 404
        shown = as_("asha").get(f"{VISITS}{done.pk}/").json()
        assert (shown["customer"], shown["customer_name"], shown["customer_phone"]) == (
            chitra.pk,
            chitra.name,
            chitra.phone,
        )
        assert [row["id"] for row in as_("asha").get(f"{VISITS}?customer={deepak.pk}").json()] == [open_one.pk]
        table = as_("asha").get(EXPORT).getvalue().decode()
        [row] = [row for row in table.splitlines() if row.startswith(f"{done.pk},")]
        assert f",{chitra.pk},{chitra.name}," in row

    def test_its_card_shows_the_new_owner_nothing_of_the_old_one(self, card: Card) -> None:
        wasim = person("wasim")
        done = visit_to(card, status="completed", description="gate code 4711", assigned_to=wasim)
        open_one = visit_to(card, on=moments.today() + timedelta(days=3))
        given_to_deepak(card)
        theirs = visit_to(Card.objects.get(pk=card.pk), assigned_to=person("wali"))

        def shown_to(name: str) -> list[int]:
            return [row["id"] for row in as_(name).get(f"{CARDS}{card.pk}/").json()["services"]]

        assert shown_to("deepak") == [theirs.pk, open_one.pk]
        assert shown_to("wali") == [theirs.pk, open_one.pk], "what colleagues did for the owner of today"
        assert shown_to("wasim") == [theirs.pk, open_one.pk, done.pk], "and the own work"
        assert shown_to("asha") == [theirs.pk, open_one.pk, done.pk]

    def test_histories_tell_the_new_owner_nothing_of_the_old_one(self, card: Card) -> None:
        as_("asha").patch(f"{CARDS}{card.pk}/", {"address": "12 MG Road"})
        visit = visit_to(card)
        as_("asha").patch(f"{VISITS}{visit.pk}/", {"description": "gate code 4711"})
        given_to_deepak(card)
        as_("asha").patch(f"{CARDS}{card.pk}/", {"region": "Theni"})
        as_("asha").patch(f"{VISITS}{visit.pk}/", {"description": "no water"})
        for record, since in (
            (f"{CARDS}{card.pk}/", {"region": "Theni"}),
            (f"{VISITS}{visit.pk}/", {"description": "no water"}),
        ):
            assert [row["after"] for row in as_("deepak").get(f"{record}history/").json()] == [since]
            assert len(as_("asha").get(f"{record}history/").json()) == 3

    def test_ratings_are_their_authors(self, card: Card) -> None:
        rated, unrated = (visit_to(card, status="completed", on=moments.today() - timedelta(days=n)) for n in (9, 5))
        assert as_("chitra").post(FEEDBACKS, {"service": rated.pk, "rating": 5}).status_code == 201
        given_to_deepak(card)
        assert as_("deepak").post(FEEDBACKS, {"service": unrated.pk, "rating": 1}).status_code == 400
        assert as_("chitra").post(FEEDBACKS, {"service": unrated.pk, "rating": 4}).status_code == 201
        assert as_("deepak").get(FEEDBACKS).json() == []
        assert {row["customer_name"] for row in as_("asha").get(FEEDBACKS).json()} == {person("chitra").name}

    def test_open_visits_tell_that_they_are_anothers(self, card: Card) -> None:
        visit = visit_to(card)
        given_to_deepak(card)
        told = Event.objects.get(subject_type="visit")
        assert (told.type, told.subject_id) == ("visit.updated", str(visit.pk))
        assert (told.before, told.after) == (
            {"customer": person("chitra").pk},
            {"customer": person("deepak").pk},
        )


def test_a_code_that_went_to_an_old_number_completes_nothing(card: Card) -> None:
    visit = visit_to(card, status="in_progress", assigned_to=person("wasim"))
    assert as_("wasim").post(f"{VISITS}{visit.pk}/request_otp/").status_code == 200
    assert Visit.objects.get(pk=visit.pk).otp_hash
    change_user(person("chitra"), email="c@example.com")
    assert Visit.objects.get(pk=visit.pk).otp_hash, "only the number counts"
    change_user(person("chitra"), phone="+919876500001")
    assert not Visit.objects.get(pk=visit.pk).otp_hash
    answer = as_("wasim").post(f"{VISITS}{visit.pk}/verify_otp/", {"otp": "123456"})
    assert answer.json()["code"] == "otp_expired"
    assert Event.objects.filter(type="visit.code_voided").count() == 1


def test_cards_follow_the_name_of_their_owner(card: Card) -> None:
    visit, called = visit_to(card), card_of(person("chitra"), customer_name="Kitchen, 2nd floor")
    assert card.customer_name == person("chitra").name
    assert as_("chitra").patch("/api/auth/me/", {"name": "Ignatius Vbn"}).status_code == 200
    assert as_("asha").get(f"{VISITS}{visit.pk}/").json()["customer_name"] == "Ignatius Vbn"
    for path in (VISITS, CARDS):
        assert as_("asha").get(f"{path}?search=ignatius").json()
    called.refresh_from_db()
    assert called.customer_name == "Kitchen, 2nd floor"
    assert Event.objects.get(type="card.updated").before == {"customer_name": card.customer_name}


@pytest.mark.parametrize("body", [{"is_active": False}, {"role": "customer"}])
def test_visits_that_have_not_begun_lose_a_worker_who_leaves(card: Card, body: dict[str, Any]) -> None:
    wasim, today = person("wasim"), moments.today()
    by_hand = visit_to(card, status="assigned", assigned_to=wasim)
    planned = visit_to(card, status="scheduled", assigned_to=wasim, scheduled_on=today + timedelta(days=2))
    begun = visit_to(card, status="in_progress", assigned_to=wasim, on=today + timedelta(days=1))
    done = visit_to(card, status="completed", assigned_to=wasim, on=today - timedelta(days=1))
    change_user(wasim, **body)
    states = {visit.pk: (visit.status, visit.assigned_to_id) for visit in Visit.objects.all()}
    assert states == {
        by_hand.pk: ("pending", None),
        planned.pk: ("scheduled", None),
        begun.pk: ("in_progress", wasim.pk),
        done.pk: ("completed", wasim.pk),
    }
    told = Event.objects.filter(type="visit.unassigned").order_by("pk")
    assert [event.subject_id for event in told] == [str(by_hand.pk), str(planned.pk)]
    newcomer("Walter", role="worker", region=card.region)
    plan = as_("asha").post("/api/crm/autoassign/run/", {"date": by_hand.day.isoformat()}).json()
    assert {by_hand.pk, planned.pk} & {one["id"] for one in (*plan["assigned"], *plan["skipped"])}


def test_what_had_begun_goes_to_another_day_with_somebody_who_is_still_there(card: Card) -> None:
    wasim, wali, asha = person("wasim"), person("wali"), as_("asha")
    visit = visit_to(card, status="in_progress", assigned_to=wasim)
    change_user(wasim, is_active=False)
    url, body = f"{VISITS}{visit.pk}/", {"scheduled_at": (moments.today() + timedelta(days=3)).isoformat()}
    for answer in (asha.patch(url, body), asha.post(f"{url}reschedule/", body)):
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
        assert "Its worker has left. Send another one first." in answer.json()["detail"]
    shown = asha.patch(url, {**body, "assigned_to": wali.pk}).json()
    assert (shown["status"], shown["assigned_to"], shown["scheduled_at"]) == ("assigned", wali.pk, body["scheduled_at"])


def test_another_day_asks_again_whether_the_worker_is_there(card: Card) -> None:
    wasim, day = person("wasim"), moments.today() + timedelta(days=3)
    visit = visit_to(card, status="assigned", assigned_to=wasim, scheduled_on=day - timedelta(days=1))
    now = moments.now()
    values = {"marked_by": person("asha"), "created_at": now, "updated_at": now}
    Attendance.objects.create(user=wasim, date=day, status="absent", **values)
    url, body = f"{VISITS}{visit.pk}/", {"scheduled_at": day.isoformat()}
    for sent in (body, {**body, "assigned_to": wasim.pk}):
        answer = as_("asha").patch(url, sent)
        assert (answer.status_code, answer.json()["code"]) == (409, "worker_absent")
    assert as_("asha").patch(url, {**body, "force": True}).status_code == 200


def test_cards_are_locked_before_visits(card: Card) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time, from the beginning of its transaction")
    visit_to(card, status="in_progress", assigned_to=person("wasim"))
    with CaptureQueriesContext(connection) as queries:
        change_user(person("chitra"), name="Another", phone="+919876500002")
    locks = [query["sql"] for query in queries if " FOR NO KEY UPDATE" in query["sql"]]
    tables = [name for sql in locks for name in ("card", "visit") if f'FROM "fieldservice_{name}"' in sql]
    assert tables == ["card", "visit"]
