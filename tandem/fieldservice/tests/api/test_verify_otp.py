"""POST /api/crm/services/{id}/verify_otp/. Contract F §5."""

from __future__ import annotations

import io
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tandem.events.models import Event
from tandem.fieldservice.models import ServiceEntry, Visit
from tandem.fieldservice.tests.api.conftest import as_
from tests.cast import ANONYMOUS, Api, card_of, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def visit(clock) -> Visit:
    """A visit whose customer was sent a code a minute ago."""
    made = visit_to(card_of(person("chitra")), status="in_progress", assigned_to=person("wasim"))
    assert as_("wasim").post(f"/api/crm/services/{made.pk}/request_otp/").status_code == 200
    clock.move(minutes=1)
    return made


@pytest.fixture
def wasim() -> Api:
    return as_("wasim")


def url(visit: Visit, action: str = "verify_otp") -> str:
    return f"/api/crm/services/{visit.pk}/{action}/"


def other_than(code: str, by: int = 1) -> str:
    return f"{(int(code) + by) % 10 ** len(code):0{len(code)}d}"


def picture() -> SimpleUploadedFile:
    written = io.BytesIO()
    Image.new("RGB", (6, 4), "red").save(written, "JPEG", comment=b"Secret")
    return SimpleUploadedFile("../../pay.php", written.getvalue(), "text/x-php")


DONE = {
    "work_detail": "Replaced valve, cleaned filter",
    "parts_replaced": [{"code": "P01", "qty": 1, "price": 120.0}],
    "amount_charged": 120.5,
    "next_service_date": "2026-03-15",
}
PART = {"code": "P01", "name": "", "qty": 1, "price": "120.00", "serial_number": ""}


# --- what it does ---
def test_it_works(clock, visit: Visit, wasim: Api, latest_code) -> None:
    before = wasim.get(f"/api/crm/services/{visit.pk}/").json()
    answer = wasim.post(url(visit), {"otp": latest_code(), **DONE})
    entry = ServiceEntry.objects.get()
    changed = {
        "status": "completed",
        "completed_at": "2025-12-18T06:31:00Z",
        "updated_at": "2025-12-18T06:31:00Z",
        "amount_charged": "120.50",
        "next_service_date": "2026-03-15",
        "otp_requested_at": None,
        "otp_expires_at": None,
    }
    shown_entry = {
        "id": entry.pk,
        "service": visit.pk,
        "performed_by": person("wasim").pk,
        "performed_by_name": "Wasim",
        "work_detail": "Replaced valve, cleaned filter",
        "parts_replaced": [PART],
        "amount_charged": "120.50",
        "next_service_date": "2026-03-15",
        "created_at": "2025-12-18T06:31:00Z",
        "image": None,
    }
    shown = {**before, **changed}
    assert answer.status_code == 200
    assert answer.json() == {
        **{name: value for name, value in shown.items() if name not in ("entries", "feedback")},
        "detail": "completed",
        "service_entry_id": entry.pk,
    }
    assert wasim.get(f"/api/crm/services/{visit.pk}/").json() == {**shown, "entries": [shown_entry]}
    visit.refresh_from_db()
    assert (visit.completed_at, visit.completed_on, visit.otp_hash) == (clock(), date(2025, 12, 18), "")


def test_the_completed_day_is_the_site_s(clock, visit: Visit, wasim: Api, latest_code) -> None:
    clock.move(hours=12, minutes=-1)  # 00:30 in Kolkata, while it is still the 18th in UTC
    wasim.post(url(visit, "request_otp"))
    assert wasim.post(url(visit), {"otp": latest_code()}).status_code == 200
    visit.refresh_from_db()
    assert visit.completed_on == date(2025, 12, 19)


def test_it_is_told_in_one_event_without_the_code(visit: Visit, wasim: Api, latest_code) -> None:
    wasim.post(url(visit), {"otp": latest_code(), **DONE})
    event = Event.objects.get(type="visit.completed")
    assert (event.actor, event.subject_id) == (person("wasim"), str(visit.pk))
    assert event.before == {
        "status": "awaiting_otp",
        "completed_at": None,
        "amount_charged": "0.00",
        "next_service_date": None,
        "otp_requested_at": "2025-12-18T06:30:00Z",
        "otp_expires_at": "2025-12-18T06:40:00Z",
    }
    assert event.after == {
        "status": "completed",
        "completed_at": "2025-12-18T06:31:00Z",
        "amount_charged": "120.50",
        "next_service_date": "2026-03-15",
        "otp_requested_at": None,
        "otp_expires_at": None,
    }
    work = {
        "work_detail": "Replaced valve, cleaned filter",
        "parts_replaced": [PART],
        "amount_charged": "120.50",
        "next_service_date": "2026-03-15",
    }
    assert event.facts == {"entry": ServiceEntry.objects.get().pk, "work": work}
    assert not Event.objects.filter(type="entry.added").exists()
    assert latest_code() not in str(everything())


@pytest.mark.parametrize(
    "typed",
    [
        lambda code: int(code),
        lambda code: f" {code[:3]} {code[3:]} ",
        lambda code: f"{code[:3]}-{code[3:]}",
    ],
    ids=["as a number", "with blanks", "with a hyphen"],
)
def test_a_code_is_taken_however_it_is_typed(clock, monkeypatch, wasim: Api, typed) -> None:
    monkeypatch.setattr("tandem.fieldservice.rules.otp.secrets.randbelow", lambda bound: 4827)
    made = visit_to(card_of(person("chitra")), status="in_progress", assigned_to=person("wasim"))
    wasim.post(url(made, "request_otp"))
    assert wasim.post(url(made), {"otp": typed("004827")}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"work_detail": "", "parts_replaced": "", "amount_charged": "", "next_service_date": "", "image": ""}],
    ids=["absent", "empty"],
)
def test_everything_but_the_code_may_be_left_out(visit: Visit, wasim: Api, latest_code, body: dict) -> None:
    assert wasim.post(url(visit), {"otp": latest_code(), **body}).status_code == 200
    entry = ServiceEntry.objects.get()
    assert (entry.work_detail, entry.parts_replaced, entry.amount_charged, entry.next_service_date, entry.image) == (
        "",
        [],
        Decimal(0),
        None,
        "",
    )


def test_a_next_date_that_was_set_before_stays_when_none_is_given(visit: Visit, wasim: Api, latest_code) -> None:
    Visit.objects.update(next_service_date=date(2026, 6, 1))
    assert wasim.post(url(visit), {"otp": latest_code()}).json()["next_service_date"] == "2026-06-01"


# --- forms with a picture ---
def test_a_form_with_a_picture_works(visit: Visit, wasim: Api, latest_code, files) -> None:
    fields = {**DONE, "parts_replaced": json.dumps(DONE["parts_replaced"]), "otp": latest_code(), "image": picture()}
    answer = wasim.upload(url(visit), fields)
    assert answer.status_code == 200, answer.content
    entry = ServiceEntry.objects.get()
    assert files() == [entry.image]
    assert entry.image.startswith(f"visit/{visit.pk}/")
    assert entry.image.endswith(".jpg")
    assert (entry.parts_replaced, entry.amount_charged) == ([PART], Decimal("120.50"))

    detail = as_("chitra").get(f"/api/crm/services/{visit.pk}/")
    [shown] = detail.json()["entries"]
    link = shown["image"]
    assert link.startswith(f"http://localhost/api/files/{entry.image}?")
    assert set(shown) == set(wasim.get("/api/crm/service-entries/").json()[0])
    card = as_("chitra").get(f"/api/crm/cards/{visit.card_id}/").json()
    assert card["services"][0]["entries"] == [shown]
    again = as_("chitra").get(f"/api/crm/services/{visit.pk}/", If_None_Match=detail["ETag"])
    assert again.status_code == 304

    got = ANONYMOUS.get(link)
    assert (got.status_code, got["Content-Type"]) == (200, "image/jpeg")
    assert b"Secret" not in got.content
    with Image.open(io.BytesIO(got.content)) as opened:
        assert opened.size == (6, 4)


def test_of_a_refused_form_no_picture_is_left(visit: Visit, wasim: Api, latest_code, files) -> None:
    answer = wasim.upload(url(visit), {"otp": other_than(latest_code()), "image": picture()})
    assert answer.json()["code"] == "otp_invalid"
    assert files() == []


def test_a_form_with_a_key_is_carried_out_once(visit: Visit, wasim: Api, latest_code, files) -> None:
    wasim.headers["Idempotency-Key"] = "tap-1"
    first, again = (wasim.upload(url(visit), {"otp": latest_code(), "image": picture()}) for _ in range(2))
    assert (first.status_code, again.status_code, again["Idempotent-Replayed"]) == (200, 200, "true")
    assert first.content == again.content
    assert len(files()) == ServiceEntry.objects.count() == 1


# --- wrong codes ---
def test_five_wrong_tries_void_the_code(visit: Visit, wasim: Api, latest_code) -> None:
    for left in (4, 3, 2, 1, 0):
        answer = wasim.post(url(visit), {"otp": other_than(latest_code(), left + 1)})
        assert (answer.status_code, answer.json()["code"], answer.json()["attempts_left"]) == (400, "otp_invalid", left)
    before = everything()
    refused = wasim.post(url(visit), {"otp": latest_code()})
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (429, "otp_exhausted", "1")
    assert everything() == before
    visit.refresh_from_db()
    assert (visit.status, visit.otp_hash, visit.otp_tries, visit.otp_guesses_on_day) == ("awaiting_otp", "", 5, 5)
    assert [event.facts for event in Event.objects.filter(type="visit.code_refused").order_by("id")] == [
        {"attempts_left": left} for left in (4, 3, 2, 1, 0)
    ]
    assert wasim.post(url(visit, "request_otp")).status_code == 200
    assert wasim.post(url(visit), {"otp": latest_code()}).status_code == 200


def test_a_wrong_guess_counts_behind_a_key_too(visit: Visit, wasim: Api, latest_code) -> None:
    """The key's transaction is around the whole request, and commits what a refusal counted."""
    wrong = {"otp": other_than(latest_code())}
    first, again = (wasim.post(url(visit), wrong, Idempotency_Key="guess-1") for _ in range(2))
    other = wasim.post(url(visit), wrong, Idempotency_Key="guess-2")
    assert [answer.json()["attempts_left"] for answer in (first, again, other)] == [4, 4, 3]
    visit.refresh_from_db()
    assert visit.otp_tries == 2


def test_a_wrong_guess_counts_behind_a_condition_too(visit: Visit, wasim: Api, latest_code) -> None:
    tag = wasim.get(f"/api/crm/services/{visit.pk}/")["ETag"]
    assert wasim.post(url(visit), {"otp": other_than(latest_code())}, If_Match=tag).status_code == 400
    visit.refresh_from_db()
    assert visit.otp_tries == 1


def test_guesses_of_a_day_are_limited_over_all_codes(clock, visit: Visit, wasim: Api, latest_code) -> None:
    """Also over midnight: a late code may be tried beside the five of the new day, but not more often than 25 times."""
    clock.move(hours=11, minutes=54)  # 23:55 in Kolkata
    wasim.post(url(visit, "request_otp"))
    clock.move(minutes=5)
    guesses = []
    for code in range(6):
        if code:
            assert wasim.post(url(visit, "request_otp")).status_code == 200
            clock.move(minutes=1)
        guesses += [wasim.post(url(visit), {"otp": other_than(latest_code())}).json()["code"] for _ in range(5)]
    assert guesses == ["otp_invalid"] * 25 + ["otp_exhausted"] * 5
    refused = wasim.post(url(visit), {"otp": latest_code()})
    assert (refused.status_code, refused["Retry-After"]) == (429, str(24 * 3600 - 5 * 60))


def test_a_code_ends_after_ten_minutes(clock, visit: Visit, wasim: Api, latest_code) -> None:
    clock.move(minutes=9)
    before = everything()
    refused = wasim.post(url(visit), {"otp": latest_code()})
    assert (refused.status_code, refused.json()["code"]) == (400, "otp_expired")
    assert everything() == before
    clock.move(seconds=-0.001)
    assert wasim.post(url(visit), {"otp": latest_code()}).status_code == 200


def test_only_the_latest_code_counts(visit: Visit, wasim: Api, latest_code) -> None:
    old = latest_code()
    wasim.post(url(visit, "request_otp"))
    assert wasim.post(url(visit), {"otp": old}).json()["code"] == "otp_invalid"
    assert wasim.post(url(visit), {"otp": latest_code()}).status_code == 200


def test_the_code_of_one_visit_fails_on_another(visit: Visit, wasim: Api, latest_code) -> None:
    code = latest_code()
    other = visit_to(card_of(person("chitra")), status="in_progress", assigned_to=person("wasim"))
    wasim.post(url(other, "request_otp"))
    # Even with the very same stored text: what is stored is bound to the visit.
    visit.refresh_from_db()
    Visit.objects.filter(pk=other.pk).update(otp_hash=visit.otp_hash)
    assert wasim.post(url(other), {"otp": code}).json()["code"] == "otp_invalid"


@pytest.mark.parametrize("action", ["assign", "reschedule", "patch"])
def test_a_change_of_worker_or_day_voids_the_code(visit: Visit, latest_code, action: str) -> None:
    asha = as_("asha")
    if action == "assign":
        changed = asha.post(url(visit, "assign"), {"assigned_to": person("wasim").pk})
    elif action == "reschedule":
        changed = asha.post(url(visit, "reschedule"), {"scheduled_at": "2025-12-20"})
    else:
        changed = asha.patch(f"/api/crm/services/{visit.pk}/", {"scheduled_at": "2025-12-20"})
    assert changed.status_code == 200, changed.content
    assert as_("wasim").post(url(visit), {"otp": latest_code()}).json()["code"] == "otp_expired"


# --- refusals ---
def test_a_second_verify_is_refused(visit: Visit, wasim: Api, latest_code) -> None:
    code = latest_code()
    wasim.post(url(visit), {"otp": code})
    before = everything()
    answer = wasim.post(url(visit), {"otp": code})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_completed")
    assert everything() == before


@pytest.mark.parametrize(
    ("status", "expected", "code"),
    [
        ("pending", 400, "otp_expired"),
        ("assigned", 400, "otp_expired"),
        ("in_progress", 400, "otp_expired"),
        ("cancelled", 409, "invalid_transition"),
    ],
)
def test_no_code_is_pending(clock, wasim: Api, status: str, expected: int, code: str) -> None:
    made = visit_to(card_of(person("chitra")), status=status, assigned_to=person("wasim"))
    before = everything()
    answer = wasim.post(url(made), {"otp": "482715"})
    assert (answer.status_code, answer.json()["code"]) == (expected, code)
    assert everything() == before


@pytest.mark.parametrize(
    ("by", "status"),
    [("wali", 404), ("chitra", 403), ("deepak", 403), ("omar", 403), (None, 401)],
    ids=["another worker", "the owner", "another customer", "the office", "nobody"],
)
def test_it_is_not_for_everybody(visit: Visit, latest_code, by: str | None, status: int) -> None:
    api, code = as_(by) if by else ANONYMOUS, latest_code()
    before = everything()
    assert api.post(url(visit), {"otp": code}).status_code == status
    assert everything() == before


BAD = [
    ({"otp": None}, "otp"),
    ({"otp": ""}, "otp"),
    ({"otp": True}, "otp"),
    ({"otp": 4827.5}, "otp"),
    ({"otp": ["482715"]}, "otp"),
    ({"otp": "4" * 41}, "otp"),
    ({"amount_charged": -0.01}, "amount_charged"),
    ({"amount_charged": "1.001"}, "amount_charged"),
    ({"amount_charged": "NaN"}, "amount_charged"),
    ({"amount_charged": 100_000_000}, "amount_charged"),
    ({"next_service_date": "soon"}, "next_service_date"),
    ({"next_service_date": "2026-02-30"}, "next_service_date"),
    ({"parts_replaced": [{"qty": 1}]}, "parts_replaced"),
    ({"parts_replaced": [{"code": "P01", "qty": 0}]}, "parts_replaced"),
    ({"parts_replaced": [{"code": "P01", "price": -1}]}, "parts_replaced"),
    ({"parts_replaced": "[{]"}, "parts_replaced"),
    ({"parts_replaced": {"code": "P01"}}, "parts_replaced"),
    ({"work_detail": "x" * 10_001}, "work_detail"),
    ({"work_detail": {"text": "x"}}, "work_detail"),
    ({"image": "https://example.org/x.jpg"}, "image"),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=[str(body)[:50] for body, _ in BAD])
def test_bad_input_is_refused_by_field_and_is_no_guess(visit, wasim: Api, latest_code, body: dict, field: str) -> None:
    given = {"otp": latest_code(), **DONE, **body}
    before = everything()
    answer = wasim.post(url(visit), given)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert everything() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", SimpleUploadedFile("x.jpg", b"<svg onload='alert(1)'/>", "image/jpeg")),
        ("image", SimpleUploadedFile("x.jpg", b"\xff\xd8" + b"0" * 10 * 1024 * 1024, "image/jpeg")),
        ("image", "x.jpg"),
        ("parts_replaced", '[{"code": "P01", "code": "P02"}]'),
        ("parts_replaced", SimpleUploadedFile("parts.json", b"[]")),
    ],
    ids=["SVG", "over 10 MiB", "a name only", "a key twice", "parts as a file"],
)
def test_bad_forms_are_refused_by_field(visit, wasim: Api, latest_code, files, field: str, value: Any) -> None:
    given = {"otp": latest_code(), field: value}
    before = everything()
    answer = wasim.upload(url(visit), given)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert (everything(), files()) == (before, [])


def test_without_a_code_it_says_so(visit: Visit, wasim: Api) -> None:
    assert wasim.post(url(visit), DONE).json() == {"otp": ["This field is required."]}


# --- an admin's word instead of the code ---
@pytest.mark.parametrize("status", ["scheduled", "assigned", "in_progress", "awaiting_otp"])
def test_an_admin_may_complete_without_a_code(clock, status: str) -> None:
    made = visit_to(card_of(person("chitra")), status=status, assigned_to=person("wasim"))
    answer = as_("asha").post(url(made), {"override_reason": "No phone; signed on paper", **DONE})
    entry = ServiceEntry.objects.get()
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.json()["service_entry_id"] == entry.pk
    assert entry.performed_by == person("asha")
    event = Event.objects.get(type="visit.completed")
    assert event.facts["override_reason"] == "No phone; signed on paper"


def test_an_admin_may_also_give_the_code(visit: Visit, latest_code) -> None:
    assert as_("asha").post(url(visit), {"otp": latest_code(), "override_reason": ""}).status_code == 200
    assert "override_reason" not in Event.objects.get(type="visit.completed").facts


@pytest.mark.parametrize(
    ("by", "status", "expected", "code"),
    [
        ("wasim", "in_progress", 403, "permission_denied"),
        ("asha", "pending", 409, "invalid_transition"),
        ("asha", "cancelled", 409, "invalid_transition"),
        ("asha", "completed", 409, "already_completed"),
    ],
)
def test_where_no_word_helps(clock, by: str, status: str, expected: int, code: str) -> None:
    made, api = visit_to(card_of(person("chitra")), status=status, assigned_to=person("wasim")), as_(by)
    before = everything()
    answer = api.post(url(made), {"override_reason": "Because", **DONE})
    assert (answer.status_code, answer.json()["code"]) == (expected, code)
    assert everything() == before
