"""From a lead to a student in another cohort, over HTTP, against a running `tandem serve`: the main job of contract A.

Lead comes in with attributes → tasks and notes → stages → converted (tried first, then done, then sent again) →
client, student, seat → transfer asked for → approved → the student is in the new cohort, the histories tell it all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.calling import ADMIN, PASSWORD, Caller, make_admin, signed_in
from tests.installation import Installation, Served, prepared

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with prepared(tmp_path_factory.mktemp("journey")) as made:
        yield made


def test_from_a_lead_to_a_student_in_another_cohort(installation: Installation) -> None:
    make_admin(installation)
    with installation.serving() as served:
        admin = signed_in(served, ADMIN)
        sales = _colleague(served, admin, "Sara", "Sales")
        operations = _colleague(served, admin, "Otto", "Operations")
        teacher = _colleague(served, admin, "Ines", "Instructors")
        pipeline = _prepared_by(admin)

        lead = _lead_comes_in(sales, pipeline)
        _is_worked_on(sales, lead)
        spring, autumn = _cohorts_of(operations)
        done = _is_converted(sales, lead, spring["cohort"])

        student = f"/api/services/{done['student']}/"
        shown = operations.ok("GET", student)
        assert shown["client"] == done["client"]
        assert shown["actual_cohort"] == shown["origin_cohort"] == spring["cohort"]
        assert shown["attributes"] == {"phone": "98765 43210", "level": "B1"}
        assert operations.ok("GET", f"/api/clients/{done['client']}/")["name"] == "Potential Student"
        seats = operations.ok("GET", f"/api/enrollment-details/?student={done['student']}")
        assert [(seat["id"], seat["enrollment"], seat["status"]) for seat in seats] == [
            (done["enrollment_detail"], spring["enrollment"], "active")
        ]

        _is_transferred(teacher, operations, done["student"], spring, autumn)
        moved = operations.ok("GET", student)
        assert (moved["actual_cohort"], moved["origin_cohort"]) == (autumn["cohort"], spring["cohort"])
        assert [row["id"] for row in sales.ok("GET", f"/api/services/?actual_cohort={autumn['cohort']}")] == [
            done["student"]
        ]
        _the_histories_tell_it(admin, lead, done, spring, autumn)


def _colleague(served: Served, admin: Caller, name: str, group: str) -> Caller:
    body = {"username": name.lower(), "name": name, "role": "office", "groups": [group], "password": PASSWORD}
    admin.ok("POST", "/api/auth/admin/users/", body)
    return signed_in(served, {"username": name.lower(), "password": PASSWORD})


def _prepared_by(admin: Caller) -> Any:
    for entity in ("lead", "service"):
        admin.ok("POST", f"/api/attributes/{entity}/", {"name": "phone", "label": "Phone", "type": "text"})
        level = {"name": "level", "label": "Level", "type": "list", "list_values": ["A1", "B1"]}
        admin.ok("POST", f"/api/attributes/{entity}/", level)
    stages = [{"name": name, "color": "#6c6f73"} for name in ("New", "Talking", "Won")]
    return admin.ok("POST", "/api/pipelines/", {"name": "Courses", "stages": stages})


def _lead_comes_in(sales: Caller, pipeline: Any) -> Any:
    attributes = {"phone": "98765 43210", "level": "C2"}
    body = {"name": "Potential Student", "pipeline": pipeline["id"], "attributes": attributes}
    status, refused = sales.call("POST", "/api/leads/", body)
    assert (status, list(refused["attributes"])) == (400, ["level"])
    body["attributes"] = {**attributes, "level": "B1"}
    lead = sales.ok("POST", "/api/leads/", body)
    assert (lead["stage"], lead["attributes"], lead["created_by_name"]) == ("New", body["attributes"], "Sara")
    return lead


def _is_worked_on(sales: Caller, lead: Any) -> None:
    url = f"/api/leads/{lead['id']}/"
    task = sales.ok("POST", f"{url}add-task/", {"task": "Call", "date": "2025-01-20"})["list_of_tasks"][0]
    sales.ok("POST", f"{url}update-task/", {"task_id": task["id"], "completed": True})
    shown = sales.ok("POST", f"{url}add-note/", {"note": "Wants evenings"})
    assert [(one["task"], one["completed"]) for one in shown["list_of_tasks"]] == [("Call", True)]
    assert [(one["note"], one["user_name"]) for one in shown["list_of_notes"]] == [("Wants evenings", "Sara")]
    assert sales.call("PATCH", url, {"stage": "Lost"})[0] == 400
    for stage in ("talking", "Won"):
        sales.ok("PATCH", url, {"stage": stage})
    assert [entry["stage"] for entry in sales.ok("GET", f"{url}stages/")] == ["New", "Talking", "Won"]


def _cohorts_of(operations: Caller) -> list[dict[str, str]]:
    """Two cohorts with an enrollment each, of the same pathway."""
    made = []
    for name in ("Spring", "Autumn"):
        cohort = operations.ok("POST", "/api/cohorts/", {"name_cohort": name})["id"]
        taught = {"cohort": cohort, "pathway_name": "English"}
        made.append({"cohort": cohort, "enrollment": operations.ok("POST", "/api/enrollments/", taught)["id"]})
    return made


def _is_converted(by: Caller, lead: Any, cohort: str) -> Any:
    url = f"/api/leads/{lead['id']}/convert/"
    tried = by.ok("POST", url, {"cohort": cohort, "dry_run": True})
    assert (tried["student"], tried["client"], tried["dry_run"]) == (None, None, True)
    assert by.ok("GET", "/api/services/") == by.ok("GET", "/api/clients/") == []
    done = by.ok("POST", url, {"cohort": cohort}, Idempotency_Key="convert-1")
    assert by.ok("POST", url, {"cohort": cohort}, Idempotency_Key="convert-1") == done
    assert by.call("POST", url, {}, Idempotency_Key="convert-1")[0] == 422
    again = by.ok("POST", url, {"cohort": cohort})
    assert again["student"] == done["student"], "also without the key a lead becomes one student"
    assert [len(by.ok("GET", f"/api/{kind}/")) for kind in ("clients", "services")] == [1, 1]
    shown = by.ok("GET", f"/api/leads/{lead['id']}/")
    assert (shown["converted_to"], shown["converted_seat"]) == (done["student"], done["enrollment_detail"])
    return done


def _is_transferred(teacher: Caller, operations: Caller, student: str, spring: Any, autumn: Any) -> None:
    wish = teacher.ok("POST", "/api/transfer-requests/", {"student": student, "cohort_request": "autumn"})
    assert (wish["status"], wish["target_cohort"]) == ("pending", autumn["cohort"])
    url = f"/api/transfer-requests/{wish['id']}/"
    assert teacher.call("POST", f"{url}approve/")[0] == 403
    approved = operations.ok("POST", f"{url}approve/")
    assert (approved["status"], approved["decided_by_name"]) == ("approved", "Otto")
    assert operations.call("POST", f"{url}approve/")[0] == 409
    seats = operations.ok("GET", f"/api/enrollment-details/?student={student}")
    assert {(seat["enrollment"], seat["status"]) for seat in seats} == {
        (spring["enrollment"], "transferred"),
        (autumn["enrollment"], "active"),
    }


def _the_histories_tell_it(admin: Caller, lead: Any, done: Any, spring: Any, autumn: Any) -> None:
    of_lead = list(reversed(admin.ok("GET", f"/api/leads/{lead['id']}/history/")))
    assert [event["type"] for event in of_lead] == ["lead.created", *["lead.updated"] * 6]
    assert [event["actor_name"] for event in of_lead] == ["Sara"] * 7
    assert [event["after"]["stage"] for event in of_lead if "stage" in event["after"]] == ["New", "Talking", "Won"]
    assert of_lead[-1]["after"]["converted_to"] == done["student"]
    assert [event["type"] for event in admin.ok("GET", f"/api/clients/{done['client']}/history/")] == ["client.created"]
    of_student = list(reversed(admin.ok("GET", f"/api/services/{done['student']}/history/")))
    assert [event["type"] for event in of_student] == ["service.created", "service.updated", "service.updated"]
    assert [event["after"]["actual_cohort"] for event in of_student[1:]] == [spring["cohort"], autumn["cohort"]]
    assert [event.get("after", {}).get("origin_cohort") for event in of_student[1:]] == [spring["cohort"], None]
