"""Lists, details, PATCH and the three actions of /api/crm/services/. Contract F §4."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.common import moments
from tandem.common.reading import ahead
from tandem.events.models import Event
from tandem.fieldservice.actions import visits
from tandem.fieldservice.models import Attendance, Card, Feedback, ServiceEntry, Visit
from tests.cast import Api, as_, card_of, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/crm/services/"
TODAY = moments.today()


def day(plus: int) -> str:
    return (moments.today() + timedelta(days=plus)).isoformat()


@pytest.fixture
def card() -> Card:
    return card_of(person("chitra"))


@pytest.fixture
def visit(card: Card) -> Visit:
    """Chitra's, assigned to Wasim, tomorrow."""
    return visit_to(card, on=moments.today() + timedelta(days=1), status="assigned", assigned_to=person("wasim"))


class TestList:
    def ids(self, api: Api, query: str = "") -> list[int]:
        answer = api.get(URL + query)
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()]

    def test_each_role_sees_its_own(self, visit: Visit) -> None:
        other = visit_to(card_of(person("deepak")))
        assert self.ids(as_("asha")) == [visit.pk, other.pk]
        assert self.ids(as_("chitra")) == [visit.pk]
        assert self.ids(as_("deepak")) == [other.pk]
        assert self.ids(as_("wasim")) == [visit.pk]
        assert self.ids(as_("wali")) == []
        assert as_("omar").get(URL).status_code == 403

    def test_fixed_days_come_first_then_the_oldest(self, card: Card) -> None:
        undated = visit_to(card, on=TODAY)
        late = visit_to(card, scheduled_on=TODAY + timedelta(days=5), on=TODAY + timedelta(days=1))
        early = visit_to(card, scheduled_on=TODAY + timedelta(days=2), on=TODAY + timedelta(days=9))
        assert self.ids(as_("asha")) == [early.pk, late.pk, undated.pk]
        assert self.ids(as_("asha"), "?order=created") == [undated.pk, late.pk, early.pk]

    @pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Asia/Kolkata", "UTC", "Pacific/Pago_Pago"])
    def test_a_day_begins_at_the_site_s_midnight(self, zone: str, card: Card, settings: Any) -> None:
        settings.TIME_ZONE = zone
        fixed = [visit_to(card, scheduled_on=TODAY + timedelta(days=n)) for n in range(4)]
        undated = visit_to(card_of(person("deepak")), on=TODAY + timedelta(days=2))
        second = TODAY + timedelta(days=2)
        assert self.ids(as_("asha"), f"?from={second}") == [fixed[2].pk, fixed[3].pk, undated.pk]
        assert self.ids(as_("asha"), f"?from={second}&to={second}") == [fixed[2].pk, undated.pk]

    def test_filters(self, card: Card, visit: Visit) -> None:
        done = visit_to(card, on=TODAY, status="completed", description="Leaking tap")
        moved = visit_to(card, on=TODAY, scheduled_on=TODAY + timedelta(days=20))
        asha = as_("asha")
        wasim = person("wasim").pk
        assert self.ids(asha, "?status=completed") == [done.pk]
        assert self.ids(asha, "?status=completed,assigned&order=created") == [visit.pk, done.pk]
        assert self.ids(asha, f"?status=assigned&?assigned_to={wasim}") == [visit.pk], "as the document spells it"
        assert self.ids(asha, f"?card={card.pk}&from={day(20)}") == [moved.pk]
        assert self.ids(asha, f"?from={day(1)}&to={day(1)}") == [visit.pk], "both ends are inside"
        assert self.ids(asha, f"?customer={card.customer_id}&to={day(0)}") == [done.pk]
        assert self.ids(asha, "?customer=424242") == []
        assert self.ids(asha, "?search=leaking") == [done.pk]
        assert self.ids(asha, "?unheard_of=1&order=created") == [visit.pk, done.pk, moved.pk]
        assert self.ids(as_("deepak"), f"?card={card.pk}&search=leaking") == []

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("customer=abc", "customer"),
            ("card=1.5", "card"),
            ("from=yesterday", "from"),
            ("status=gone", "status"),
            ("order=password", "order"),
            ("page=0", "page"),
            ("page_size=-1", "page_size"),
            ("cursor=x", "cursor"),
            ("search=%00", "search"),
        ],
    )
    def test_a_filter_of_the_wrong_type_is_bad_input(self, query: str, field: str) -> None:
        answer = as_("asha").get(f"{URL}?{query}")
        assert (answer.status_code, list(answer.json())) == (400, [field])

    def test_an_envelope_comes_when_a_page_is_asked_for(self, card: Card) -> None:
        visits = [visit_to(card, on=TODAY + timedelta(days=n)) for n in range(5)]
        shown = as_("asha").get(URL + "?page=2&page_size=2").json()
        assert shown["count"] == 5
        assert [row["id"] for row in shown["results"]] == [visits[2].pk, visits[3].pk]
        assert shown["next"].endswith("?page=3&page_size=2")
        assert shown["previous"].endswith("?page=1&page_size=2")

    @pytest.mark.parametrize("order", ["scheduled", "created"])
    def test_a_cursor_pages_the_rest_while_others_insert(self, card: Card, order: str, settings: Any) -> None:
        settings.MAX_UNPAGED = 2
        wanted = [visit_to(card, on=TODAY + timedelta(days=n)).pk for n in range(3)]
        wanted += [visit_to(card, scheduled_on=TODAY + timedelta(days=9), on=TODAY + timedelta(days=9)).pk]
        if order == "scheduled":
            wanted = wanted[-1:] + wanted[:-1]
        seen: list[int] = []
        url: str | None = f"{URL}?order={order}"
        while url:
            answer = as_("asha").get(url)
            seen += [row["id"] for row in answer.json()]
            # Somebody books meanwhile; it comes behind everything, or in front, but shifts nothing.
            visit_to(card, on=TODAY + timedelta(days=50 + len(seen)), status="cancelled", created_at=moments.now())
            link = answer.headers.get("Link")
            url = link.removeprefix("<http://localhost").removesuffix('>; rel="next"') if link else None
            if len(seen) > 20:
                break
        assert seen[: len(wanted)] == wanted
        assert len(seen) == len(set(seen)), "no row comes twice"

    def test_the_number_of_queries_does_not_grow(self, card: Card) -> None:
        api, counts = as_("asha"), []
        visit_to(card, on=TODAY)
        for _ in range(2):
            api.get(URL)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                api.get(URL)
            counts.append(len(queries))
            for n in range(1, 10):
                visit_to(card, on=TODAY + timedelta(days=n), status="cancelled")
        assert counts == [2, 2], "who calls, and the list"


class TestDetail:
    def test_it_works(self, visit: Visit) -> None:
        now = moments.now()
        entry = ServiceEntry.objects.create(
            visit=visit, performed_by=person("wasim"), work_detail="Valve", amount_charged="50", created_at=now
        )
        feedback = Feedback.objects.create(visit=visit, rating=5, comments="Great", created_at=now)
        shown = as_("chitra").get(f"{URL}{visit.pk}/").json()
        assert [row["id"] for row in shown["entries"]] == [entry.pk]
        assert shown["entries"][0]["amount_charged"] == "50.00"
        assert shown["feedback"]["id"] == feedback.pk
        assert "otp_hash" not in shown

    def test_who_may_not_see_it_learns_nothing(self, visit: Visit) -> None:
        for name in ("deepak", "wali"):
            hidden = as_(name).get(f"{URL}{visit.pk}/")
            missing = as_(name).get(f"{URL}999999/")
            assert hidden.status_code == missing.status_code == 404
            assert hidden.content == missing.content

    def test_it_costs_two_queries(self, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ahead, "pays", lambda: False)  # with it, they are one: test_reading_ahead.py
        api = as_("chitra")
        api.get(f"{URL}{visit.pk}/")
        with CaptureQueriesContext(connection) as queries:
            api.get(f"{URL}{visit.pk}/")
        assert len(queries) == 2, "who calls, and the visit with all that hangs on it"

    @pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
    def test_every_form_in_which_a_tag_is_known_brings_304(self, visit: Visit, form: str) -> None:
        etag = as_("chitra").get(f"{URL}{visit.pk}/").headers["ETag"]
        assert as_("chitra").get(f"{URL}{visit.pk}/", **{"If-None-Match": form.format(etag)}).status_code == 304
        assert as_("chitra").get(f"{URL}{visit.pk}/", **{"If-None-Match": 'W/"x"'}).status_code == 200

    def test_an_etag_that_is_known_brings_304(self, visit: Visit) -> None:
        first = as_("chitra").get(f"{URL}{visit.pk}/")
        again = as_("chitra").get(f"{URL}{visit.pk}/", If_None_Match=first["ETag"])
        assert (again.status_code, again.content) == (304, b"")

    def test_a_write_answers_what_a_read_answers_byte_for_byte(self, visit: Visit) -> None:
        written = as_("asha").patch(f"{URL}{visit.pk}/", {"description": 'Später \u2028 "zitiert" \\ \x7f 🔧'})
        read = as_("chitra").get(f"{URL}{visit.pk}/")
        assert written.content == read.content
        assert written["ETag"] == read["ETag"]


class TestIfMatch:
    def test_the_right_tag_lets_the_change_through(self, visit: Visit) -> None:
        tag = as_("asha").get(f"{URL}{visit.pk}/")["ETag"]
        assert as_("asha").patch(f"{URL}{visit.pk}/", {"description": "A"}, If_Match=tag).status_code == 200

    def test_an_old_tag_changes_nothing(self, visit: Visit) -> None:
        tag = as_("asha").get(f"{URL}{visit.pk}/")["ETag"]
        as_("asha").patch(f"{URL}{visit.pk}/", {"description": "A"})
        answer = as_("asha").patch(f"{URL}{visit.pk}/", {"description": "B"}, If_Match=tag)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        visit.refresh_from_db()
        assert visit.description == "A"

    def test_it_guards_actions_too(self, visit: Visit) -> None:
        answer = as_("asha").post(f"{URL}{visit.pk}/cancel/", {}, If_Match='"old"')
        assert answer.status_code == 412
        visit.refresh_from_db()
        assert visit.status == "assigned"


class TestAssign:
    def test_it_works(self, card: Card) -> None:
        visit, wasim = visit_to(card, on=TODAY + timedelta(days=1)), person("wasim")
        answer = as_("asha").post(f"{URL}{visit.pk}/assign/", {"assigned_to": wasim.pk, "scheduled_at": day(2)})
        assert answer.status_code == 200
        shown = answer.json()
        assert shown["detail"] == shown["status"] == "assigned"
        assert (shown["assigned_to"], shown["assigned_to_name"]) == (wasim.pk, "Wasim")
        assert shown["scheduled_at"] == day(2), "a day without a time stays a day"
        assert Event.objects.get().type == "visit.assigned"

    def test_a_day_without_a_worker_who_is_there(self, card: Card) -> None:
        visit, wasim = visit_to(card, on=TODAY), person("wasim")
        now = moments.now()
        Attendance.objects.create(
            user=wasim, date=TODAY, status="absent", marked_by=person("asha"), created_at=now, updated_at=now
        )
        url = f"{URL}{visit.pk}/assign/"
        answer = as_("asha").post(url, {"assigned_to": wasim.pk})
        assert (answer.status_code, answer.json()["code"]) == (409, "worker_absent")
        visit.refresh_from_db()
        assert visit.assigned_to is None
        assert as_("asha").post(url, {"assigned_to": wasim.pk, "force": True}).status_code == 200

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_nothing_said_of_force_forces_nothing(self, card: Card, nothing: Any) -> None:
        visit, wasim, wali, now = visit_to(card, on=TODAY), person("wasim"), person("wali"), moments.now()
        Attendance.objects.create(
            user=wasim, date=TODAY, status="absent", marked_by=person("asha"), created_at=now, updated_at=now
        )
        url = f"{URL}{visit.pk}/assign/"
        refused = as_("asha").post(url, {"assigned_to": wasim.pk, "force": nothing})
        assert (refused.status_code, refused.json()["code"]) == (409, "worker_absent")
        assert as_("asha").post(url, {"assigned_to": wali.pk, "force": nothing}).status_code == 200

    @pytest.mark.parametrize("whom", ["chitra", "asha", "omar", "nobody", "gone"])
    def test_only_an_active_worker_can_be_assigned(self, card: Card, whom: str) -> None:
        visit = visit_to(card)
        if whom == "gone":
            wali = person("wali")
            wali.is_active = False
            wali.save()
            pk = wali.pk
        else:
            pk = 987654 if whom == "nobody" else person(whom).pk
        answer = as_("asha").post(f"{URL}{visit.pk}/assign/", {"assigned_to": pk})
        assert (answer.status_code, list(answer.json())) == (400, ["assigned_to"])

    def test_another_worker_voids_the_code(self, visit: Visit) -> None:
        now = moments.now()
        Visit.objects.update(
            status="awaiting_otp", otp_hash="x" * 64, otp_requested_at=now, otp_expires_at=now + timedelta(minutes=9)
        )
        shown = as_("asha").post(f"{URL}{visit.pk}/assign/", {"assigned_to": person("wali").pk}).json()
        assert (shown["status"], shown["otp_expires_at"]) == ("assigned", None)
        visit.refresh_from_db()
        assert visit.otp_hash == ""

    @pytest.mark.parametrize("status", ["completed", "cancelled"])
    def test_a_closed_visit_cannot_be_assigned(self, card: Card, status: str) -> None:
        visit = visit_to(card, status=status)
        answer = as_("asha").post(f"{URL}{visit.pk}/assign/", {"assigned_to": person("wasim").pk})
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
        assert (answer.json()["from"], answer.json()["to"]) == (status, "assigned")


class TestReschedule:
    def test_the_owner_moves_it_and_the_worker_stays(self, visit: Visit) -> None:
        shown = as_("chitra").post(f"{URL}{visit.pk}/reschedule/", {"scheduled_at": day(4)}).json()
        assert (shown["detail"], shown["status"], shown["scheduled_at"]) == ("rescheduled", "assigned", day(4))
        assert shown["assigned_to"] == visit.assigned_to_id

    def test_without_a_worker_it_becomes_scheduled(self, card: Card) -> None:
        visit = visit_to(card, on=TODAY)
        shown = as_("chitra").post(f"{URL}{visit.pk}/reschedule/", {"scheduled_at": day(4)}).json()
        assert shown["status"] == "scheduled"

    def test_the_owners_move_decides_anew(self, card: Card) -> None:
        Card.objects.update(warranty_end_date=TODAY + timedelta(days=5))
        visit = visit_to(card, on=TODAY, service_type="free")
        shown = as_("chitra").post(f"{URL}{visit.pk}/reschedule/", {"scheduled_at": day(6)}).json()
        assert shown["service_type"] == "normal"

    def test_an_admins_move_never_turns_free_into_normal(self, card: Card) -> None:
        Card.objects.update(warranty_end_date=TODAY + timedelta(days=5))
        visit = visit_to(card, on=TODAY, service_type="free")
        shown = as_("asha").post(f"{URL}{visit.pk}/reschedule/", {"scheduled_at": day(6)}).json()
        assert shown["service_type"] == "free"

    @pytest.mark.parametrize("when", [day(-1), day(31), "soon", None, ""])
    def test_the_days_of_booking_count_here_too(self, visit: Visit, when: str | None) -> None:
        answer = as_("chitra").post(f"{URL}{visit.pk}/reschedule/", {"scheduled_at": when})
        assert (answer.status_code, list(answer.json())) == (400, ["scheduled_at"])

    def test_two_open_visits_cannot_meet_on_one_day(self, card: Card, visit: Visit) -> None:
        visit_to(card, on=TODAY + timedelta(days=7))
        answer = as_("chitra").post(f"{URL}{visit.pk}/reschedule/", {"scheduled_at": day(7)})
        assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_visit")
        visit.refresh_from_db()
        assert visit.scheduled_on is None

    @pytest.mark.parametrize("status", ["in_progress", "awaiting_otp"])
    def test_once_the_work_has_begun_only_an_admin_may(self, visit: Visit, status: str) -> None:
        Visit.objects.update(status=status)
        url = f"{URL}{visit.pk}/reschedule/"
        assert as_("chitra").post(url, {"scheduled_at": day(3)}).status_code == 409
        assert as_("asha").post(url, {"scheduled_at": day(3)}).status_code == 200

    def test_nobody_else_may(self, visit: Visit) -> None:
        url, body = f"{URL}{visit.pk}/reschedule/", {"scheduled_at": day(3)}
        assert as_("deepak").post(url, body).status_code == 404
        assert as_("wasim").post(url, body).status_code == 403


class TestCancel:
    def test_it_works_and_gives_the_entitlement_back(self, card: Card) -> None:
        visit = visit_to(card, on=TODAY, service_type="free")
        assert as_("chitra").get(f"/api/crm/cards/{card.pk}/").json()["next_free_service_date"] > day(60)
        answer = as_("chitra").post(f"{URL}{visit.pk}/cancel/", {"reason": "Not needed"})
        assert answer.status_code == 200
        assert (answer.json()["detail"], answer.json()["cancel_reason"]) == ("cancelled", "Not needed")
        assert answer.json()["cancelled_at"].endswith("Z")
        assert as_("chitra").get(f"/api/crm/cards/{card.pk}/").json()["next_free_service_date"] == day(0)

    def test_a_body_is_not_needed(self, visit: Visit) -> None:
        asha = as_("asha")
        answer = asha.client.generic("POST", f"{URL}{visit.pk}/cancel/", content_type="", headers=asha.headers)
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("status", "owner", "admin"),
        [
            ("pending", 200, 200),
            ("in_progress", 409, 200),
            ("awaiting_otp", 409, 200),
            ("completed", 409, 409),
            ("cancelled", 409, 409),
        ],
    )
    def test_by_state(self, visit: Visit, status: str, owner: int, admin: int) -> None:
        for name, expected in (("chitra", owner), ("asha", admin)):
            Visit.objects.update(status=status)
            assert as_(name).post(f"{URL}{visit.pk}/cancel/").status_code == expected, name


class TestPatch:
    @pytest.mark.parametrize(
        ("who", "body", "status", "because"),
        [
            ("wasim", {"status": "in_progress"}, 200, "the worker begins"),
            ("wasim", {"description": "Gate is locked"}, 200, "and notes down what is the matter"),
            ("wasim", {"status": "completed"}, 403, "completing needs the code"),
            ("wasim", {"assigned_to": 1}, 403, "an admin's key"),
            ("wasim", {"preferred_date": "2030-01-01"}, 403, "the owner's key"),
            ("chitra", {"status": "cancelled"}, 200, "the owner calls it off"),
            ("chitra", {"preferred_date": day(3)}, 200, "as a reschedule"),
            ("chitra", {"preferred_time": "23:58"}, 200, "as a reschedule"),
            ("chitra", {"status": "completed"}, 403, "not the owner's"),
            ("chitra", {"service_type": "free"}, 403, "not the owner's"),
            ("chitra", {"scheduled_at": day(3)}, 403, "not the owner's; there is reschedule/"),
            ("chitra", {"preferred_date": day(-3)}, 400, "the past"),
            ("chitra", {"id": 5, "otp_hash": "x", "amount_charged": 9, "completed_at": day(0)}, 200, "read-only"),
            ("asha", {"service_type": "free", "visit_type": "CS", "next_service_date": day(90)}, 200, "an admin's"),
            ("asha", {"status": "completed"}, 409, "there is verify_otp/ for it"),
            ("asha", {"status": "nonsense"}, 400, "no state at all"),
            ("deepak", {"description": "x"}, 404, "not the own one"),
            ("wali", {"description": "x"}, 404, "not assigned"),
        ],
    )
    def test_by_role(self, visit: Visit, who: str, body: dict, status: int, because: str) -> None:
        before = Visit.objects.values().get(pk=visit.pk)
        answer = as_(who).patch(f"{URL}{visit.pk}/", body)
        assert answer.status_code == status, (because, answer.content)
        after = Visit.objects.values().get(pk=visit.pk)
        if status != 200:
            assert after == before, because
            assert not Event.objects.exists(), because
        for key in ("id", "otp_hash", "amount_charged", "completed_at"):
            assert after[key] == before[key], because

    def test_the_owners_new_day_is_a_reschedule(self, visit: Visit) -> None:
        shown = as_("chitra").patch(f"{URL}{visit.pk}/", {"preferred_date": day(3), "preferred_time": "11:30"}).json()
        assert (shown["preferred_date"], shown["preferred_time"]) == (day(3), "11:30")
        assert shown["scheduled_at"] == f"{day(3)}T06:00:00Z"
        assert shown["status"] == "assigned"

    def test_an_admin_may_insist_on_a_worker_who_is_absent(self, visit: Visit) -> None:
        wali, now, asha = person("wali"), moments.now(), as_("asha")
        Attendance.objects.create(
            user=wali, date=visit.day, status="absent", marked_by=person("asha"), created_at=now, updated_at=now
        )
        for unforced in ({}, {"force": False}):
            answer = asha.patch(f"{URL}{visit.pk}/", {"assigned_to": wali.pk, **unforced})
            assert (answer.status_code, answer.json()["code"]) == (409, "worker_absent")
        assert not Event.objects.exists()
        answer = asha.patch(f"{URL}{visit.pk}/", {"assigned_to": wali.pk, "force": True})
        assert (answer.status_code, answer.json()["assigned_to"]) == (200, wali.pk), answer.content
        event = Event.objects.get()
        assert (event.type, event.facts) == ("visit.assigned", {"forced": True})

    def test_force_alone_is_no_change_and_from_others_ignored(self, visit: Visit) -> None:
        for name in ("asha", "wasim", "chitra"):
            assert as_(name).patch(f"{URL}{visit.pk}/", {"force": True}).status_code == 200, name
        assert not Event.objects.exists()

    def test_an_admin_takes_the_worker_off(self, visit: Visit) -> None:
        shown = as_("asha").patch(f"{URL}{visit.pk}/", {"assigned_to": ""}).json()
        assert (shown["assigned_to"], shown["status"]) == (None, "pending")

    def test_an_admin_takes_the_fixed_day_back(self, card: Card) -> None:
        visit = visit_to(card, status="scheduled", scheduled_on=TODAY + timedelta(days=2))
        shown = as_("asha").patch(f"{URL}{visit.pk}/", {"scheduled_at": None}).json()
        assert (shown["scheduled_at"], shown["status"]) == (None, "pending")

    def test_the_day_stays_while_a_worker_is_planned_for_it(self, card: Card) -> None:
        visit = visit_to(card, status="scheduled", scheduled_on=TODAY + timedelta(days=2), assigned_to=person("wasim"))
        answer = as_("asha").patch(f"{URL}{visit.pk}/", {"scheduled_at": None})
        assert (answer.status_code, list(answer.json())) == (400, ["scheduled_at"])

    def test_a_new_day_voids_the_code_but_not_the_wait_for_the_next(self, visit: Visit) -> None:
        asked_at = moments.now()
        Visit.objects.update(
            status="awaiting_otp", otp_hash="x" * 64, otp_requested_at=asked_at, otp_expires_at=asked_at
        )
        shown = as_("asha").patch(f"{URL}{visit.pk}/", {"scheduled_at": day(3)}).json()
        assert (shown["status"], shown["otp_expires_at"]) == ("assigned", None)
        assert shown["otp_requested_at"] == moments.iso(asked_at)

    @pytest.mark.parametrize("was_fixed", [True, False])
    def test_the_day_moves_with_the_preferred_one_and_the_code_is_void(self, visit: Visit, was_fixed: bool) -> None:
        body: dict[str, Any] = {"preferred_date": day(5)}
        if was_fixed:
            Visit.objects.update(scheduled_on=TODAY, scheduled_at=moments.start_of(TODAY))
            body["scheduled_at"] = None
        assert as_("wasim").post(f"{URL}{visit.pk}/request_otp/").status_code == 200
        assert as_("asha").patch(f"{URL}{visit.pk}/", {"description": "Later"}).json()["status"] == "awaiting_otp"
        shown = as_("asha").patch(f"{URL}{visit.pk}/", body).json()
        assert (shown["status"], shown["scheduled_at"], shown["otp_expires_at"]) == ("assigned", None, None)
        assert shown["assigned_to"] == visit.assigned_to_id
        visit.refresh_from_db()
        assert (visit.day.isoformat(), visit.otp_hash) == (day(5), "")
        assert Event.objects.latest("pk").type == "visit.rescheduled"

    @pytest.mark.parametrize("way", ["patch", "reschedule"])
    def test_without_a_worker_another_day_voids_the_code(self, card: Card, way: str) -> None:
        visit, asha = visit_to(card, status="awaiting_otp", otp_hash="x" * 64), as_("asha")
        if way == "patch":
            answer = asha.patch(f"{URL}{visit.pk}/", {"preferred_date": day(5)})
        else:
            answer = asha.post(f"{URL}{visit.pk}/reschedule/", {"scheduled_at": day(5)})
        assert (answer.status_code, answer.json()["status"]) == (200, "scheduled"), answer.content
        visit.refresh_from_db()
        assert (visit.day.isoformat(), visit.otp_hash) == (day(5), "")

    @pytest.mark.parametrize("key", ["description", "visit_type", "service_type", "status", "preferred_date", "force"])
    def test_null_for_what_cannot_be_null_says_nothing(self, visit: Visit, key: str) -> None:
        before = as_("asha").get(f"{URL}{visit.pk}/").json()
        assert as_("asha").patch(f"{URL}{visit.pk}/", {key: None}).json() == before

    @pytest.mark.parametrize("status", ["pending", "assigned"])
    def test_before_the_work_begins_another_preferred_day_leaves_the_state(self, visit: Visit, status: str) -> None:
        Visit.objects.update(status=status, assigned_to=None if status == "pending" else visit.assigned_to)
        shown = as_("asha").patch(f"{URL}{visit.pk}/", {"preferred_date": day(5)}).json()
        assert (shown["status"], shown["scheduled_at"], shown["preferred_date"]) == (status, None, day(5))

    def test_a_moment_with_fractions_of_a_second_is_the_one_that_is_shown(self, visit: Visit) -> None:
        moved = as_("asha").patch(f"{URL}{visit.pk}/", {"scheduled_at": f"{day(3)}T10:00:00.500Z"}).json()
        assert moved["scheduled_at"] == f"{day(3)}T10:00:00Z"
        events = Event.objects.count()
        assert as_("asha").patch(f"{URL}{visit.pk}/", {"scheduled_at": moved["scheduled_at"]}).json() == moved
        assert Event.objects.count() == events

    @pytest.mark.parametrize("service_type", ["free", "normal"])
    def test_a_whole_visit_that_comes_back_unchanged_changes_nothing(self, visit: Visit, service_type: str) -> None:
        Visit.objects.update(service_type=service_type, service_type_reason="By the rule.", description="Leaking")
        asha, url = as_("asha"), f"{URL}{visit.pk}/"
        asha.patch(url, {"scheduled_at": f"{day(3)}T10:00", "preferred_time": "09:30", "next_service_date": day(90)})
        # A moment that was stored with its fraction, as it once was.
        Visit.objects.update(scheduled_at=Visit.objects.get().scheduled_at + timedelta(milliseconds=500))
        shown, before = asha.get(url), everything()
        assert asha.put(url, shown.json()).content == shown.content
        assert everything() == before

    @pytest.mark.parametrize(
        "stored",
        [
            {"status": "assigned", "scheduled_on": TODAY + timedelta(days=6), "preferred_time": time(10)},
            {"status": "pending"},
            {"status": "in_progress"},
            {"status": "pending", "preferred_date": TODAY - timedelta(days=9)},
        ],
        ids=["another day is fixed", "no day is fixed", "begun", "overdue"],
    )
    def test_an_owner_who_sends_the_day_back_does_not_move_the_visit(self, card: Card, stored: dict[str, Any]) -> None:
        visit = visit_to(card, on=TODAY + timedelta(days=2), assigned_to=person("wasim"))
        Visit.objects.update(**stored)
        url = f"{URL}{visit.pk}/"
        shown = as_("chitra").get(url).json()
        sent = {name: shown[name] for name in ("preferred_date", "preferred_time", "status")}
        answer = as_("chitra").patch(url, {**sent, "description": "The lower tap"})
        changed = {"description": "The lower tap", "updated_at": answer.json()["updated_at"]}
        assert (answer.status_code, answer.json()) == (200, {**shown, **changed})

    def test_an_owner_who_asks_for_another_time_names_the_day_beside_it(self, card: Card) -> None:
        visit = visit_to(card, on=TODAY + timedelta(days=2), scheduled_on=TODAY + timedelta(days=6), status="scheduled")
        sent = {"preferred_date": day(2), "preferred_time": "10:00"}
        shown = as_("chitra").patch(f"{URL}{visit.pk}/", sent).json()
        assert (shown["scheduled_at"][:10], shown["preferred_time"]) == (day(2), "10:00")

    @pytest.mark.parametrize("other", ["free", "normal"])
    def test_only_another_service_type_is_an_admins_decision(self, visit: Visit, other: str) -> None:
        was = {"free": "normal", "normal": "free"}[other]
        Visit.objects.update(service_type=was, service_type_reason="By the rule.")
        url = f"{URL}{visit.pk}/"
        shown = as_("asha").patch(url, {"service_type": was, "visit_type": "CC"}).json()
        assert (shown["service_type"], shown["service_type_reason"]) == (was, "By the rule.")
        shown = as_("asha").patch(url, {"service_type": other}).json()
        assert shown["service_type"] == other
        assert shown["service_type_reason"].startswith(f"An admin decided: {other}.")

    def test_a_whole_visit_comes_back_with_another_day(self, card: Card) -> None:
        visit = visit_to(card, on=TODAY + timedelta(days=1))
        whole = as_("asha").get(f"{URL}{visit.pk}/").json()
        shown = as_("asha").put(f"{URL}{visit.pk}/", {**whole, "scheduled_at": day(2)}).json()
        assert (shown["status"], shown["scheduled_at"]) == ("scheduled", day(2)), "the state that was shown is no wish"

    def test_put_leaves_absent_fields_alone(self, visit: Visit) -> None:
        Visit.objects.update(description="Leaking")
        shown = as_("asha").put(f"{URL}{visit.pk}/", {"visit_type": "CC"}).json()
        assert (shown["description"], shown["visit_type"]) == ("Leaking", "CC")

    def test_what_changes_nothing_is_no_event(self, visit: Visit) -> None:
        as_("asha").patch(f"{URL}{visit.pk}/", {"description": visit.description, "visit_type": "onsite"})
        assert not Event.objects.exists()


class TestHistory:
    def test_it_tells_who_did_what(self, card: Card) -> None:
        booked = as_("chitra").post(URL, {"card": card.pk, "preferred_date": day(1)}).json()
        as_("asha").post(f"{URL}{booked['id']}/assign/", {"assigned_to": person("wasim").pk})
        events = as_("chitra").get(f"{URL}{booked['id']}/history/").json()
        assert [event["type"] for event in events] == ["visit.assigned", "visit.booked"]
        assert events[0]["actor_name"] == "Asha"
        assert events[0]["before"] == {"status": "pending", "assigned_to": None}
        assert events[0]["after"] == {"status": "assigned", "assigned_to": person("wasim").pk}

    def test_only_for_those_who_see_the_visit(self, visit: Visit) -> None:
        assert as_("deepak").get(f"{URL}{visit.pk}/history/").status_code == 404
        assert as_("omar").get(f"{URL}{visit.pk}/history/").status_code == 403


class TestIdempotencyKey:
    def test_the_same_request_is_carried_out_once(self, card: Card) -> None:
        body = {"card": card.pk, "preferred_date": day(1)}
        first = as_("chitra").post(URL, body, Idempotency_Key="k1")
        again = as_("chitra").post(URL, body, Idempotency_Key="k1")
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first
        assert Visit.objects.count() == 1

    def test_another_body_is_refused(self, card: Card) -> None:
        as_("chitra").post(URL, {"card": card.pk, "preferred_date": day(1)}, Idempotency_Key="k1")
        other = as_("chitra").post(URL, {"card": card.pk, "preferred_date": day(2)}, Idempotency_Key="k1")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        assert Visit.objects.count() == 1

    def test_another_person_has_keys_of_the_own(self, card: Card) -> None:
        theirs = card_of(person("deepak"))
        as_("chitra").post(URL, {"card": card.pk, "preferred_date": day(1)}, Idempotency_Key="k1")
        other = as_("deepak").post(URL, {"card": theirs.pk, "preferred_date": day(1)}, Idempotency_Key="k1")
        assert other.status_code == 201

    def test_a_refusal_is_stored_as_well(self, card: Card) -> None:
        body = {"card": card.pk, "preferred_date": day(-1)}
        first = as_("chitra").post(URL, body, Idempotency_Key="k1")
        again = as_("chitra").post(URL, body, Idempotency_Key="k1")
        assert first.status_code == again.status_code == 400
        assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("who", "verb", "path", "body"),
    [
        ("wasim", "patch", "", {"status": "in_progress"}),
        ("wasim", "patch", "", {"description": "mine no more"}),
        ("chitra", "patch", "", {"description": "mine no more"}),
        ("chitra", "post", "cancel/", {}),
        ("chitra", "post", "reschedule/", {"scheduled_at": day(3)}),
    ],
)
def test_who_lost_a_visit_meanwhile_changes_nothing(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, who: str, verb: str, path: str, body: dict[str, Any]
) -> None:
    locked = visits._locked

    def locked_when_it_was_given_away(visit: Visit, **options: Any) -> Any:
        Visit.objects.update(assigned_to=person("wali"), customer=person("deepak"))
        return locked(visit, **options)

    monkeypatch.setattr(visits, "_locked", locked_when_it_was_given_away)
    api = as_(who)
    assert getattr(api, verb)(f"{URL}{visit.pk}/{path}", body).status_code == 404
    assert not Event.objects.filter(subject_type="visit").exists()
