"""null where a field has a default says as little as leaving it out. Contract §2, the rules marked [wire]."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tandem.academy.models import Attribute, Client
from tandem.academy.tests.api.test_files import made
from tandem.academy.tests.leads import lead, pipeline
from tandem.academy.tests.teaching import cohort, student
from tandem.common import moments
from tests.cast import Api, as_

pytestmark = pytest.mark.django_db


@pytest.fixture
def asha() -> Api:
    return as_("asha")


@pytest.mark.parametrize("nothing", [None, ""])
class TestATaskThatIsNotSaidToBeDone:
    def test_is_open(self, asha: Api, nothing: Any) -> None:
        url, _ = made("clients")
        added = asha.post(f"{url}add-task/", {"task": "Call", "completed": nothing})
        assert added.status_code == 200, added.content
        body = {"name": "B", "list_of_tasks": [{"task": "Call", "completed": nothing}]}
        for answer in (added, asha.post("/api/clients/", body), asha.put(url, body)):
            assert [task["completed"] for task in answer.json()["list_of_tasks"]] == [False]

    def test_is_opened_again(self, asha: Api, nothing: Any) -> None:
        url, _ = made("clients")
        task = asha.post(f"{url}add-task/", {"task": "Call", "completed": True}).json()["list_of_tasks"][0]
        answer = asha.post(f"{url}update-task/", {"task_id": task["id"], "completed": nothing})
        assert answer.json()["list_of_tasks"] == [{**task, "completed": False}]


class TestAStage:
    def test_keeps_its_name_and_colour(self, asha: Api) -> None:
        made = asha.post("/api/pipelines/", {"name": "P", "stages": [{"name": "New", "color": None}]})
        assert made.status_code == 201, made.content
        assert made.json()["stages"][0]["color"] == ""
        stored = pipeline(stages="New")
        stage = asha.get(f"/api/pipelines/{stored.pk}/").json()["stages"][0]
        body = {"stages": [{**stage, "name": None, "color": None, "order": None}]}
        assert asha.patch(f"/api/pipelines/{stored.pk}/", body).json()["stages"] == [stage]

    def test_loses_its_colour_when_the_text_is_empty(self, asha: Api) -> None:
        stored = pipeline(stages="New")
        body = {"stages": [{"name": "New", "color": ""}]}
        assert asha.patch(f"/api/pipelines/{stored.pk}/", body).json()["stages"][0]["color"] == ""


class TestAFollowUp:
    def test_keeps_its_comment(self, asha: Api) -> None:
        url = f"{made('services')[0]}follow-ups/"
        noted = asha.post(url, {"comment": None})
        assert (noted.status_code, noted.json()["comment"]) == (201, "")
        one = f"{url}{noted.json()['id']}/"
        asha.patch(one, {"comment": "Called"})
        assert asha.put(one, {"comment": None}).json()["comment"] == "Called"
        assert asha.put(one, {"comment": ""}).json()["comment"] == ""


class TestATransfer:
    def test_takes_its_name_from_the_target(self, asha: Api) -> None:
        winter, spring = cohort(), cohort("Spring 2026")
        body = {"student": str(student().pk), "cohort_request": None, "target_cohort": str(winter.pk)}
        asked = asha.post("/api/transfer-requests/", body)
        assert (asked.status_code, asked.json()["cohort_request"]) == (201, "Winter 2026"), asked.content
        url = f"/api/transfer-requests/{asked.json()['id']}/"
        body |= {"status": None, "target_cohort": str(spring.pk)}
        for answer in (asha.patch(url, {"cohort_request": None, "status": None}), asha.put(url, body)):
            assert (answer.status_code, answer.json()["cohort_request"]) == (200, "Winter 2026"), answer.content
        assert (answer.json()["target_cohort"], answer.json()["status"]) == (str(spring.pk), "pending")

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_is_rejected_without_a_reason(self, asha: Api, nothing: Any) -> None:
        asked = asha.post("/api/transfer-requests/", {"student": str(student().pk), "cohort_request": "Winter"}).json()
        answer = asha.post(f"/api/transfer-requests/{asked['id']}/reject/", {"reason": nothing})
        assert (answer.status_code, answer.json()["reason"]) == (200, ""), answer.content


class TestAnAttribute:
    NOTHING = {"label": None, "description": None, "order": None, "is_required": None, "list_values": None}
    EMPTY = {"label": "", "description": "", "order": "", "is_required": "", "list_values": ""}

    @pytest.mark.parametrize("nothing", [NOTHING, EMPTY], ids=["null", "empty"])
    def test_gets_its_defaults(self, asha: Api, nothing: dict[str, Any]) -> None:
        answer = asha.post("/api/attributes/client/", {"name": "size", "type": "text", **nothing})
        assert answer.status_code == 201, answer.content
        shown = answer.json()
        assert {key: shown[key] for key in nothing} == {
            "label": "size",
            "description": "",
            "order": 0,
            "is_required": False,
            "list_values": [],
        }

    def test_keeps_what_it_has(self, asha: Api) -> None:
        now = moments.now()
        own = {"label": "How many", "description": "People", "order": 3, "is_required": True}
        one = Attribute.objects.create(entity="client", name="size", type="text", created_at=now, updated_at=now, **own)
        answer = asha.patch(f"/api/attributes/{one.pk}/", dict.fromkeys(own))
        assert answer.status_code == 200, answer.content
        assert {key: answer.json()[key] for key in own} == own


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_conversion_is_no_trial(asha: Api, nothing: Any) -> None:
    answer = asha.post(f"/api/leads/{lead().pk}/convert/", {"dry_run": nothing})
    assert (answer.status_code, answer.json()["dry_run"], Client.objects.count()) == (200, False, 1)


def test_an_import_is_no_trial(asha: Api) -> None:
    table = SimpleUploadedFile("t.csv", io.BytesIO(b"name\nAcme\n").read())
    fields = {"file": table, "mapping": "", "dry_run": "", "partial": ""}
    answer = asha.upload("/api/clients/import/", fields)
    assert (answer.status_code, answer.json()["created"]) == (200, 1), answer.content
