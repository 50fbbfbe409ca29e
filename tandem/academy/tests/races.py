"""What is raced in test_races.py; see tests/racing.py."""

from __future__ import annotations

from typing import Any

from tandem.academy.models import Attribute, Client, Note, Student, Task
from tandem.academy.rules.items import MOST_ITEMS
from tandem.events.models import Event
from tests.cast import Api, as_
from tests.racing import Scenario

ITEMS = 64
URL = "/api/clients/"


def _client(asha: Api, **body: Any) -> dict[str, Any]:
    made: dict[str, Any] = asha.post(URL, {"name": "Acme", **body}).json()
    return made


def _updates() -> list[Event]:
    return list(Event.objects.filter(type="client.updated").order_by("id"))


def updated_tasks() -> Scenario:
    asha = as_("asha")
    client = _client(asha, list_of_tasks=[{"task": str(n)} for n in range(ITEMS)])

    def act(n: int) -> int:
        task = client["list_of_tasks"][n]
        sent = {"task_id": task["id"], "completed": True}
        return int(asha.post(f"{URL}{client['id']}/update-task/", sent).status_code)

    answers = yield act
    told = {event.after["list_of_tasks"][0]["id"] for event in _updates()}
    done = Task.objects.filter(completed=True).count()
    return {"answers": sorted(set(answers)), "completed": done, "events": len(_updates()), "tasks_told": len(told)}


def added_notes() -> Scenario:
    asha = as_("asha")
    client = _client(asha)
    answers = yield lambda n: asha.post(f"{URL}{client['id']}/add-note/", {"note": f"note {n}"}).status_code
    notes = list(Note.objects.order_by("position"))
    return {
        "answers": sorted(set(answers)),
        "texts": len({note.note for note in notes}),
        "positions": [note.position for note in notes] == list(range(len(notes))),
        "events": len(_updates()),
    }


def notes_beside_the_bound() -> Scenario:
    """There is room for half of them."""
    asha = as_("asha")
    client = _client(asha, list_of_notes=[{"note": str(n)} for n in range(MOST_ITEMS - 8)])
    answers = yield lambda n: asha.post(f"{URL}{client['id']}/add-note/", {"note": f"note {n}"}).status_code
    return {"added": answers.count(200), "refused": answers.count(409), "stored": Note.objects.count()}


def added_notes_and_whole_lists() -> Scenario:
    """Every fourth writes the whole list, with one note of its own; the others add a note each."""
    asha = as_("asha")
    client = _client(asha)
    url = f"{URL}{client['id']}/"

    def act(n: int) -> int:
        note = {"note": f"note {n}"}
        answer = asha.post(f"{url}add-note/", note) if n % 4 else asha.patch(url, {"list_of_notes": [note]})
        return int(answer.status_code)

    answers = yield act
    seen: set[str] = set()
    written: set[str] = set()
    stored = set(Note.objects.values_list("note", flat=True))
    for event in _updates():
        before, after = (
            {note["note"] for note in side.get("list_of_notes", [])} for side in (event.before, event.after)
        )
        if not before <= seen:
            return {"wrong": f"event {event.pk} drops what no earlier event added"}
        seen = (seen - before) | after
        written |= after
    return {
        "answers": sorted(set(answers)),
        "notes_told": len(written),
        "events": len(_updates()),
        "history_leads_to_what_is_stored": seen == stored,
    }


def deleted_client_and_new_students() -> Scenario:
    asha = as_("asha")
    client = _client(asha)

    def act(n: int) -> int:
        if n == 0:
            return int(asha.delete(f"{URL}{client['id']}/?cascade=true").status_code)
        return int(asha.post("/api/services/", {"name": str(n), "client": client["id"]}).status_code)

    answers = yield act
    return {
        "deleted": [answers[0], Client.objects.live().count()],
        "others": sorted(set(answers[1:]) - {201, 400}),
        "created": Student.objects.count() == answers.count(201),
        "live": Student.objects.live().count(),
    }


def one_attribute() -> Scenario:
    asha = as_("asha")
    answers = yield lambda n: asha.post("/api/attributes/client/", {"name": "industry", "type": "text"}).status_code
    return {"created": answers.count(201), "refused": answers.count(400), "stored": Attribute.objects.count()}
