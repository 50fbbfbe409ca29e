"""POST /api/crm/services/. Contract F §4."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.models import Visit
from tests.cast import as_, card_of, person, visit_to

pytestmark = pytest.mark.django_db
URL = "/api/crm/services/"


def tomorrow(plus: int = 1) -> str:
    return (moments.today() + timedelta(days=plus)).isoformat()


def test_it_works() -> None:
    card = card_of(person("chitra"))
    body = {
        "card": card.pk,
        "description": "Not dispensing water",
        "service_type": "auto",
        "preferred_date": tomorrow(),
        "preferred_time": "10:00",
        "visit_type": "onsite",
    }
    answer = as_("chitra").post(URL, body)
    assert answer.status_code == 201
    shown = answer.json()
    visit = Visit.objects.get()
    started, last = card.warranty_start_date, card.warranty_end_date
    assert shown == {
        "id": visit.pk,
        "card": card.pk,
        "card_model": "AquaPure X1",
        "customer": card.customer_id,
        "customer_name": "Chitra",
        "customer_phone": "+919000000002",
        "description": "Not dispensing water",
        "service_type": "free",
        "service_type_reason": f"{tomorrow()} is inside the warranty ({started} to {last}); no free visit before.",
        "status": "pending",
        "visit_type": "onsite",
        "preferred_date": tomorrow(),
        "preferred_time": "10:00",
        "scheduled_at": None,
        "assigned_to": None,
        "assigned_to_name": None,
        "assigned_to_phone": None,
        "requested_by": card.customer_id,
        "amount_charged": "0.00",
        "next_service_date": None,
        "otp_requested_at": None,
        "otp_expires_at": None,
        "completed_at": None,
        "cancelled_at": None,
        "cancel_reason": "",
        "created_at": moments.iso(visit.created_at),
        "updated_at": moments.iso(visit.updated_at),
        "next_steps": "admin will assign",
    }
    event = Event.objects.get(type="visit.booked")
    assert (event.subject_id, event.actor_id) == (str(visit.pk), card.customer_id)
    assert event.request_id == answer["X-Request-Id"]


def test_the_answer_is_the_row_of_the_list_byte_for_byte() -> None:
    card = card_of(person("chitra"))
    written = as_("chitra").post(URL, {"card": card.pk, "preferred_date": tomorrow()}).content
    row = as_("chitra").get(URL).content
    assert written.startswith(row[1:-2]), "the list's only row, without its last brace, begins the answer"
    assert written[len(row) - 3 :] == b',"next_steps":"admin will assign"}'


def test_the_second_free_visit_has_to_wait() -> None:
    card = card_of(person("chitra"))
    first = as_("chitra").post(URL, {"card": card.pk, "preferred_date": tomorrow()}).json()
    second = as_("chitra").post(URL, {"card": card.pk, "preferred_date": tomorrow(2)}).json()
    assert [first["service_type"], second["service_type"]] == ["free", "normal"]
    assert f"the free visit of {tomorrow()}" in second["service_type_reason"]


def test_a_customers_wish_for_a_free_visit_counts_as_auto() -> None:
    card = card_of(person("chitra"), card_type="om")
    body = {"card": card.pk, "preferred_date": tomorrow(), "service_type": "free"}
    assert as_("chitra").post(URL, body).json()["service_type"] == "normal"


def test_an_admin_may_force_a_free_visit_and_the_reason_says_so() -> None:
    card = card_of(person("chitra"), card_type="om")
    body = {"card": card.pk, "preferred_date": tomorrow(), "service_type": "free"}
    shown = as_("asha").post(URL, body).json()
    assert shown["service_type"] == "free"
    assert shown["service_type_reason"].startswith("An admin decided: free.")


def test_an_admin_books_by_phone_with_worker_and_day() -> None:
    card, wasim = card_of(person("chitra")), person("wasim")
    body = {"card": str(card.pk), "assigned_to": wasim.pk, "scheduled_at": f"{tomorrow()}T10:00"}
    shown = as_("asha").post(URL, body).json()
    assert shown["status"] == "assigned"
    assert shown["assigned_to_name"] == "Wasim"
    assert shown["preferred_date"] == tomorrow()
    assert shown["scheduled_at"] == f"{tomorrow()}T04:30:00Z"
    assert shown["next_steps"] == "the worker will come"


def test_one_open_visit_per_card_and_day() -> None:
    card = card_of(person("chitra"))
    visit_to(card, on=moments.today() + timedelta(days=1))
    answer = as_("chitra").post(URL, {"card": card.pk, "preferred_date": tomorrow()})
    assert answer.status_code == 409
    assert answer.json()["code"] == "duplicate_visit"
    assert Visit.objects.count() == 1


def test_a_cancelled_visit_does_not_stand_in_the_way() -> None:
    card = card_of(person("chitra"))
    visit_to(card, on=moments.today() + timedelta(days=1), status="cancelled", service_type="free")
    answer = as_("chitra").post(URL, {"card": card.pk, "preferred_date": tomorrow()})
    assert (answer.status_code, answer.json()["service_type"]) == (201, "free")


@pytest.mark.parametrize(
    ("changed", "field", "because"),
    [
        ({"preferred_date": tomorrow(-1)}, "preferred_date", "the past"),
        ({"preferred_date": tomorrow(31)}, "preferred_date", "one day behind the window"),
        ({"preferred_date": "18.12.2025"}, "preferred_date", "no ISO date"),
        ({"preferred_date": None}, "preferred_date", "no day at all"),
        ({"preferred_date": tomorrow(0), "preferred_time": "00:00"}, "preferred_time", "past today"),
        ({"preferred_time": "25:00"}, "preferred_time", "no such time"),
        ({"visit_type": "party"}, "visit_type", "no such type"),
        ({"service_type": "cheap"}, "service_type", "no such type"),
        ({"card": 99999999}, "card", "no such card"),
        ({"card": "abc"}, "card", "not a number"),
        ({"card": None}, "card", "null"),
        ({"description": "x" * 5001}, "description", "too long"),
        ({"description": "a\x00b"}, None, "a NUL byte"),
    ],
)
def test_bad_input_names_its_field_and_stores_nothing(changed: dict, field: str | None, because: str) -> None:
    card = card_of(person("chitra"))
    if moments.now().astimezone(moments.site_zone()).strftime("%H:%M") == "00:00":
        changed = {**changed, "preferred_time": changed.get("preferred_time", "").replace("00:00", "bad")}
    answer = as_("chitra").post(URL, {"card": card.pk, "preferred_date": tomorrow(), **changed})
    assert answer.status_code == 400, because
    if field is not None:
        assert list(answer.json()) == [field], because
    assert not Visit.objects.exists()
    assert not Event.objects.exists()


def test_the_last_day_of_the_window_is_inside() -> None:
    card = card_of(person("chitra"))
    assert as_("chitra").post(URL, {"card": card.pk, "preferred_date": tomorrow(30)}).status_code == 201


def test_somebody_elses_card_is_refused_like_one_that_does_not_exist() -> None:
    card = card_of(person("chitra"))
    theirs = as_("deepak").post(URL, {"card": card.pk, "preferred_date": tomorrow()})
    missing = as_("deepak").post(URL, {"card": 123456, "preferred_date": tomorrow()})
    assert theirs.status_code == missing.status_code == 400
    assert theirs.content.replace(str(card.pk).encode(), b"N") == missing.content.replace(b"123456", b"N")


def test_a_worker_may_not_book() -> None:
    card = card_of(person("chitra"))
    assert as_("wasim").post(URL, {"card": card.pk, "preferred_date": tomorrow()}).status_code == 403
    assert not Visit.objects.exists()


def test_a_customer_may_not_choose_the_worker() -> None:
    card, wasim = card_of(person("chitra")), person("wasim")
    body = {"card": card.pk, "preferred_date": tomorrow(), "assigned_to": wasim.pk}
    assert as_("chitra").post(URL, body).status_code == 403
    assert not Visit.objects.exists()
