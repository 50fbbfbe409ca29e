"""Tasks and notes of clients, students and leads. Contract A §2; CONTRACT §4 "Tasks and notes"."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Note, Task
from tandem.academy.rules.items import MOST_ITEMS
from tandem.academy.tests.api.test_files import made
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_

pytestmark = pytest.mark.django_db
KINDS = ["clients", "services", "leads"]
NOWHERE = "8d7c2f5e-0000-4000-8000-000000000000"


@pytest.fixture
def asha() -> Api:
    return as_("asha")


def texts(shown: dict[str, Any]) -> dict[str, list[str]]:
    return {
        "tasks": [task["task"] for task in shown["list_of_tasks"]],
        "notes": [note["note"] for note in shown["list_of_notes"]],
    }


def ids(shown: dict[str, Any]) -> set[str]:
    return {item["id"] for item in shown["list_of_tasks"] + shown["list_of_notes"]}


class TestCreating:
    @pytest.mark.parametrize("kind", KINDS)
    def test_what_was_read_makes_a_second_record_like_the_first(self, asha: Api, kind: str) -> None:
        url, _ = made(kind)
        items = {"list_of_tasks": [{"task": "Call"}, {"task": "Meet", "completed": True}]}
        items["list_of_notes"] = [{"note": "Met"}]
        first = asha.patch(url, items).json()
        answer = asha.post(f"/api/{kind}/", first)
        assert answer.status_code == 201, answer.content
        second = answer.json()
        assert (texts(second), len(ids(second))) == (texts(first), 3)
        assert not ids(first) & ids(second), "what is copied is new"
        assert asha.get(url).json() == first

    @pytest.mark.parametrize("id", [NOWHERE, "tmp-1", "", 7, {"$oid": "x"}], ids=str)
    @pytest.mark.parametrize("kind", KINDS)
    def test_an_id_of_whatever_kind_is_ignored(self, asha: Api, kind: str, id: Any) -> None:
        body = {
            "name": "A",
            "list_of_tasks": [{"id": id, "task": "Call"}] * 2,
            "list_of_notes": [{"id": id, "note": "x"}],
        }
        if kind == "services":
            body["client"] = str(made("clients")[1].pk)
        answer = asha.post(f"/api/{kind}/", body)
        assert answer.status_code == 201, answer.content
        assert texts(answer.json()) == {"tasks": ["Call", "Call"], "notes": ["x"]}
        assert NOWHERE not in ids(answer.json())

    @pytest.mark.parametrize("id", [NOWHERE, "tmp-1", 7], ids=str)
    def test_a_change_still_refuses_an_id_that_the_record_does_not_have(self, asha: Api, id: Any) -> None:
        url, _ = made("clients")
        before = asha.get(url).json()
        answer = asha.put(url, {"list_of_tasks": [{"id": id, "task": "Whose?"}]})
        assert (answer.status_code, list(answer.json())) == (400, ["list_of_tasks"])
        assert asha.get(url).json() == before

    @pytest.mark.parametrize(("action", "text"), [("add-task", "task"), ("add-note", "note")])
    def test_a_single_new_item_gets_its_own_id_too(self, asha: Api, action: str, text: str) -> None:
        url, _ = made("clients")
        answer = asha.post(f"{url}{action}/", {"id": "tmp-1", text: "Call"})
        assert answer.status_code == 200, answer.content
        assert texts(answer.json())[f"{text}s"] == ["Call"]


class TestTheBound:
    """What a GET shows a PUT takes, so a list does not grow beyond what a body may hold."""

    def full(self, kind: str) -> str:
        url, record = made(kind)
        entity = {"clients": "client", "services": "service", "leads": "lead"}[kind]
        now = moments.now()
        of = {"entity": entity, "record": record.pk, "date_created": now}
        Task.objects.bulk_create(Task(**of, position=n, task=f"task {n}") for n in range(MOST_ITEMS - 1))
        Note.objects.bulk_create(Note(**of, position=n, note=f"note {n}", date=now) for n in range(MOST_ITEMS - 1))
        return url

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_last_one_fits_and_the_next_is_refused(self, asha: Api, kind: str) -> None:
        url = self.full(kind)
        for action, text in (("add-task", "task"), ("add-note", "note")):
            assert asha.post(f"{url}{action}/", {text: "The last"}).status_code == 200
            told = Event.objects.count()
            refused = asha.post(f"{url}{action}/", {text: "One too many"})
            assert (refused.status_code, refused.json()["code"]) == (409, "too_many_items")
            assert Event.objects.count() == told
        shown = asha.get(url).json()
        assert [len(shown[key]) for key in ("list_of_tasks", "list_of_notes")] == [MOST_ITEMS, MOST_ITEMS]
        told = Event.objects.count()
        answer = asha.put(url, shown)
        assert answer.status_code == 200, answer.content
        assert {**answer.json(), "updated_at": None} == {**shown, "updated_at": None}
        assert Event.objects.count() == told, "what was read and sent back changes nothing"

    def test_there_is_room_again_when_one_is_deleted(self, asha: Api) -> None:
        url = self.full("clients")
        added = asha.post(f"{url}add-task/", {"task": "The last"}).json()["list_of_tasks"][-1]
        assert asha.post(f"{url}delete-task/", {"id": added["id"]}).status_code == 200
        assert asha.post(f"{url}add-task/", {"task": "Another"}).status_code == 200
