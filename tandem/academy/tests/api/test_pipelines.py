"""/api/pipelines/. Contract A §4; CONTRACT §4 "Pipelines"."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Lead, Pipeline, Stage, StageChange
from tandem.academy.tests.leads import lead, pipeline
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/pipelines/"


@pytest.fixture
def asha() -> Api:
    return as_("asha")


def names(shown: dict[str, Any]) -> list[str]:
    return [stage["name"] for stage in shown["stages"]]


def stages_of(of: Pipeline) -> dict[str, str]:
    """name → id"""
    return {stage.name: str(stage.pk) for stage in Stage.objects.filter(pipeline=of).order_by("position")}


def test_it_works(asha: Api) -> None:
    body = {
        "name": "B2B Sales",
        "description": "Main sales process",
        "stages": [
            {"name": "Prospecting", "color": "#6c6f73", "order": 1},
            {"name": "Negotiation", "color": "#007bff", "order": 2},
        ],
    }
    answer = asha.post(URL, body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    made = Pipeline.objects.get()
    ids = stages_of(made)
    assert shown == {
        "id": str(made.pk),
        "name": "B2B Sales",
        "description": "Main sales process",
        "stages": [
            {"id": ids["Prospecting"], "name": "Prospecting", "color": "#6c6f73", "order": 1},
            {"id": ids["Negotiation"], "name": "Negotiation", "color": "#007bff", "order": 2},
        ],
        "created_by": made.created_by_id,
        "created_by_name": "Asha",
        "created_at": moments.iso(made.created_at),
        "updated_at": moments.iso(made.updated_at),
    }
    assert asha.get(f"{URL}{made.pk}/").content == answer.content
    assert asha.get(URL).content == b"[" + answer.content + b"]"
    assert [event.type for event in Event.objects.all()] == ["pipeline.created"]


def test_the_order_decides_where_it_is_given_and_the_place_where_not(asha: Api) -> None:
    sent = [{"name": "Last", "order": "30"}, {"name": "First", "order": 10}]
    assert names(asha.post(URL, {"name": "A", "stages": sent}).json()) == ["First", "Last"]
    assert names(asha.post(URL, {"name": "B", "stages": [{"name": "One"}, {"name": "Two"}]}).json()) == ["One", "Two"]
    assert asha.post(URL, {"name": "C"}).json()["stages"] == []


def test_absent_fields_stay_and_ids_are_stable(asha: Api) -> None:
    made = pipeline()
    ids = stages_of(made)
    shown = asha.put(f"{URL}{made.pk}/", {"name": "B2B Sales V2"}).json()
    assert (shown["name"], names(shown)) == ("B2B Sales V2", ["New", "Talking", "Won"])
    sent = [{"name": "won"}, {"id": ids["New"]}, {"name": "Fresh"}, {"id": ids["Talking"], "color": "#fff"}]
    shown = asha.patch(f"{URL}{made.pk}/", {"stages": sent}).json()
    assert [(stage["id"], stage["name"], stage["color"], stage["order"]) for stage in shown["stages"]] == [
        (ids["Won"], "won", "#111111", 1),
        (ids["New"], "New", "#111111", 2),
        (stages_of(made)["Fresh"], "Fresh", "", 3),
        (ids["Talking"], "Talking", "#fff", 4),
    ]


class TestRenaming:
    def test_a_rename_takes_the_leads_along_each_with_its_event(self, asha: Api) -> None:
        made, other = pipeline(), pipeline("Other", "New")
        ids = stages_of(made)
        inside = [lead(str(n), of=made, stage="New") for n in range(3)]
        elsewhere = [lead("a", of=made, stage="Won"), lead("b", of=other, stage="New"), lead("c", stage="New")]
        sent = [{"id": ids["New"], "name": "Fresh"}, {"id": ids["Talking"]}, {"id": ids["Won"]}]
        assert asha.patch(f"{URL}{made.pk}/", {"stages": sent}).status_code == 200
        assert set(Lead.objects.filter(pk__in=[one.pk for one in inside]).values_list("stage", flat=True)) == {"Fresh"}
        after = Lead.objects.filter(pk__in=[one.pk for one in elsewhere]).order_by("name")
        assert list(after.values_list("stage", flat=True)) == ["Won", "New", "New"]
        events = Event.objects.filter(type="lead.updated")
        assert {event.subject_id for event in events} == {str(one.pk) for one in inside}
        assert {(str(event.before), str(event.after)) for event in events} == {
            ("{'stage': 'New'}", "{'stage': 'Fresh'}")
        }
        history = asha.get(f"/api/leads/{inside[0].pk}/stages/").json()
        assert [row["stage"] for row in history] == ["Fresh"], "it stands where it stood, under another name"

    def test_two_names_are_swapped(self, asha: Api) -> None:
        made = pipeline()
        ids = stages_of(made)
        lead("one", of=made, stage="New")
        lead("two", of=made, stage="Talking")
        sent = [{"id": ids["New"], "name": "Talking"}, {"id": ids["Talking"], "name": "New"}, {"id": ids["Won"]}]
        shown = asha.patch(f"{URL}{made.pk}/", {"stages": sent}).json()
        assert names(shown) == ["Talking", "New", "Won"]
        assert [stage["id"] for stage in shown["stages"]] == list(ids.values())
        assert dict(Lead.objects.values_list("name", "stage")) == {"one": "Talking", "two": "New"}

    def test_only_the_case_changes(self, asha: Api) -> None:
        made = pipeline()
        one = lead(of=made, stage="New")
        shown = asha.patch(f"{URL}{made.pk}/", {"stages": [{"name": "NEW"}, {"name": "Talking"}, {"name": "Won"}]})
        assert names(shown.json()) == ["NEW", "Talking", "Won"]
        one.refresh_from_db()
        assert one.stage == "NEW"

    def test_an_old_name_can_be_used_again_at_once(self, asha: Api) -> None:
        made = pipeline()
        ids = stages_of(made)
        lead("one", of=made, stage="New")
        sent = [{"name": "New"}, {"id": ids["New"], "name": "Talking"}, {"name": "Won"}]
        shown = asha.patch(f"{URL}{made.pk}/", {"stages": sent}).json()
        assert names(shown) == ["New", "Talking", "Won"]
        assert shown["stages"][1]["id"] == ids["New"]
        assert shown["stages"][0]["id"] not in ids.values()
        assert Lead.objects.get().stage == "Talking"

    def test_a_deleted_lead_is_renamed_unheard(self, asha: Api) -> None:
        made = pipeline()
        gone = lead(of=made, stage="New", deleted_at=moments.now())
        sent = [{"id": stages_of(made)["New"], "name": "Fresh"}]
        assert asha.patch(f"{URL}{made.pk}/", {"stages": sent}).status_code == 200
        assert not Event.objects.filter(type="lead.updated").exists()
        assert asha.post(f"/api/leads/{gone.pk}/restore/").json()["stage"] == "Fresh"

    def test_it_costs_the_same_for_one_lead_and_for_ten(self, asha: Api) -> None:
        made = pipeline()
        counts = []
        for old, new, how_many in (("New", "Fresh", 1), ("Fresh", "Newer", 10)):
            for n in range(how_many):
                lead(str(n), of=made, stage=old)
            with CaptureQueriesContext(connection) as queries:
                sent = [{"id": stages_of(made)[old], "name": new}, {"name": "Talking"}, {"name": "Won"}]
                assert asha.patch(f"{URL}{made.pk}/", {"stages": sent}).status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert set(Lead.objects.values_list("stage", flat=True)) == {"Newer"}


class TestRemoving:
    def test_a_stage_with_leads_stays(self, asha: Api) -> None:
        made = pipeline()
        ids = stages_of(made)
        for stage in ("New", "New", "Talking"):
            lead(of=made, stage=stage)
        lead(of=made, stage="Talking", deleted_at=moments.now())
        before = everything()
        answer = asha.put(f"{URL}{made.pk}/", {"name": "Other", "stages": [{"name": "Won"}]})
        assert answer.status_code == 409
        assert answer.json() == {
            "detail": "Leads stand in a stage that would go. Say in `stage_moves` which stage they go to.",
            "code": "stage_in_use",
            "stages": [
                {"id": ids["New"], "name": "New", "lead_count": 2},
                {"id": ids["Talking"], "name": "Talking", "lead_count": 1},
            ],
        }
        assert everything() == before
        half = asha.put(f"{URL}{made.pk}/", {"stages": [{"name": "Won"}], "stage_moves": {"New": "Won"}})
        assert [stage["name"] for stage in half.json()["stages"]] == ["Talking"], "only those that have no way out"

    def test_stage_moves_say_where_the_leads_go(self, asha: Api) -> None:
        made = pipeline()
        one, two = lead("one", of=made, stage="New"), lead("two", of=made, stage="Talking")
        body = {"stages": [{"name": "Fresh"}, {"name": "Won"}], "stage_moves": {"new": "fresh", "Talking": "Won"}}
        shown = asha.put(f"{URL}{made.pk}/", body)
        assert (shown.status_code, names(shown.json())) == (200, ["Fresh", "Won"])
        assert dict(Lead.objects.values_list("name", "stage")) == {"one": "Fresh", "two": "Won"}
        history = asha.get(f"/api/leads/{one.pk}/stages/").json()
        assert [(row["stage"], row["by_name"]) for row in history] == [("New", None), ("Fresh", "Asha")]
        assert history[0]["left_at"] == history[1]["entered_at"]
        assert StageChange.objects.filter(lead=two).count() == 2

    def test_a_stage_without_leads_goes(self, asha: Api) -> None:
        made = pipeline()
        lead(of=made, stage="Won")
        assert names(asha.put(f"{URL}{made.pk}/", {"stages": [{"name": "Won"}]}).json()) == ["Won"]

    def test_a_lead_whose_stage_went_while_it_was_deleted_comes_back_into_the_first(self, asha: Api) -> None:
        made = pipeline()
        gone = lead(of=made, stage="New", deleted_at=moments.now())
        asha.put(f"{URL}{made.pk}/", {"stages": [{"name": "Talking"}, {"name": "Won"}]})
        assert asha.post(f"/api/leads/{gone.pk}/restore/").json()["stage"] == "Talking"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"stages": [{"name": "A"}, {"name": "a"}]}, "stages"),
        ({"stages": [{"name": ""}]}, "stages"),
        ({"stages": [{"color": "#fff"}]}, "stages"),
        ({"stages": [{"name": "A", "order": "first"}]}, "stages"),
        ({"stages": [{"name": "A", "order": 2**45}]}, "stages"),
        ({"stages": [{"name": "A" * 101}]}, "stages"),
        ({"stages": ["New"]}, "stages"),
        ({"stages": "New"}, "stages"),
        ({"stages": [{"name": "Won"}], "stage_moves": {"New": "Lost"}}, "stage_moves"),
        ({"stage_moves": "New"}, "stage_moves"),
        ({"name": ""}, "name"),
    ],
)
def test_bad_input_is_refused_by_field_and_changes_nothing(asha: Api, body: Any, field: str) -> None:
    made = pipeline()
    before = everything()
    answer = asha.patch(f"{URL}{made.pk}/", body)
    assert (answer.status_code, list(answer.json())) == (400, [field]), answer.content
    assert everything() == before


class TestDeleting:
    def test_an_empty_one_goes_and_comes_back(self, asha: Api) -> None:
        made = pipeline()
        lead(of=made, stage="New", deleted_at=moments.now())
        assert asha.delete(f"{URL}{made.pk}/").status_code == 204
        assert asha.get(f"{URL}{made.pk}/").status_code == 404
        assert asha.get(URL).json() == []
        assert [row["id"] for row in asha.get(f"{URL}?deleted=true").json()] == [str(made.pk)]
        assert names(asha.post(f"{URL}{made.pk}/restore/").json()) == ["New", "Talking", "Won"]
        types = [event["type"] for event in asha.get(f"{URL}{made.pk}/history/").json()]
        assert types == ["pipeline.restored", "pipeline.deleted"]

    def test_one_with_leads_stays(self, asha: Api) -> None:
        made = pipeline()
        for _ in range(2):
            lead(of=made, stage="New")
        before = everything()
        answer = asha.delete(f"{URL}{made.pk}/")
        assert (answer.status_code, answer.json()["code"], answer.json()["count"]) == (409, "has_leads", 2)
        assert everything() == before

    def test_move_to_takes_the_leads_to_the_same_stage_or_the_first(self, asha: Api) -> None:
        made, target = pipeline(), pipeline("Target", "Start WON")
        one, two = lead("one", of=made, stage="Won"), lead("two", of=made, stage="New")
        assert asha.delete(f"{URL}{made.pk}/?move_to={target.pk}").status_code == 204
        moved = {row.name: (row.pipeline_id, row.stage) for row in Lead.objects.all()}
        assert moved == {"one": (target.pk, "WON"), "two": (target.pk, "Start")}
        event = Event.objects.get(type="lead.updated", subject_id=str(two.pk))
        assert event.before == {"stage": "New", "pipeline": str(made.pk)}
        assert event.after == {"stage": "Start", "pipeline": str(target.pk)}
        assert len(asha.get(f"/api/leads/{one.pk}/stages/").json()) == 2

    def test_a_question_mark_before_move_to_does_no_harm(self, asha: Api) -> None:
        made, target = pipeline(), pipeline("Target", "Start")
        one = lead(of=made, stage="New")
        assert asha.delete(f"{URL}{made.pk}/?%3Fmove_to={target.pk}").status_code == 204
        assert Lead.objects.get(pk=one.pk).pipeline_id == target.pk

    @pytest.mark.parametrize("target", ["itself", "missing", "deleted", "-"])
    def test_it_moves_leads_only_to_another_live_pipeline(self, asha: Api, target: str) -> None:
        made, gone = pipeline(), pipeline("Gone")
        Pipeline.objects.filter(pk=gone.pk).update(deleted_at=moments.now())
        lead(of=made, stage="New")
        before = everything()
        pk = {"itself": made.pk, "missing": uuid.uuid4(), "deleted": gone.pk}.get(target, target)
        answer = asha.delete(f"{URL}{made.pk}/?move_to={pk}")
        assert (answer.status_code, list(answer.json())) == (400, ["move_to"])
        assert everything() == before

    def test_a_lead_of_a_deleted_pipeline_waits_for_it(self, asha: Api) -> None:
        made = pipeline()
        gone = lead(of=made, stage="New", deleted_at=moments.now())
        asha.delete(f"{URL}{made.pk}/")
        refused = asha.post(f"/api/leads/{gone.pk}/restore/")
        assert (refused.status_code, refused.json()["code"]) == (409, "pipeline_deleted")
        asha.post(f"{URL}{made.pk}/restore/")
        assert asha.post(f"/api/leads/{gone.pk}/restore/").status_code == 200


def test_an_editor_who_read_an_older_version_is_told_so(asha: Api) -> None:
    made = pipeline()
    tag = asha.get(f"{URL}{made.pk}/").headers["ETag"]
    assert asha.patch(f"{URL}{made.pk}/", {"stages": [{"name": "Won"}]}, If_Match=tag).status_code == 200
    assert asha.patch(f"{URL}{made.pk}/", {"stages": [{"name": "New"}]}, If_Match=tag).status_code == 412
    assert names(asha.get(f"{URL}{made.pk}/").json()) == ["Won"]


def test_the_same_again_changes_and_tells_nothing(asha: Api) -> None:
    made = pipeline()
    shown = asha.get(f"{URL}{made.pk}/").json()
    before = everything()
    assert asha.put(f"{URL}{made.pk}/", shown).json() == shown
    assert everything() == before


def test_permissions_by_group_and_verb() -> None:
    made = pipeline()
    for group in ("Sales", "Operations", "Management"):
        api = member(group)
        assert api.get(URL).status_code == 200
        assert api.post(URL, {"name": "A"}).status_code == 403
        assert api.patch(f"{URL}{made.pk}/", {"name": "A"}).status_code == 403
        assert api.delete(f"{URL}{made.pk}/").status_code == 403
    assert member("Instructors").get(URL).status_code == 403
    assert as_("chitra").get(URL).status_code == 403


def test_a_list_costs_the_same_for_one_and_for_ten(asha: Api) -> None:
    counts = []
    for how_many in (1, 9):
        for n in range(how_many):
            pipeline(str(n))
        with CaptureQueriesContext(connection) as queries:
            asha.get(URL)
        counts.append(len(queries))
    assert counts == [2, 2], "who calls, and the list"
