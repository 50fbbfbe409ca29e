"""/api/services/, which are students. Contract A §3."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Attribute, Client, Cohort, Student
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member

pytestmark = pytest.mark.django_db
URL = "/api/services/"
NOBODY = "8d7c2f5e-0000-4000-8000-000000000000"


@pytest.fixture
def operations() -> Api:
    return member("Operations")


@pytest.fixture
def acme() -> Client:
    return client("Acme Corp")


def client(name: str) -> Client:
    now = moments.now()
    return Client.objects.create(name=name, created_at=now, updated_at=now)


def student(api: Api, of: Client, **body: Any) -> dict[str, Any]:
    answer = api.post(URL, {"name": "Jane Doe", "client": str(of.pk), **body})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_it_works(operations: Api, acme: Client) -> None:
    now = moments.now()
    Attribute.objects.create(
        entity="service", name="program", label="Program", type="text", created_at=now, updated_at=now
    )
    body = {
        "name": "Jane Doe",
        "client": str(acme.pk),
        "attributes": {"program": "Full Stack"},
        "list_of_tasks": [],
        "list_of_notes": [{"note": "Student requested delay", "user_id": 1}],
    }
    answer = operations.post(URL, body)
    assert answer.status_code == 201, answer.content
    shown, made = answer.json(), Student.objects.get()
    at = moments.iso(made.created_at)
    by = made.created_by_id
    assert shown == {
        "id": str(made.pk),
        "name": "Jane Doe",
        "client": str(acme.pk),
        "client_name": "Acme Corp",
        "actual_cohort": None,
        "actual_cohort_name": None,
        "origin_cohort": None,
        "origin_cohort_name": None,
        "attributes": {"program": "Full Stack"},
        "list_of_tasks": [],
        "list_of_notes": [
            {
                "id": shown["list_of_notes"][0]["id"],
                "note": "Student requested delay",
                "date": at,
                "date_created": at,
                "user_id": by,
                "user_name": "One of Operations",
            }
        ],
        "created_by": by,
        "created_by_name": "One of Operations",
        "created_at": at,
        "updated_at": at,
        "list_of_images": [],
    }
    assert operations.get(f"{URL}{made.pk}/").content == answer.content
    assert operations.get(URL).content == b"[" + answer.content + b"]"
    assert [row["type"] for row in operations.get(f"{URL}{made.pk}/history/").json()] == ["service.created"]


@pytest.mark.parametrize("sent", [None, "", NOBODY, "7", "deleted", "absent"])
def test_a_student_needs_a_client_that_is_there(operations: Api, acme: Client, sent: str | None) -> None:
    if sent == "deleted":
        Client.objects.filter(pk=acme.pk).update(deleted_at=moments.now())
        sent = str(acme.pk)
    body = {"name": "Jane", "client": sent}
    if sent == "absent":
        del body["client"]
    answer = operations.post(URL, body)
    assert (answer.status_code, list(answer.json())) == (400, ["client"])
    assert not Student.objects.exists()
    assert not Event.objects.exists()


def test_a_student_may_change_client(operations: Api, acme: Client) -> None:
    made, other = student(operations, acme), client("Other")
    refused = operations.put(f"{URL}{made['id']}/", {"name": "New", "client": NOBODY})
    assert (refused.status_code, list(refused.json())) == (400, ["client"])
    assert operations.get(f"{URL}{made['id']}/").json() == made
    shown = operations.put(f"{URL}{made['id']}/", {"client": str(other.pk)}).json()
    assert (shown["name"], shown["client"], shown["client_name"]) == ("Jane Doe", str(other.pk), "Other")
    last = Event.objects.latest("pk")
    assert (last.before, last.after) == ({"client": str(acme.pk)}, {"client": str(other.pk)})


def test_under_if_match_too(operations: Api, acme: Client) -> None:
    made, other = student(operations, acme), client("Other")
    tag = operations.get(f"{URL}{made['id']}/").headers["ETag"]
    assert operations.patch(f"{URL}{made['id']}/", {"client": str(other.pk)}, If_Match=tag).status_code == 200
    assert operations.patch(f"{URL}{made['id']}/", {"client": str(acme.pk)}, If_Match=tag).status_code == 412
    assert Student.objects.get().client == other


def test_cohorts_are_set_by_enrollments_only(operations: Api, acme: Client) -> None:
    now = moments.now()
    cohort = Cohort.objects.create(name_cohort="Winter", created_at=now, updated_at=now)
    sent = {"actual_cohort": str(cohort.pk), "origin_cohort": str(cohort.pk)}
    made = student(operations, acme, **sent)
    shown = operations.patch(f"{URL}{made['id']}/", sent).json()
    assert (shown["actual_cohort"], shown["origin_cohort"]) == (None, None)
    Student.objects.update(actual_cohort=cohort, origin_cohort=cohort)
    shown = operations.patch(f"{URL}{made['id']}/", {"actual_cohort": None, "origin_cohort": None}).json()
    assert [shown[key] for key in ("actual_cohort", "actual_cohort_name", "origin_cohort", "origin_cohort_name")] == [
        str(cohort.pk),
        "Winter",
        str(cohort.pk),
        "Winter",
    ]


def test_the_list_narrows(operations: Api, acme: Client) -> None:
    now, other = moments.now(), client("Other")
    cohort = Cohort.objects.create(name_cohort="Winter", created_at=now, updated_at=now)
    jane = student(operations, acme)
    student(operations, other, name="Bob")
    Student.objects.filter(pk=jane["id"]).update(actual_cohort=cohort)

    def names(query: str) -> list[str]:
        return [row["name"] for row in operations.get(f"{URL}?{query}").json()]

    assert names("") == ["Bob", "Jane Doe"]
    for query in (f"client={acme.pk}", f"actual_cohort={cohort.pk}", "name=jane", "search=DOE"):
        assert names(query) == ["Jane Doe"], query
    assert names(f"client={NOBODY}") == []
    assert list(operations.get(f"{URL}?client=abc&actual_cohort=1").json()) == ["client", "actual_cohort"]


def test_tasks_and_notes_one_at_a_time(operations: Api, acme: Client) -> None:
    made = student(operations, acme, list_of_tasks=[{"task": "Prepare Materials", "date": "2026-02-01"}])
    url, task = f"{URL}{made['id']}/", made["list_of_tasks"][0]
    done = operations.post(f"{url}update-task/", {"task_id": task["id"], "completed": True}).json()
    assert done["list_of_tasks"] == [{**task, "completed": True}]
    note = operations.post(f"{url}add-note/", {"note": "Hello"}).json()["list_of_notes"][0]
    assert operations.post(f"{url}delete-note/", {"id": note["id"]}).json()["list_of_notes"] == []


class TestDeleting:
    def test_it_comes_back(self, operations: Api, acme: Client) -> None:
        made, asha = student(operations, acme), as_("asha")
        assert operations.delete(f"{URL}{made['id']}/").status_code == 204
        assert operations.get(f"{URL}{made['id']}/").status_code == 404
        assert operations.get(URL).json() == []
        assert operations.get(f"{URL}?deleted=true").status_code == 403
        assert [row["id"] for row in asha.get(f"{URL}?deleted=true").json()] == [made["id"]]
        assert operations.post(f"{URL}{made['id']}/restore/").status_code == 403
        assert asha.post(f"{URL}{made['id']}/restore/").json() == made

    def test_not_while_its_client_is_deleted(self, operations: Api, acme: Client) -> None:
        made, asha = student(operations, acme), as_("asha")
        assert asha.delete(f"{URL}{made['id']}/").status_code == 204
        assert asha.delete(f"/api/clients/{acme.pk}/").status_code == 204
        refused = asha.post(f"{URL}{made['id']}/restore/")
        assert (refused.status_code, refused.json()["code"]) == (409, "client_deleted")
        assert asha.post(f"/api/clients/{acme.pk}/restore/").status_code == 200
        assert Student.objects.live().count() == 0, "another deletion took this student"
        assert asha.post(f"{URL}{made['id']}/restore/").status_code == 200

    def test_a_client_with_students_is_not_deleted_alone(self, operations: Api, acme: Client) -> None:
        student(operations, acme)
        refused = operations.delete(f"/api/clients/{acme.pk}/")
        assert (refused.status_code, refused.json()["count"]) == (409, 1)


@pytest.mark.parametrize(
    ("group", "sees", "writes"),
    [
        ("Sales", 200, 403),
        ("Operations", 200, 201),
        ("Instructors", 200, 403),
        ("Teacher Assistant", 200, 403),
        ("Management", 200, 403),
    ],
)
def test_permissions_by_group(acme: Client, group: str, sees: int, writes: int) -> None:
    api = member(group)
    assert api.get(URL).status_code == sees
    assert api.post(URL, {"name": "Jane", "client": str(acme.pk)}).status_code == writes


def test_a_list_costs_the_same_for_one_and_for_ten(operations: Api, acme: Client) -> None:
    counts = []
    for names in (["0"], [str(n) for n in range(1, 10)]):
        for name in names:
            student(operations, acme, name=name, list_of_tasks=[{"task": "x"}])
        with CaptureQueriesContext(connection) as queries:
            operations.get(URL)
        counts.append(len(queries))
    assert counts == [3, 3], "who calls, whether they may, and the list"
