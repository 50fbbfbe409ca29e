"""/api/leads/. Contract A §5; CONTRACT §4 "Leads"."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Attribute, Lead, Pipeline, StageChange
from tandem.academy.tests.leads import client, lead, pipeline
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import PEOPLE, Api, as_, member, newcomer, person
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/leads/"


@pytest.fixture
def sales() -> Api:
    return member("Sales")


def attribute(name: str, type: str = "text", **other: Any) -> Attribute:
    now = moments.now()
    values = {"entity": "lead", "label": name.title(), "created_at": now, "updated_at": now}
    return Attribute.objects.create(name=name, type=type, **{**values, **other})


def test_it_works(sales: Api) -> None:
    attribute("source")
    acme, made_in = client(), pipeline("B2B Sales", "Prospecting Negotiation")
    omar = person("omar")
    body = {
        "name": "Potential Student",
        "responsible": str(omar.pk),
        "pipeline": str(made_in.pk),
        "stage": "prospecting",
        "possible_client": str(acme.pk),
        "moodle_course_id": 42,
        "attributes": {"source": "LinkedIn"},
        "list_of_tasks": [{"task": "Initial call", "date": "2025-01-20", "completed": False}],
        "converted_to": str(uuid.uuid4()),
        "created_by": omar.pk,
    }
    answer = sales.post(URL, body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    made = Lead.objects.get()
    me = {"user_id": made.created_by_id, "user_name": "One of Sales"}
    when = moments.iso(made.created_at)
    assert shown == {
        "id": str(made.pk),
        "name": "Potential Student",
        "responsible": omar.pk,
        "responsible_name": "Omar",
        "pipeline": str(made_in.pk),
        "pipeline_name": "B2B Sales",
        "stage": "Prospecting",
        "possible_client": str(acme.pk),
        "possible_client_name": "Acme Corp",
        "moodle_course_id": "42",
        "converted_to": None,
        "converted_seat": None,
        "attributes": {"source": "LinkedIn"},
        "list_of_tasks": [
            {
                "id": shown["list_of_tasks"][0]["id"],
                "task": "Initial call",
                "date": "2025-01-20",
                "completed": False,
                "date_created": when,
                **me,
            }
        ],
        "list_of_notes": [],
        "list_of_images": [],
        "created_by": made.created_by_id,
        "created_by_name": "One of Sales",
        "created_at": when,
        "updated_at": when,
    }
    event = Event.objects.get()
    assert (event.type, event.after["stage"]) == ("lead.created", "Prospecting")
    assert sales.get(f"{URL}{made.pk}/").content == answer.content, "a read answers what the write answered"
    assert sales.get(URL).content == b"[" + answer.content + b"]"


def test_a_name_is_enough(sales: Api) -> None:
    shown = sales.post(
        URL, {"name": "A", "responsible": "", "pipeline": "", "stage": "", "moodle_course_id": ""}
    ).json()
    empty = {"responsible", "responsible_name", "pipeline", "pipeline_name", "possible_client", "moodle_course_id"}
    assert (shown["stage"], {shown[key] for key in empty}) == ("Prospecting", {None})


class TestThePipelineByItsOtherName:
    """`pipeline_id`, as the filter is called too."""

    def test_it_is_taken_on_every_write(self, sales: Api) -> None:
        first, second = pipeline("P"), pipeline("Q", "One Two")
        made = sales.post(URL, {"name": "A", "pipeline_id": str(first.pk), "stage": "won"}).json()
        assert (made["pipeline"], made["stage"]) == (str(first.pk), "Won")
        for write in (sales.put, sales.patch):
            moved = write(f"{URL}{made['id']}/", {"pipeline_id": str(second.pk)}).json()
            assert (moved["pipeline"], moved["stage"]) == (str(second.pk), "One")
            write(f"{URL}{made['id']}/", {"pipeline_id": "", "pipeline": None})
            assert sales.get(f"{URL}{made['id']}/").json()["pipeline"] is None

    def test_what_is_no_pipeline_is_refused(self, sales: Api) -> None:
        assert list(sales.post(URL, {"name": "A", "pipeline_id": "-"}).json()) == ["pipeline_id"]
        assert list(sales.post(URL, {"name": "A", "pipeline_id": str(uuid.uuid4())}).json()) == ["pipeline"]

    def test_both_may_be_sent_when_they_agree(self, sales: Api) -> None:
        first, second = str(pipeline("P").pk), str(pipeline("Q").pk)
        assert sales.post(URL, {"name": "A", "pipeline": first, "pipeline_id": first.upper()}).status_code == 201
        one = lead()
        before = everything()
        for write, url in ((sales.post, URL), (sales.put, f"{URL}{one.pk}/"), (sales.patch, f"{URL}{one.pk}/")):
            for pipeline_id in (second, None):
                refused = write(url, {"name": "B", "pipeline": first, "pipeline_id": pipeline_id})
                assert (refused.status_code, list(refused.json())) == (400, ["pipeline_id"])
        assert everything() == before


class TestStages:
    def test_without_a_stage_it_is_the_first_of_the_pipeline(self, sales: Api) -> None:
        made_in = pipeline()
        assert sales.post(URL, {"name": "A", "pipeline": str(made_in.pk)}).json()["stage"] == "New"

    def test_without_a_pipeline_any_text_will_do(self, sales: Api) -> None:
        made = sales.post(URL, {"name": "A", "stage": "Moodle"}).json()
        assert made["stage"] == "Moodle"
        assert sales.patch(f"{URL}{made['id']}/", {"stage": "moodle!"}).json()["stage"] == "moodle!"

    def test_one_outside_of_the_pipeline_is_refused_with_those_inside(self, sales: Api) -> None:
        made_in = pipeline()
        due = {"stage": ['"Lost" is not a stage of this pipeline. Choose one of: New, Talking, Won.']}
        answer = sales.post(URL, {"name": "A", "pipeline": str(made_in.pk), "stage": "Lost"})
        assert (answer.status_code, answer.json()) == (400, due)
        one = lead(of=made_in, stage="New")
        before = everything()
        answer = sales.patch(f"{URL}{one.pk}/", {"name": "B", "stage": "Lost"})
        assert (answer.status_code, answer.json()) == (400, due)
        assert everything() == before

    def test_another_pipeline_without_a_stage_means_its_first(self, sales: Api) -> None:
        made_in, other = pipeline(), pipeline("Other", "Begin Won")
        one = lead(of=made_in, stage="Won")
        shown = sales.patch(f"{URL}{one.pk}/", {"pipeline": str(other.pk)}).json()
        assert (shown["pipeline"], shown["stage"]) == (str(other.pk), "Begin")
        shown = sales.patch(f"{URL}{one.pk}/", {"pipeline": str(made_in.pk), "stage": "WON"}).json()
        assert (shown["pipeline"], shown["stage"]) == (str(made_in.pk), "Won")
        shown = sales.patch(f"{URL}{one.pk}/", {"pipeline": None}).json()
        assert (shown["pipeline"], shown["stage"]) == (None, "Won")

    def test_the_same_pipeline_sent_back_moves_nothing(self, sales: Api) -> None:
        made_in = pipeline()
        one = lead(of=made_in, stage="Won")
        for body in ({"pipeline": str(made_in.pk)}, {"pipeline": str(made_in.pk), "stage": "won"}, {"stage": ""}):
            assert sales.patch(f"{URL}{one.pk}/", body).json()["stage"] == "Won"
        assert StageChange.objects.count() == 1
        assert not Event.objects.exists()

    def test_every_change_is_kept(self, sales: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        start = moments.now().replace(microsecond=0)
        made_in = pipeline()
        api = Api(newcomer("Sonia", role="admin"), scheme="Token")
        monkeypatch.setattr(moments, "now", lambda: start)
        one = api.post(URL, {"name": "A", "pipeline": str(made_in.pk)}).json()
        for seconds, stage in ((60, "Talking"), (100, "Talking"), (150, "Won")):
            monkeypatch.setattr(moments, "now", lambda seconds=seconds: start + timedelta(seconds=seconds))
            assert api.patch(f"{URL}{one['id']}/", {"stage": stage}).status_code == 200
        monkeypatch.setattr(moments, "now", lambda: start + timedelta(seconds=1150))
        me = {"by": one["created_by"], "by_name": "Sonia"}
        at = [moments.iso(start + timedelta(seconds=seconds)) for seconds in (0, 60, 150)]
        assert api.get(f"{URL}{one['id']}/stages/").json() == [
            {"stage": "New", "entered_at": at[0], "left_at": at[1], "seconds": 60, **me},
            {"stage": "Talking", "entered_at": at[1], "left_at": at[2], "seconds": 90, **me},
            {"stage": "Won", "entered_at": at[2], "left_at": None, "seconds": 1000, **me},
        ]

    def test_stages_of_another_lead_are_not_shown(self, sales: Api) -> None:
        one, two = lead("one", stage="A"), lead("two", stage="B")
        StageChange.objects.create(lead=one, stage="C", entered_at=moments.now())
        assert [row["stage"] for row in sales.get(f"{URL}{one.pk}/stages/").json()] == ["A", "C"]
        assert [row["stage"] for row in sales.get(f"{URL}{two.pk}/stages/").json()] == ["B"]
        assert sales.get(f"{URL}{uuid.uuid4()}/stages/").status_code == 404


class TestResponsible:
    @pytest.mark.parametrize(("name", "status"), [("asha", 201), ("omar", 201), ("chitra", 400), ("wasim", 400)])
    def test_only_the_office_is(self, sales: Api, name: str, status: int) -> None:
        answer = sales.post(URL, {"name": "A", "responsible": person(name).pk})
        assert answer.status_code == status
        if status == 400:
            assert answer.json() == {"responsible": ["Choose an active office user."]}

    def test_a_worker_in_a_group_is_of_the_office(self, sales: Api) -> None:
        member("Sales", name="Wren")
        wren = Lead.responsible.field.related_model.objects.get(name="Wren")
        wren.role = "worker"
        wren.save()
        assert sales.post(URL, {"name": "A", "responsible": wren.pk}).status_code == 201

    @pytest.mark.parametrize("value", [10**9, 0, -1, str(2**63), "abc", [1], {}])
    def test_nobody_is_refused(self, sales: Api, value: Any) -> None:
        answer = sales.post(URL, {"name": "A", "responsible": value})
        assert (answer.status_code, list(answer.json())) == (400, ["responsible"])

    def test_one_who_left_may_be_sent_back_but_not_chosen(self, sales: Api) -> None:
        omar = person("omar")
        one, two = lead("one", responsible=omar), lead("two")
        omar.is_active = False
        omar.save()
        assert sales.put(f"{URL}{one.pk}/", {"name": "B", "responsible": omar.pk}).status_code == 200
        assert sales.put(f"{URL}{two.pk}/", {"name": "B", "responsible": omar.pk}).status_code == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"pipeline": str(uuid.uuid4())}, "pipeline"),
        ({"pipeline": "-"}, "pipeline"),
        ({"pipeline": "deleted"}, "pipeline"),
        ({"possible_client": str(uuid.uuid4())}, "possible_client"),
        ({"possible_client": "x"}, "possible_client"),
        ({"stage": "S" * 101}, "stage"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"attributes": {"unheard_of": 1}}, "attributes"),
    ],
)
def test_bad_input_is_refused_by_field_and_changes_nothing(sales: Api, body: Any, field: str) -> None:
    one = lead(of=pipeline(), stage="New")
    if body.get("pipeline") == "deleted":
        gone = pipeline("Gone")
        Pipeline.objects.filter(pk=gone.pk).update(deleted_at=moments.now())
        body = {"pipeline": str(gone.pk)}
    before = everything()
    for answer in (sales.patch(f"{URL}{one.pk}/", body), sales.post(URL, {"name": "A", **body})):
        assert (answer.status_code, list(answer.json())) == (400, [field]), answer.content
    assert everything() == before


class TestLists:
    def test_filters(self, sales: Api) -> None:
        omar, acme, one, two = person("omar"), client(), pipeline("One"), pipeline("Two")
        attribute("size", "number")
        lead("Asha's", of=one, stage="New", responsible=omar)
        lead("Deep", of=two, stage="New", possible_client=acme)
        lead("Free", stage="moodle", attributes={"size": 3})

        def names(query: str) -> list[str]:
            answer = sales.get(f"{URL}?{query}")
            assert answer.status_code == 200, answer.content
            return sorted(row["name"] for row in answer.json())

        assert names("name=DEE") == names("search=dee") == ["Deep"]
        assert names(f"responsible={omar.pk}") == ["Asha's"]
        assert names("stage=NEW") == ["Asha's", "Deep"]
        assert names("stage=Moodle") == ["Free"]
        assert names(f"stage=new&pipeline={two.pk}") == names(f"pipeline_id={two.pk}") == ["Deep"]
        assert names(f"possible_client={acme.pk}") == ["Deep"]
        assert names("attributes.size=3") == ["Free"]
        assert names(f"pipeline={uuid.uuid4()}") == names("stage=ne") == []
        wrong = sales.get(f"{URL}?responsible=abc&pipeline=1&possible_client=x")
        assert (wrong.status_code, sorted(wrong.json())) == (400, ["pipeline", "possible_client", "responsible"])

    def test_it_costs_the_same_for_one_and_for_ten(self, sales: Api) -> None:
        counts, made_in = [], pipeline()
        for how_many in (1, 9):
            for n in range(how_many):
                sales.post(URL, {"name": str(n), "pipeline": str(made_in.pk), "list_of_tasks": [{"task": "x"}]})
            with CaptureQueriesContext(connection) as queries:
                sales.get(f"{URL}?stage=new&pipeline={made_in.pk}")
            counts.append(len(queries))
        assert counts == [3, 3], "who calls, whether they may, and the list"


class TestReassigning:
    def test_all_leads_of_one_person_go_to_another(self, sales: Api) -> None:
        asha, omar = person("asha"), person("omar")
        mine = [lead(str(n), responsible=omar) for n in range(3)]
        lead("hers", responsible=asha)
        lead("nobody's")
        lead("gone", responsible=omar, deleted_at=moments.now())
        answer = sales.post(f"{URL}reassign/", {"from_user": omar.pk, "to_user": str(asha.pk)})
        assert (answer.status_code, answer.json()) == (200, {"reassigned": 3})
        assert dict(Lead.objects.values_list("name", "responsible__name")) == {
            **dict.fromkeys(["0", "1", "2", "hers"], "Asha"),
            "nobody's": None,
            "gone": "Omar",
        }
        events = Event.objects.filter(type="lead.updated")
        assert {event.subject_id for event in events} == {str(one.pk) for one in mine}
        assert events[0].before == {"responsible": omar.pk}
        assert events[0].after == {"responsible": asha.pk}
        assert sales.post(f"{URL}reassign/", {"from_user": omar.pk, "to_user": asha.pk}).json() == {"reassigned": 0}

    def test_it_costs_the_same_for_one_and_for_ten(self, sales: Api) -> None:
        people, counts = (person("omar"), person("asha")), []
        for n, how_many in enumerate((1, 9)):
            for _ in range(how_many):
                lead(responsible=people[n])
            with CaptureQueriesContext(connection) as queries:
                done = sales.post(f"{URL}reassign/", {"from_user": people[n].pk, "to_user": people[1 - n].pk})
            assert done.json() == {"reassigned": (1, 10)[n]}
            counts.append(len(queries))
        assert counts[0] == counts[1]

    @pytest.mark.parametrize(
        ("from_user", "to_user", "field"),
        [
            ("omar", "omar", "to_user"),
            ("omar", "wasim", "to_user"),
            ("omar", 10**9, "to_user"),
            (10**9, "asha", "from_user"),
            (str(2**70), "asha", "from_user"),
            ("omar", None, "to_user"),
        ],
    )
    def test_it_refuses(self, sales: Api, from_user: Any, to_user: Any, field: str) -> None:
        lead(responsible=person("omar"))
        for name in ("asha", "wasim"):
            person(name)
        before = everything()
        body = {
            key: person(value).pk if value in PEOPLE else value
            for key, value in (("from_user", from_user), ("to_user", to_user))
        }
        answer = sales.post(f"{URL}reassign/", body)
        assert (answer.status_code, list(answer.json())) == (400, [field])
        assert everything() == before

    def test_it_needs_the_right_to_change_leads(self) -> None:
        assert member("Operations").post(f"{URL}reassign/", {}).status_code == 403


class TestRecords:
    def test_tasks_and_notes_one_at_a_time(self, sales: Api) -> None:
        one = lead()
        added = sales.post(f"{URL}{one.pk}/add-task/", {"task": "Call"}).json()["list_of_tasks"][0]
        body = {"task_id": added["id"], "completed": True}
        assert sales.post(f"{URL}{one.pk}/update-task/", body).json()["list_of_tasks"] == [{**added, "completed": True}]
        noted = sales.post(f"{URL}{one.pk}/add-note/", {"note": "Hello"}).json()["list_of_notes"][0]
        assert sales.post(f"{URL}{one.pk}/delete-note/", {"id": noted["id"]}).json()["list_of_notes"] == []

    def test_deleting_and_coming_back(self, sales: Api) -> None:
        one, asha = lead(of=pipeline(), stage="New"), as_("asha")
        shown = sales.get(f"{URL}{one.pk}/").json()
        assert sales.delete(f"{URL}{one.pk}/").status_code == 204
        assert sales.get(f"{URL}{one.pk}/").status_code == 404
        assert sales.get(f"{URL}{one.pk}/stages/").status_code == 404
        assert sales.get(URL).json() == []
        assert [row["id"] for row in asha.get(f"{URL}?deleted=true").json()] == [str(one.pk)]
        assert sales.get(f"{URL}?deleted=true").status_code == 403
        assert sales.post(f"{URL}{one.pk}/restore/").status_code == 403
        assert asha.post(f"{URL}{one.pk}/restore/").json() == shown
        types = [event["type"] for event in sales.get(f"{URL}{one.pk}/history/").json()]
        assert types == ["lead.restored", "lead.deleted"]

    def test_the_history_names_what_changed(self, sales: Api) -> None:
        made_in, omar = pipeline(), person("omar")
        one = lead(of=made_in, stage="New")
        sales.patch(f"{URL}{one.pk}/", {"stage": "Won", "responsible": omar.pk, "name": one.name})
        event = sales.get(f"{URL}{one.pk}/history/").json()[0]
        assert event["type"] == "lead.updated"
        assert event["before"] == {"stage": "New", "responsible": None}
        assert event["after"] == {"stage": "Won", "responsible": omar.pk}

    def test_an_older_version_is_not_written_over(self, sales: Api) -> None:
        made_in = pipeline()
        one = lead(of=made_in, stage="New")
        tag = sales.get(f"{URL}{one.pk}/").headers["ETag"]
        assert sales.patch(f"{URL}{one.pk}/", {"stage": "Won"}, If_Match=tag).status_code == 200
        assert sales.patch(f"{URL}{one.pk}/", {"stage": "New"}, If_Match=tag).status_code == 412
        assert sales.get(f"{URL}{one.pk}/").json()["stage"] == "Won"

    def test_permissions_by_group_and_verb(self) -> None:
        one = lead()
        for group in ("Operations", "Management"):
            api = member(group)
            assert api.get(f"{URL}{one.pk}/").status_code == 200
            assert api.post(URL, {"name": "A"}).status_code == 403
            assert api.patch(f"{URL}{one.pk}/", {"name": "A"}).status_code == 403
            assert api.delete(f"{URL}{one.pk}/").status_code == 403
        for api in (member("Instructors"), member("Teacher Assistant"), as_("chitra"), as_("wasim"), as_("omar")):
            assert api.get(URL).status_code == 403


def test_creating_takes_a_bounded_number_of_statements(sales: Api) -> None:
    for name in "abcde":
        attribute(name)
    made_in, omar, acme = pipeline(), person("omar"), client()
    body = {
        "name": "A",
        "pipeline": str(made_in.pk),
        "responsible": omar.pk,
        "possible_client": str(acme.pk),
        "attributes": {name: name for name in "abcde"},
    }
    with CaptureQueriesContext(connection) as queries:
        assert sales.post(URL, body).status_code == 201
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 12, "\n".join(
        query["sql"] for query in queries
    )
