"""/api/clients/. Contract A §2."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Attribute, Client, Student, Task
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/clients/"


@pytest.fixture
def sales() -> Api:
    return member("Sales")


def attribute(name: str, type: str = "text", **other: Any) -> Attribute:
    now = moments.now()
    values = {"entity": "client", "label": name.title(), "created_at": now, "updated_at": now}
    return Attribute.objects.create(name=name, type=type, **{**values, **other})


def test_it_works(sales: Api) -> None:
    attribute("industry")
    body = {
        "name": "Acme Corp",
        "attributes": {"industry": "Tech"},
        "list_of_tasks": [{"task": "Call client", "date": "2025-01-20", "completed": False, "user_id": 99}],
        "list_of_notes": [{"note": "Spoke with CEO", "user_name": "Mallory"}],
    }
    answer = sales.post(URL, body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    client = Client.objects.get()
    me = {"user_id": client.created_by_id, "user_name": "One of Sales"}
    made = moments.iso(client.created_at)
    assert shown == {
        "id": str(client.pk),
        "name": "Acme Corp",
        "attributes": {"industry": "Tech"},
        "list_of_tasks": [
            {
                "id": shown["list_of_tasks"][0]["id"],
                "task": "Call client",
                "date": "2025-01-20",
                "completed": False,
                "date_created": made,
                **me,
            }
        ],
        "list_of_notes": [
            {
                "id": shown["list_of_notes"][0]["id"],
                "note": "Spoke with CEO",
                "date": made,
                "date_created": made,
                **me,
            }
        ],
        "created_by": client.created_by_id,
        "created_by_name": "One of Sales",
        "created_at": made,
        "updated_at": made,
        "list_of_images": [],
    }
    assert Event.objects.get().type == "client.created"
    assert sales.get(f"{URL}{client.pk}/").content == answer.content, "a read answers what the write answered"
    assert sales.get(URL).content == b"[" + answer.content + b"]"


def test_patch_merges_attributes_and_leaves_absent_lists_alone(sales: Api) -> None:
    attribute("industry")
    attribute("size", "number")
    made = sales.post(URL, {"name": "A", "attributes": {"industry": "Tech", "size": "25"}}).json()
    sales.post(f"{URL}{made['id']}/add-task/", {"task": "Call"})
    shown = sales.put(f"{URL}{made['id']}/", {"name": "B", "attributes": {"industry": None}}).json()
    assert shown["attributes"] == {"size": 25}
    assert [task["task"] for task in shown["list_of_tasks"]] == ["Call"]


@pytest.mark.parametrize(
    ("attributes", "wrong"),
    [
        ({"unheard_of": 1}, {"unheard_of": ["There is no such attribute."]}),
        ({"size": "many"}, {"size": ["This must be a number."]}),
        ({"size": True}, {"size": ["This must be a number."]}),
        ({"since": "-"}, {"since": ["This must be a date, YYYY-MM-DD."]}),
        ({"tier": "bronze"}, {"tier": ["Choose one of: gold, silver."]}),
    ],
)
def test_values_of_the_wrong_type_are_refused_by_name(sales: Api, attributes: Any, wrong: Any) -> None:
    attribute("size", "number")
    attribute("since", "date")
    attribute("tier", "list", list_values=["gold", "silver"])
    answer = sales.post(URL, {"name": "A", "attributes": attributes})
    assert (answer.status_code, answer.json()) == (400, {"attributes": wrong})
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-01-02", "2026-01-02"),
        ("2026-01-01T18:30:00.000Z", "2026-01-02"),  # midnight of the site, as a browser there sends it
        ("2026-01-01T18:29:59Z", "2026-01-01"),
        ("2026-01-02T00:00", "2026-01-02"),
    ],
)
def test_a_date_is_a_day_of_the_site(sales: Api, sent: str, stored: str) -> None:
    attribute("since", "date")
    tasks = [{"task": "Call", "date": sent}]
    shown = sales.post(URL, {"name": "A", "attributes": {"since": sent}, "list_of_tasks": tasks}).json()
    assert (shown["attributes"], shown["list_of_tasks"][0]["date"]) == ({"since": stored}, stored)


@pytest.mark.parametrize(
    "sent", ["2026-01-01T10", "2026-01-01x", "0001-01-01T00:00:00+14:00", "20260101", "2026-W01-1"]
)
def test_what_is_no_date_is_refused(sales: Api, sent: str) -> None:
    attribute("since", "date")
    answer = sales.post(URL, {"name": "A", "attributes": {"since": sent}})
    assert (answer.status_code, list(answer.json()["attributes"])) == (400, ["since"])


@pytest.mark.parametrize(
    ("tasks", "wrong"),
    [
        ([{"task": ""}], ["Every item needs its `task`."]),
        (
            [{"task": "a"}, {"task": "b", "date": "-"}],
            ["list_of_tasks[1].date: Use a date (YYYY-MM-DD) or a date-time (ISO 8601)."],
        ),
        ([None], ["list_of_tasks[0]: This field may not be null."]),
        ("x", ['Expected a list of items but got type "str".']),
    ],
)
def test_what_is_wrong_inside_of_a_list_says_where(sales: Api, tasks: Any, wrong: list[str]) -> None:
    answer = sales.post(URL, {"name": "A", "list_of_tasks": tasks})
    assert (answer.status_code, answer.json()) == (400, {"list_of_tasks": wrong})


def test_a_required_attribute_is_asked_for_on_create_only(sales: Api) -> None:
    made = sales.post(URL, {"name": "A"}).json()
    attribute("industry", is_required=True)
    assert sales.post(URL, {"name": "B"}).json() == {"attributes": {"industry": ["This attribute is required."]}}
    assert sales.patch(f"{URL}{made['id']}/", {"name": "C"}).status_code == 200
    assert sales.patch(f"{URL}{made['id']}/", {"attributes": {}}).status_code == 400


def test_a_deleted_attribute_hides_its_values(sales: Api) -> None:
    gone = attribute("industry")
    attribute("size", "number")
    attribute("is_big", "boolean")
    values = {"industry": "Tech", "size": 2.5, "is_big": False}
    made = sales.post(URL, {"name": "A", "attributes": values}).json()
    Attribute.objects.filter(pk=gone.pk).update(deleted_at=moments.now())
    assert sales.get(f"{URL}{made['id']}/").json()["attributes"] == {"size": 2.5, "is_big": False}
    Attribute.objects.filter(pk=gone.pk).update(deleted_at=None)
    assert sales.get(f"{URL}{made['id']}/").json()["attributes"] == values


def test_lists_narrow_by_attribute(sales: Api) -> None:
    attribute("size", "number")
    attribute("is_big", "boolean")
    attribute("tier", "list", list_values=["gold", "silver"])
    for name, values in {
        "small": {"size": 1, "is_big": False, "tier": "gold"},
        "big": {"size": 10.5, "is_big": True, "tier": ["silver", "gold"]},
        "none": {},
    }.items():
        sales.post(URL, {"name": name, "attributes": values})

    def names(query: str) -> list[str]:
        return sorted(row["name"] for row in sales.get(f"{URL}?{query}").json())

    assert names("attributes.size=1.0") == ["small"]
    assert names("attributes.size=10.5") == ["big"]
    assert names("attributes.is_big=true") == ["big"]
    assert names("attributes.is_big=false&attributes.size=1") == ["small"]
    assert names("attributes.tier=gold") == ["big", "small"]
    assert names("attributes.tier=silver&attributes.size=1") == []
    wrong = sales.get(f"{URL}?attributes.size=many&attributes.nothing=1")
    assert wrong.status_code == 400
    assert sorted(wrong.json()) == ["attributes.nothing", "attributes.size"]


class TestTasksAndNotes:
    @pytest.fixture
    def client(self, sales: Api) -> dict[str, Any]:
        return sales.post(URL, {"name": "A", "list_of_tasks": [{"task": "One"}, {"task": "Two"}]}).json()

    def test_items_without_ids_take_over_what_is_the_same(self, sales: Api, client: dict[str, Any]) -> None:
        one, two = client["list_of_tasks"]
        sent = [{"task": "Two"}, {"task": "New"}, {"id": one["id"], "task": "One!", "completed": True}]
        shown = sales.patch(f"{URL}{client['id']}/", {"list_of_tasks": sent}).json()["list_of_tasks"]
        assert [task["task"] for task in shown] == ["Two", "New", "One!"]
        assert [task["id"] for task in shown][::2] == [two["id"], one["id"]]
        assert shown[2]["completed"] is True

    def test_an_empty_list_clears(self, sales: Api, client: dict[str, Any]) -> None:
        assert sales.patch(f"{URL}{client['id']}/", {"list_of_tasks": []}).json()["list_of_tasks"] == []
        event = Event.objects.order_by("-id").first()
        assert event is not None
        assert [task["task"] for task in event.before["list_of_tasks"]] == ["One", "Two"], (
            "what is dropped is kept here"
        )

    @pytest.mark.parametrize(
        "sent",
        [
            [{"id": "8d7c2f5e-0000-4000-8000-000000000000", "task": "Whose?"}],
            [{"task": ""}],
            [{"completed": True}],
            [{"task": "x", "date": "-"}],
            ["text"],
            "text",
        ],
    )
    def test_bad_lists_change_nothing(self, sales: Api, client: dict[str, Any], sent: Any) -> None:
        answer = sales.patch(f"{URL}{client['id']}/", {"name": "B", "list_of_tasks": sent})
        assert (answer.status_code, list(answer.json())) == (400, ["list_of_tasks"])
        assert sales.get(f"{URL}{client['id']}/").json() == client

    def test_single_items(self, sales: Api, client: dict[str, Any]) -> None:
        url, task = f"{URL}{client['id']}/", client["list_of_tasks"][0]
        done = sales.post(f"{url}update-task/", {"task_id": task["id"], "completed": True}).json()
        assert done["list_of_tasks"][0] == {**task, "completed": True}
        noted = sales.post(f"{url}add-note/", {"note": "Hello"}).json()["list_of_notes"]
        assert [note["note"] for note in noted] == ["Hello"]
        changed = sales.post(f"{url}update-note/", {"note_id": noted[0]["id"], "note": "Bye"}).json()["list_of_notes"]
        assert changed == [{**noted[0], "note": "Bye"}]
        assert sales.post(f"{url}delete-note/", {"id": noted[0]["id"]}).json()["list_of_notes"] == []
        left = sales.post(f"{url}delete-task/", {"id": task["id"]}).json()["list_of_tasks"]
        assert [one["task"] for one in left] == ["Two"]
        assert sales.post(f"{url}update-task/", {"task_id": task["id"]}).status_code == 404
        assert sales.post(f"{url}update-task/", {}).json() == {"task_id": ["This field is required."]}

    def test_a_task_of_another_record_is_not_found(self, sales: Api, client: dict[str, Any]) -> None:
        other = sales.post(URL, {"name": "B", "list_of_tasks": [{"task": "Theirs"}]}).json()
        body = {"task_id": other["list_of_tasks"][0]["id"], "completed": True}
        assert sales.post(f"{URL}{client['id']}/update-task/", body).status_code == 404
        assert not Task.objects.filter(completed=True).exists()


def test_an_id_is_the_same_in_upper_case(sales: Api) -> None:
    made = sales.post(URL, {"name": "A"}).json()
    url = f"{URL}{made['id'].upper()}/"
    assert sales.get(url).json() == made
    assert sales.patch(url, {"name": "B"}).json()["id"] == made["id"]
    assert sales.get(f"{URL}{'0' * 8}-ABCD-ABCD-ABCD-{'0' * 12}/").status_code == 404


class TestDeleting:
    def test_a_client_with_students_needs_cascade_and_comes_back_with_them(self, sales: Api) -> None:
        now = moments.now()
        made = sales.post(URL, {"name": "A"}).json()
        for name in ("S1", "S2"):
            Student.objects.create(name=name, client_id=made["id"], created_at=now, updated_at=now)
        asha = as_("asha")
        assert sales.delete(f"{URL}{made['id']}/").status_code == 403
        refused = asha.delete(f"{URL}{made['id']}/")
        assert refused.status_code == 409
        assert (refused.json()["code"], refused.json()["count"]) == ("has_students", 2)
        assert asha.delete(f"{URL}{made['id']}/?cascade=true").status_code == 204
        assert asha.get(f"{URL}{made['id']}/").status_code == 404
        assert [row["id"] for row in asha.get(f"{URL}?deleted=true").json()] == [made["id"]]
        assert sales.get(f"{URL}?deleted=true").status_code == 403
        assert Student.objects.live().count() == 0
        assert asha.post(f"{URL}{made['id']}/restore/").status_code == 200
        assert Student.objects.live().count() == 2

    @pytest.mark.parametrize("query", ["cascade=True", "cascade=1", "cascade=+TRUE+", "%3Fcascade=true"])
    def test_cascade_is_read_as_every_flag_is(self, query: str) -> None:
        made, now = as_("asha").post(URL, {"name": "A"}).json(), moments.now()
        Student.objects.create(name="S", client_id=made["id"], created_at=now, updated_at=now)
        assert as_("asha").delete(f"{URL}{made['id']}/?{query}").status_code == 204
        assert Student.objects.live().count() == 0

    @pytest.mark.parametrize("query", ["cascade=false", "cascade=0", "cascade="])
    def test_a_flag_that_is_not_set_takes_nothing_along(self, query: str) -> None:
        made, now = as_("asha").post(URL, {"name": "A"}).json(), moments.now()
        Student.objects.create(name="S", client_id=made["id"], created_at=now, updated_at=now)
        assert as_("asha").delete(f"{URL}{made['id']}/?{query}").status_code == 409

    def test_what_is_no_flag_is_refused(self) -> None:
        asha = as_("asha")
        made = asha.post(URL, {"name": "A"}).json()
        before = everything()
        answer = asha.delete(f"{URL}{made['id']}/?cascade=x")
        assert (answer.status_code, answer.json()) == (400, {"cascade": ["Must be true or false."]})
        assert everything() == before

    def test_history_tells_it_all(self, sales: Api) -> None:
        made = sales.post(URL, {"name": "A"}).json()
        sales.patch(f"{URL}{made['id']}/", {"name": "B"})
        events = sales.get(f"{URL}{made['id']}/history/").json()
        assert [event["type"] for event in events] == ["client.updated", "client.created"]
        assert (events[0]["before"], events[0]["after"]) == ({"name": "A"}, {"name": "B"})


def test_permissions_by_group_and_verb() -> None:
    made = as_("asha").post(URL, {"name": "A"}).json()
    assert member("Management").get(URL).status_code == 200
    assert member("Instructors").get(URL).status_code == 403
    teacher = member("Teacher Assistant")
    assert teacher.get(f"{URL}{made['id']}/").status_code == 403
    assert as_("chitra").get(URL).status_code == 403
    assert as_("wasim").get(URL).status_code == 403


def test_a_list_costs_the_same_for_one_and_for_ten(sales: Api) -> None:
    counts = []
    for names in (["0"], [str(n) for n in range(1, 10)]):
        for name in names:
            sales.post(URL, {"name": name, "list_of_tasks": [{"task": "x"}]})
        with CaptureQueriesContext(connection) as queries:
            sales.get(URL)
        counts.append(len(queries))
    assert counts == [3, 3], "who calls, whether they may, and the list"


def test_newest_come_first_and_a_cursor_leads_on(sales: Api) -> None:
    now = moments.now()
    for n in range(5):
        Client.objects.create(name=str(n), created_at=now + timedelta(seconds=n), updated_at=now)
    seen, url = [], f"{URL}?limit=2"
    while url:
        answer = sales.get(url)
        seen += [row["name"] for row in answer.json()]
        link = answer.headers.get("Link")
        url = link.removeprefix("<http://localhost").removesuffix('>; rel="next"') if link else None
    assert seen == ["4", "3", "2", "1", "0"]
