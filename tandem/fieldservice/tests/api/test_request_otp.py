"""POST /api/crm/services/{id}/request_otp/. Contract F §5."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem.events.models import Event
from tandem.fieldservice.models import Visit
from tandem.fieldservice.tests.api.conftest import as_
from tandem.sms.models import Message
from tests.cast import ANONYMOUS, Api, card_of, newcomer, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db


def visit(status: str = "in_progress", **other: Any) -> Visit:
    return visit_to(card_of(person("chitra")), status=status, assigned_to=person("wasim"), **other)


def ask(one: Visit, by: str | Api = "wasim", body: Any = None) -> Any:
    api = as_(by) if isinstance(by, str) else by
    return api.post(f"/api/crm/services/{one.pk}/request_otp/", body)


def test_it_works(clock, messages) -> None:
    one = visit()
    answer = ask(one)
    assert (answer.status_code, answer.json()) == (200, {"detail": "otp-sent"})
    [(to, text)] = messages()
    assert to == "+919000000002"
    code = text.split()[0]
    assert len(code) == 6
    assert code.isdigit()
    one.refresh_from_db()
    assert (one.status, one.otp_requested_at, one.otp_expires_at, one.updated_at, one.otp_tries) == (
        "awaiting_otp",
        clock(),
        clock() + timedelta(minutes=10),
        clock(),
        0,
    )
    sent = Message.objects.get()
    assert (sent.purpose, sent.expires_at, sent.next_attempt_at) == ("otp", one.otp_expires_at, clock())
    shown = as_("chitra").get(f"/api/crm/services/{one.pk}/").json()
    assert (shown["otp_requested_at"], shown["otp_expires_at"]) == ("2025-12-18T06:30:00Z", "2025-12-18T06:40:00Z")


def test_the_code_is_nowhere_in_the_database(clock, latest_code) -> None:
    one = visit()
    ask(one)
    assert latest_code() not in str(everything())
    event = Event.objects.get(type="visit.code_requested")
    shown = as_("wasim").get(f"/api/crm/services/{one.pk}/").json()
    names = ("status", "otp_requested_at", "otp_expires_at")
    assert (event.before, event.facts) == ({**dict.fromkeys(names), "status": "in_progress"}, {})
    assert event.after == {name: shown[name] for name in names}
    assert event.actor == person("wasim")


def test_the_number_is_the_one_on_file_whatever_the_request_says(clock, messages) -> None:
    ask(visit(), body={"phone": "+919999999999", "to": "+919999999999", "customer_phone": "+919999999999"})
    assert [to for to, _ in messages()] == ["+919000000002"]


@pytest.mark.parametrize("digits", [4, 8])
def test_the_number_of_digits_is_a_setting(clock, settings, latest_code, digits: int) -> None:
    settings.CRM_OTP_DIGITS = digits
    ask(visit())
    assert len(latest_code()) == digits


def test_a_development_setting_shows_the_code(clock, settings, latest_code) -> None:
    settings.CRM_OTP_IN_ANSWER = True
    assert ask(visit()).json() == {"detail": "otp-sent", "otp": latest_code()}


@pytest.mark.parametrize("status", ["assigned", "scheduled", "in_progress", "awaiting_otp"])
@pytest.mark.parametrize("by", ["wasim", "asha"])
def test_who_may_ask_and_when(clock, status: str, by: str) -> None:
    one = visit(status)
    assert ask(one, by).status_code == 200
    one.refresh_from_db()
    assert one.status == "awaiting_otp"


@pytest.mark.parametrize("status", ["pending", "completed", "cancelled"])
def test_no_code_in_other_states(clock, status: str) -> None:
    one, api = visit(status), as_("wasim")
    before = everything()
    answer = ask(one, api)
    assert answer.status_code == 409
    assert {name: answer.json()[name] for name in ("code", "from", "to")} == {
        "code": "invalid_transition",
        "from": status,
        "to": "awaiting_otp",
    }
    assert everything() == before


def test_a_customer_without_a_phone_gets_no_code(clock) -> None:
    chitra = newcomer("Chitra the second", phone=None)
    one, api = visit_to(card_of(chitra), status="in_progress", assigned_to=person("wasim")), as_("wasim")
    before = everything()
    answer = ask(one, api)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_phone")
    assert everything() == before


@pytest.mark.parametrize(
    ("by", "status"),
    [("wali", 404), ("chitra", 403), ("deepak", 403), ("omar", 403), (None, 401)],
    ids=["another worker", "the owner", "another customer", "the office", "nobody"],
)
def test_it_is_not_for_everybody(clock, by: str | None, status: int) -> None:
    one, api = visit(), as_(by) if by else ANONYMOUS
    before = everything()
    assert ask(one, api).status_code == status
    assert everything() == before


# --- how often ---
def test_the_next_code_waits_for_a_minute(clock, messages) -> None:
    one, api = visit(), as_("wasim")
    ask(one, api)
    clock.move(seconds=20)
    before = everything()
    refused = ask(one, api)
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (429, "otp_too_soon", "40")
    assert everything() == before
    clock.move(seconds=39.9)
    assert ask(one, api).status_code == 429
    clock.move(seconds=0.1)
    assert ask(one, api).status_code == 200
    assert len(messages()) == 2


def test_five_codes_a_day_and_the_day_is_the_site_s(clock) -> None:
    one, api = visit(), as_("wasim")
    for _ in range(5):
        assert ask(one, api).status_code == 200
        clock.move(minutes=1)
    before = everything()
    refused = ask(one, api)
    seconds_to_midnight = 12 * 3600 - 5 * 60
    assert (refused.status_code, refused.json()["code"]) == (429, "otp_daily_limit")
    assert refused["Retry-After"] == str(seconds_to_midnight)
    assert everything() == before
    clock.move(seconds=seconds_to_midnight - 1)
    assert ask(one, api).status_code == 429
    clock.move(seconds=1)
    assert ask(one, api).status_code == 200
    one.refresh_from_db()
    assert (one.otp_day.isoformat(), one.otp_codes_on_day) == ("2025-12-19", 1)


def test_voiding_a_code_gives_no_further_ones(clock) -> None:
    """Rescheduling voids the code; the count of the day stays."""
    one, api = visit(), as_("asha")
    for _ in range(5):
        assert ask(one, api).status_code == 200
        clock.move(minutes=1)
        moved = api.post(f"/api/crm/services/{one.pk}/reschedule/", {"scheduled_at": "2025-12-19"})
        assert moved.status_code == 200
    assert ask(one, api).json()["code"] == "otp_daily_limit"


def test_a_repeated_request_with_a_key_sends_one_code(clock, messages) -> None:
    one, api = visit(), as_("wasim")
    url = f"/api/crm/services/{one.pk}/request_otp/"
    first, again = (api.post(url, Idempotency_Key="tap-1") for _ in range(2))
    assert (first.status_code, again.status_code, again["Idempotent-Replayed"]) == (200, 200, "true")
    assert len(messages()) == 1
