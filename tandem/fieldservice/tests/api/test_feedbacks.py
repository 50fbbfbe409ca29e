"""/api/crm/feedbacks/. Contract F §7."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.models import Feedback, Visit
from tandem.fieldservice.tests.api.conftest import as_
from tests.cast import ANONYMOUS, card_of, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/crm/feedbacks/"


def visit(status: str = "completed", *, owner: str = "chitra", worker: str | None = "wasim") -> Visit:
    return visit_to(card_of(person(owner)), status=status, assigned_to=person(worker) if worker else None)


def rating_of(one: Visit, rating: int = 5) -> Feedback:
    return Feedback.objects.create(visit=one, rating=rating, comments="Great", created_at=moments.now())


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()]


# --- rating ---
def test_it_works(clock) -> None:
    one = visit()
    answer = as_("chitra").post(URL, {"service": one.pk, "rating": 5, "comments": "Great"})
    made = Feedback.objects.get()
    shown = {
        "id": made.pk,
        "service": one.pk,
        "customer": person("chitra").pk,
        "customer_name": "Chitra",
        "worker": person("wasim").pk,
        "worker_name": "Wasim",
        "rating": 5,
        "comments": "Great",
        "created_at": "2025-12-18T06:30:00Z",
    }
    assert (answer.status_code, answer.json()) == (201, shown)
    assert as_("chitra").get(URL).json() == [shown]
    assert as_("chitra").get(f"/api/crm/services/{one.pk}/").json()["feedback"] == shown
    event = Event.objects.get()
    assert (event.type, event.subject_id, event.actor) == ("feedback.given", str(made.pk), person("chitra"))
    assert event.after == {"service": one.pk, "rating": 5, "comments": "Great"}


@pytest.mark.parametrize("body", [{}, {"comments": ""}, {"comments": None}])
def test_a_rating_needs_no_words_and_may_be_text(body: dict) -> None:
    answer = as_("chitra").post(URL, {"service": str(visit(worker=None).pk), "rating": "1", **body})
    assert answer.status_code == 201
    assert (answer.json()["rating"], answer.json()["comments"], answer.json()["worker"]) == (1, "", None)


def test_a_visit_is_rated_once() -> None:
    one, chitra = visit(), as_("chitra")
    chitra.post(URL, {"service": one.pk, "rating": 5})
    before = everything()
    answer = chitra.post(URL, {"service": one.pk, "rating": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_rated")
    assert everything() == before


@pytest.mark.parametrize("status", ["pending", "scheduled", "assigned", "in_progress", "awaiting_otp", "cancelled"])
def test_only_a_completed_visit_is_rated(status: str) -> None:
    one, chitra = visit(status), as_("chitra")
    before = everything()
    answer = chitra.post(URL, {"service": one.pk, "rating": 5})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_completed")
    assert everything() == before


@pytest.mark.parametrize("exists", [True, False])
def test_it_gives_no_hint_whether_another_one_s_visit_exists(exists: bool) -> None:
    pk, deepak = visit().pk if exists else 4711, as_("deepak")
    before = everything()
    answer = deepak.post(URL, {"service": pk, "rating": 5})
    assert (answer.status_code, answer.json()) == (400, {"service": [f'Invalid pk "{pk}" - object does not exist.']})
    assert everything() == before


@pytest.mark.parametrize(
    ("by", "status"),
    [("wasim", 403), ("asha", 403), ("omar", 403), (None, 401)],
    ids=["its worker", "an admin", "the office", "nobody"],
)
def test_it_is_not_for_everybody(by: str | None, status: int) -> None:
    one, api = visit(), as_(by) if by else ANONYMOUS
    before = everything()
    assert api.post(URL, {"service": one.pk, "rating": 5}).status_code == status
    assert everything() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"rating": 4.5}, "rating"),
        ({"rating": "good"}, "rating"),
        ({"rating": None}, "rating"),
        ({"rating": True}, "rating"),
        ({"service": None}, "service"),
        ({"service": "x"}, "service"),
        ({"service": "9" * 30}, "service"),
        ({"comments": "x" * 5001}, "comments"),
        ({"comments": ["x"]}, "comments"),
    ],
)
def test_bad_input_is_refused_by_field(body: dict, field: str) -> None:
    one, chitra = visit(), as_("chitra")
    before = everything()
    answer = chitra.post(URL, {"service": one.pk, "rating": 5, **body})
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert everything() == before


def test_it_takes_json_only() -> None:
    assert as_("chitra").upload(URL, {"service": visit().pk, "rating": 5}).status_code == 415


# --- reading ---
def test_who_sees_which_ratings() -> None:
    of_chitra, of_deepak = rating_of(visit()), rating_of(visit(owner="deepak", worker="wali"))
    assert ids(as_("chitra").get(URL)) == ids(as_("wasim").get(URL)) == [of_chitra.pk]
    assert ids(as_("deepak").get(URL)) == ids(as_("wali").get(URL)) == [of_deepak.pk]
    assert ids(as_("asha").get(URL)) == [of_deepak.pk, of_chitra.pk], "newest first"
    assert as_("omar").get(URL).status_code == 403
    assert ANONYMOUS.get(URL).status_code == 401


def test_the_filters_narrow_and_reveal_nothing() -> None:
    five, one = rating_of(visit(), 5), rating_of(visit(owner="deepak", worker="wali"), 1)
    asha, chitra = as_("asha"), as_("chitra")
    assert ids(asha.get(f"{URL}?rating=5")) == [five.pk]
    assert ids(asha.get(f"{URL}?worker={person('wali').pk}")) == [one.pk]
    assert ids(asha.get(f"{URL}?service={one.visit_id}")) == [one.pk]
    assert ids(asha.get(f"{URL}?rating=5&worker={person('wali').pk}")) == []
    assert ids(chitra.get(f"{URL}?worker={person('wali').pk}")) == []
    for name in ("rating", "worker", "service"):
        bad = asha.get(f"{URL}?{name}=abc")
        assert (bad.status_code, bad.json()) == (400, {name: ["A valid integer is required."]})


def test_ten_rows_cost_as_many_queries_as_one() -> None:
    asha = as_("asha")
    costs = []
    for how_many in (1, 9):
        for _ in range(how_many):
            rating_of(visit())
        with CaptureQueriesContext(connection) as counted:
            asha.get(URL)
        costs.append(len(counted))
    assert costs == [2, 2]
