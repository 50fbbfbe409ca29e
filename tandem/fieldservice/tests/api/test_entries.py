"""/api/crm/service-entries/. Contract F §6."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.models import ServiceEntry, Visit
from tandem.fieldservice.tests.api.conftest import as_
from tests.cast import ANONYMOUS, card_of, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/crm/service-entries/"


def visit(status: str = "in_progress", *, owner: str = "chitra", worker: str = "wasim") -> Visit:
    return visit_to(card_of(person(owner)), status=status, assigned_to=person(worker))


def entry_of(one: Visit, detail: str = "Looked at it") -> ServiceEntry:
    return ServiceEntry.objects.create(
        visit=one, performed_by=person("wasim"), work_detail=detail, created_at=moments.now()
    )


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()]


# --- logging work ---
def test_it_works(clock) -> None:
    one = visit()
    body = {
        "service": one.pk,
        "work_detail": "Replaced valve",
        "parts_replaced": [{"code": "P01", "qty": 1, "price": 120.0}],
        "amount_charged": 50.0,
    }
    answer = as_("wasim").post(URL, body)
    made = ServiceEntry.objects.get()
    shown = {
        "id": made.pk,
        "service": one.pk,
        "performed_by": person("wasim").pk,
        "performed_by_name": "Wasim",
        "work_detail": "Replaced valve",
        "parts_replaced": [{"code": "P01", "name": "", "qty": 1, "price": "120.00", "serial_number": ""}],
        "amount_charged": "50.00",
        "next_service_date": None,
        "created_at": "2025-12-18T06:30:00Z",
        "image": None,
    }
    assert (answer.status_code, answer.json()) == (201, shown)
    assert as_("chitra").get(URL).json() == [shown]
    one.refresh_from_db()
    assert (one.status, one.amount_charged) == ("in_progress", Decimal(0)), (
        "a log completes nothing and charges nothing"
    )
    event = Event.objects.get()
    assert (event.type, event.subject_id, event.actor) == ("entry.added", str(made.pk), person("wasim"))
    assert event.after == {
        name: shown[name]
        for name in ("service", "work_detail", "parts_replaced", "amount_charged", "next_service_date")
    }


@pytest.mark.parametrize("by", ["wasim", "asha"])
@pytest.mark.parametrize("status", ["assigned", "scheduled", "in_progress", "awaiting_otp", "completed"])
def test_who_performed_it_is_who_calls(by: str, status: str) -> None:
    body = {"service": str(visit(status).pk), "work_detail": "x", "performed_by": person("wali").pk}
    assert as_(by).post(URL, body).json()["performed_by"] == person(by).pk


def test_a_form_with_a_picture_works(files) -> None:
    written = io.BytesIO()
    Image.new("RGB", (6, 4), "red").save(written, "PNG")
    one = visit()
    image = SimpleUploadedFile("x.png", written.getvalue())
    answer = as_("wasim").upload(
        URL, {"service": one.pk, "parts_replaced": json.dumps([{"name": "Seal"}]), "image": image}
    )
    assert answer.status_code == 201, answer.content
    key = ServiceEntry.objects.get().image
    assert files() == [key]
    assert key.startswith(f"visit/{one.pk}/")
    assert ANONYMOUS.get(answer.json()["image"])["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    "body",
    [
        {"amount_charged": "50"},
        {"next_service_date": "2026-03-15"},
        {"work_detail": "", "parts_replaced": [], "amount_charged": 50},
        {"work_detail": None, "parts_replaced": None, "image": None},
        {},
    ],
)
def test_nothing_but_the_visit_is_needed(body: dict[str, Any]) -> None:
    answer = as_("wasim").post(URL, {"service": visit().pk, **body})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["work_detail"], shown["parts_replaced"], shown["image"]) == ("", [], None)
    assert shown["amount_charged"] == ("50.00" if "amount_charged" in body else "0.00")
    assert shown["next_service_date"] == body.get("next_service_date")


def test_work_on_a_cancelled_visit_is_refused() -> None:
    one, api = visit("cancelled"), as_("wasim")
    before = everything()
    answer = api.post(URL, {"service": one.pk, "work_detail": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "visit_cancelled")
    assert everything() == before


def test_of_a_refused_form_no_picture_is_left(files) -> None:
    written = io.BytesIO()
    Image.new("RGB", (6, 4)).save(written, "GIF")
    image = SimpleUploadedFile("x.gif", written.getvalue())
    assert as_("wasim").upload(URL, {"service": visit("cancelled").pk, "image": image}).status_code == 409
    assert files() == []


@pytest.mark.parametrize("exists", [True, False])
def test_it_gives_no_hint_whether_another_one_s_visit_exists(exists: bool) -> None:
    pk, api = visit(worker="wali").pk if exists else 4711, as_("wasim")
    before = everything()
    answer = api.post(URL, {"service": pk, "work_detail": "x"})
    assert (answer.status_code, answer.json()) == (400, {"service": [f'Invalid pk "{pk}" - object does not exist.']})
    assert everything() == before


@pytest.mark.parametrize(
    ("by", "status"),
    [("chitra", 403), ("omar", 403), (None, 401)],
    ids=["the owner", "the office", "nobody"],
)
def test_it_is_not_for_everybody(by: str | None, status: int) -> None:
    one, api = visit(), as_(by) if by else ANONYMOUS
    before = everything()
    assert api.post(URL, {"service": one.pk, "work_detail": "x"}).status_code == status
    assert everything() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"service": None}, "service"),
        ({"service": "abc"}, "service"),
        ({"service": "9" * 30}, "service"),
        ({"work_detail": "x" * 10_001}, "work_detail"),
        ({"parts_replaced": [{}]}, "parts_replaced"),
        ({"amount_charged": "-1"}, "amount_charged"),
        ({"next_service_date": "x"}, "next_service_date"),
        ({"image": "x"}, "image"),
    ],
)
def test_bad_input_is_refused_by_field(body: dict, field: str) -> None:
    one, api = visit(), as_("asha")
    before = everything()
    answer = api.post(URL, {"service": one.pk, "work_detail": "x", **body})
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert everything() == before


# --- reading ---
def test_everybody_sees_the_logs_of_the_visits_that_they_see() -> None:
    of_chitra, of_deepak = entry_of(visit()), entry_of(visit(owner="deepak", worker="wali"))
    assert ids(as_("chitra").get(URL)) == ids(as_("wasim").get(URL)) == [of_chitra.pk]
    assert ids(as_("deepak").get(URL)) == ids(as_("wali").get(URL)) == [of_deepak.pk]
    assert ids(as_("asha").get(URL)) == [of_chitra.pk, of_deepak.pk]
    assert as_("omar").get(URL).status_code == 403
    assert ANONYMOUS.get(URL).status_code == 401


def test_the_filter_narrows_and_reveals_nothing() -> None:
    one, other = visit(), visit(owner="deepak", worker="wali")
    first, second = entry_of(one), entry_of(one, "And again")
    entry_of(other)
    asha, chitra = as_("asha"), as_("chitra")
    assert ids(asha.get(f"{URL}?service={one.pk}")) == [first.pk, second.pk]
    assert ids(chitra.get(f"{URL}?service={other.pk}")) == []
    assert ids(asha.get(f"{URL}?service=4711")) == []
    bad = asha.get(f"{URL}?service=abc")
    assert (bad.status_code, bad.json()) == (400, {"service": ["A valid integer is required."]})


def test_ten_rows_cost_as_many_queries_as_one() -> None:
    one, asha = visit(), as_("asha")
    costs = []
    for _ in range(2):
        for _ in range(5):
            entry_of(one)
        with CaptureQueriesContext(
            connection,
        ) as counted:
            asha.get(URL)
        costs.append(len(counted))
    assert costs == [2, 2]
