"""An import writes what as many requests would write, in a number of statements that does not grow with its rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.actions.leads import LeadsTogether
from tandem.academy.actions.together import Draft
from tandem.academy.api import imports
from tandem.academy.models import Client, Lead, Note, StageChange, Student, Task
from tandem.academy.tests.api.test_clients import attribute
from tandem.academy.tests.api.test_imports import as_csv, send
from tandem.academy.tests.leads import client, lead, pipeline
from tandem.events.models import Event
from tandem.jobs import runner
from tests.cast import Api, as_, person

pytestmark = pytest.mark.django_db
ITEMS = ("list_of_tasks", "list_of_notes")
_MADE_ANEW = (
    "id",
    "record",
    "created_at",
    "updated_at",
    "date_created",
    "entered_at",
    "subject_id",
    "at",
    "request_id",
)


@pytest.fixture
def asha() -> Api:
    attribute("size", "number", entity="lead")
    attribute("city", "text", entity="lead")
    attribute("size", "number", entity="service")
    attribute("size", "number")
    return as_("asha")


def bodies(kind: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is made, and what is then changed in it, of every kind that a request may be."""
    task, note = {"task": "Call", "date": "2025-01-20"}, {"note": "Hello", "date": "2025-01-20T10:00:00Z"}
    made: list[dict[str, Any]] = [
        {"name": "Bare"},
        {"name": "Full", "attributes": {"size": "25"}, "list_of_tasks": [task, {"task": "Mail"}]},
        {"name": "Noted", "list_of_notes": [note], "list_of_tasks": [task]},
    ]
    changed: list[dict[str, Any]] = [
        {"name": "Bare"},
        {"name": "Fuller", "attributes": {"size": "26"}, "list_of_tasks": [{"task": "Mail"}, {"task": "Write"}]},
        {"list_of_notes": [], "list_of_tasks": [{**task, "completed": True}]},
    ]
    if kind == "services":
        one, other = str(client("One").pk), str(client("Other").pk)
        made = [body | {"client": one} for body in made]
        changed = [*changed[:2], changed[2] | {"client": other}]
    if kind == "leads":
        sales, courses = pipeline("Sales", "New Won"), pipeline("Courses", "Asked Booked")
        omar, buyer = person("omar").pk, str(client("Buyer").pk)
        made[0] |= {"pipeline": str(sales.pk), "responsible": omar}
        made[1] |= {"pipeline": str(sales.pk), "stage": "won", "possible_client": buyer}
        made[2] |= {"stage": "Anything", "moodle_course_id": "007"}
        changed[0] |= {"stage": "WON"}
        changed[1] |= {"pipeline": str(courses.pk)}
        changed[2] |= {"pipeline": str(sales.pk), "responsible": omar}
    return made, changed


@pytest.mark.parametrize("kind", ["clients", "services", "leads"])
def test_an_import_writes_what_the_same_requests_write(kind: str, asha: Api) -> None:
    made, changed = bodies(kind)
    by_request = [asha.post(f"/api/{kind}/", body).json()["id"] for body in made]
    for pk, body in zip(by_request, changed, strict=True):
        assert asha.patch(f"/api/{kind}/{pk}/", body).status_code == 200
    requested = everything(asha, kind)

    for model in (StageChange, Task, Note, Lead, Student, Event):
        model._default_manager.all().delete()
    Client.objects.filter(pk__in=by_request).delete()
    for bodies_of_all in (made, changed):
        ids = {row["name"]: row["id"] for row in asha.get(f"/api/{kind}/").json()}
        rows = [row_of(body, ids.get(first["name"], "")) for body, first in zip(bodies_of_all, made, strict=True)]
        for row in rows:  # one at a time, for absent columns are absent in all rows of a table
            told = send(asha, as_csv([list(row), list(row.values())]), kind).json()
            assert told["failed"] == 0, told
    assert everything(asha, kind) == requested


def row_of(body: dict[str, Any], pk: str) -> dict[str, Any]:
    cells = {key: json.dumps(value) if key in ITEMS else value for key, value in body.items() if key != "attributes"}
    return {"id": pk, **cells, **{f"attributes.{key}": value for key, value in body.get("attributes", {}).items()}}


def everything(asha: Api, kind: str) -> Any:
    """All that was written, without what is made anew each time."""
    tables = {
        model.__name__: [comparable(row) for row in model._default_manager.order_by(by).values()]
        for model, by in ((Event, "pk"), (StageChange, "pk"))
    }
    for rows in tables.values():
        rows.sort(key=str)
    return tables, sorted((comparable(row) for row in asha.get(f"/api/{kind}/").json()), key=str)


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if key not in (*_MADE_ANEW, "lead_id")}
    return [comparable(item) for item in value] if isinstance(value, list) else value


def leads(count: int, *, of: list[str] | None = None, note: str = "Hello") -> bytes:
    """of: the ids of existing leads that are changed."""
    header = ["id", "name", "pipeline_name", "responsible_username", "possible_client_name", "size", "list_of_notes"]
    notes = json.dumps([{"note": note, "date": "2025-01-20T10:00:00Z"}])
    ids = of or [""] * count
    return as_csv([header, *([ids[n], f"{note} {n}", "sales", "omar", "Buyer", n, notes] for n in range(count))])


def queries_of(asha: Api, content: bytes, *, failed: int = 0) -> int:
    with CaptureQueriesContext(connection) as queries:
        answer = send(asha, content, "leads").json()
    assert answer["failed"] == failed, answer
    return len(queries)


class TestStatements:
    @pytest.fixture(autouse=True)
    def world(self) -> None:
        person("omar")
        pipeline("Sales", "New Won")
        client("Buyer")

    def test_a_row_more_costs_no_query_more(self, asha: Api) -> None:
        queries_of(asha, leads(1))
        few = queries_of(asha, leads(3))
        assert queries_of(asha, leads(50)) == few
        known = [str(pk) for pk in Lead.objects.values_list("pk", flat=True)]
        assert queries_of(asha, leads(3, of=known[:3], note="New")) == queries_of(
            asha, leads(50, of=known[3:53], note="New")
        )
        assert Note.objects.filter(note="New").count() == 53

    def test_a_batch_more_costs_one_set_of_queries_more(self, asha: Api) -> None:
        def queries(rows: int) -> int:
            assert send(asha, leads(rows), "leads", partial="true").status_code == 202
            with CaptureQueriesContext(connection) as queries:
                runner.run_next({"import": imports.run_job})
            return len(queries)

        two, three = queries(imports.AT_ONCE * 2), queries(imports.AT_ONCE * 3)
        # SQLite takes some sixty leads in one statement.
        assert three - two <= (25 if connection.vendor == "postgresql" else 60)
        assert Lead.objects.count() == imports.AT_ONCE * 5


def test_a_record_that_is_named_twice_is_changed_twice(asha: Api) -> None:
    made = asha.post("/api/clients/", {"name": "Old"}).json()["id"]
    rows = [["id", "name", "list_of_tasks"], [made, "First", '[{"task": "A"}]'], [made, "Second", '[{"task": "A"}]']]
    assert send(asha, as_csv(rows)).json()["updated"] == 2
    shown = asha.get(f"/api/clients/{made}/").json()
    assert (shown["name"], [task["task"] for task in shown["list_of_tasks"]]) == ("Second", ["A"])
    assert [event.after.get("name") for event in Event.objects.order_by("pk")] == ["Old", "First", "Second"]


def test_a_lead_that_somebody_moves_meanwhile_is_looked_at_again() -> None:
    sales, courses = pipeline("Sales", "New Won"), pipeline("Courses", "Asked")
    moved = lead(of=sales, stage="New")
    batch = LeadsTogether()
    batch.read([Draft(moved.pk, {"stage": "Won"})], lock=False)
    assert batch.covers(Lead.objects.all())
    Lead.objects.update(pipeline=courses)
    assert not batch.covers(Lead.objects.all())
