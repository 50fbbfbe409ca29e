"""/api/attributes/<entity>/ and /api/attributes/<uuid>/. Contract A §1."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.api.answers import CLIENT, FOLLOW_UP, LEAD, STUDENT
from tandem.academy.models import Attribute, Client
from tandem.academy.rules.attributes import CORE
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member

pytestmark = pytest.mark.django_db
URL = "/api/attributes/"


@pytest.fixture
def asha() -> Api:
    return as_("asha")


def define(asha: Api, entity: str = "client", **body: Any) -> dict[str, Any]:
    answer = asha.post(f"{URL}{entity}/", {"name": "industry", "label": "Industry", "type": "text", **body})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_it_works(asha: Api) -> None:
    body = {
        "name": "industry",
        "label": "Industry Sector",
        "type": "text",
        "is_required": True,
        "list_values": ["Tech", "Health", "Tech"],
    }
    answer = asha.post(f"{URL}client/", body)
    assert answer.status_code == 201, answer.content
    made = Attribute.objects.get()
    assert answer.json() == {
        "id": str(made.pk),
        "entity": "client",
        "name": "industry",
        "label": "Industry Sector",
        "type": "text",
        "is_required": True,
        "list_values": ["Tech", "Health"],
        "description": "",
        "order": 0,
        "created_at": moments.iso(made.created_at),
        "updated_at": moments.iso(made.updated_at),
    }
    assert asha.get(f"{URL}{made.pk}/").content == answer.content
    assert asha.get(f"{URL}client/").content == b"[" + answer.content + b"]"
    assert asha.get(f"{URL}service/").json() == []
    event = Event.objects.get()
    assert (event.type, event.subject_id) == ("attribute.created", str(made.pk))
    assert [row["type"] for row in asha.get(f"{URL}{made.pk}/history/").json()] == ["attribute.created"]


def test_both_spellings_of_follow_up_are_one_entity(asha: Api) -> None:
    made = define(asha, "followup", name="channel")
    assert made["entity"] == "follow_up"
    assert asha.get(f"{URL}follow_up/").json() == asha.get(f"{URL}followup/").json() == [made]


@pytest.mark.parametrize("entity", ["student", "visit", "Client", "8d7c2f5e-0000-4000-8000-000000000000"])
def test_another_name_is_not_found(asha: Api, entity: str) -> None:
    assert asha.get(f"{URL}{entity}/").status_code == 404
    assert asha.post(f"{URL}{entity}/", {"name": "x", "type": "text"}).status_code in (404, 405)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Industry", "type": "text"}, "name"),
        ({"name": "2nd", "type": "text"}, "name"),
        ({"name": "a-b", "type": "text"}, "name"),
        ({"name": "größe", "type": "text"}, "name"),
        ({"name": "", "type": "text"}, "name"),
        ({"type": "text"}, "name"),
        ({"name": "taken", "type": "text"}, "name"),
        ({"name": "created_by", "type": "text"}, "name"),
        ({"name": "list_of_tasks", "type": "text"}, "name"),
        ({"name": "size"}, "type"),
        ({"name": "size", "type": "colour"}, "type"),
        ({"name": "size", "type": "list"}, "list_values"),
        ({"name": "size", "type": "list", "list_values": []}, "list_values"),
        ({"name": "size", "type": "list", "list_values": ["S", ""]}, "list_values"),
        ({"name": "size", "type": "list", "list_values": "S, M"}, "list_values"),
        ({"name": "size", "type": "text", "order": "first"}, "order"),
    ],
)
def test_a_bad_definition_is_refused_by_field(asha: Api, body: dict[str, Any], field: str) -> None:
    define(asha, name="taken")
    answer = asha.post(f"{URL}client/", body)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert Attribute.objects.count() == 1


def test_a_name_is_unique_per_entity_only(asha: Api) -> None:
    define(asha)
    assert define(asha, "service")["name"] == "industry"
    assert define(asha, name="stage")["name"] == "stage", "a field of leads, not of clients"


def test_the_names_that_records_have_of_their_own_are_taken() -> None:
    for entity, answer in (("client", CLIENT), ("service", STUDENT), ("lead", LEAD), ("follow_up", FOLLOW_UP)):
        assert CORE[entity] == {key.name for key in [*answer.shown, *answer.computed]}


def test_they_come_in_their_order(asha: Api) -> None:
    for name, order in (("c", 2), ("a", 1), ("b", 1), ("d", 0)):
        define(asha, name=name, order=order)
    assert [row["name"] for row in asha.get(f"{URL}client/").json()] == ["d", "a", "b", "c"]
    first = asha.get(f"{URL}client/?limit=3")
    link = first.headers["Link"].removeprefix("<http://localhost").removesuffix('>; rel="next"')
    assert [row["name"] for row in asha.get(link).json()] == ["c"]


def test_changing_leaves_the_name_and_what_is_absent(asha: Api) -> None:
    made = define(asha, is_required=True, description="Where they earn")
    body = {**made, "name": "renamed", "label": "Industry Group", "list_values": None}
    del body["description"]
    shown = asha.put(f"{URL}{made['id']}/", body).json()
    assert shown == {**made, "label": "Industry Group", "updated_at": shown["updated_at"]}
    assert asha.patch(f"{URL}{made['id']}/", {"is_required": "false"}).json()["is_required"] is False
    last = Event.objects.latest("pk")
    assert (last.type, last.before, last.after) == (
        "attribute.updated",
        {"is_required": True},
        {"is_required": False},
    )


class TestInUse:
    @pytest.fixture
    def tier(self, asha: Api) -> dict[str, Any]:
        made = define(asha, name="tier", type="list", list_values=["gold", "silver", "tin"])
        for value in ("gold", ["gold", "silver"]):
            asha.post("/api/clients/", {"name": "A", "attributes": {"tier": value}})
        asha.post("/api/clients/", {"name": "None"})
        return made

    def test_the_type_stays_while_there_are_values(self, asha: Api, tier: dict[str, Any]) -> None:
        answer = asha.patch(f"{URL}{tier['id']}/", {"type": "text", "label": "Level"})
        assert answer.status_code == 409
        assert {"code": "attribute_in_use", "count": 2}.items() <= answer.json().items()
        assert asha.get(f"{URL}{tier['id']}/").json() == tier

    def test_values_of_deleted_records_count(self, asha: Api, tier: dict[str, Any]) -> None:
        Client.objects.update(deleted_at=moments.now())
        assert asha.patch(f"{URL}{tier['id']}/", {"type": "text"}).json()["count"] == 2

    def test_without_values_the_type_is_free(self, asha: Api, tier: dict[str, Any]) -> None:
        for client in asha.get("/api/clients/").json():
            asha.patch(f"/api/clients/{client['id']}/", {"attributes": {"tier": None}})
        assert asha.patch(f"{URL}{tier['id']}/", {"type": "number"}).json()["type"] == "number"

    @pytest.mark.parametrize(("left", "count"), [(["silver", "tin"], 2), (["gold", "tin"], 1)])
    def test_an_option_in_use_stays(self, asha: Api, tier: dict[str, Any], left: list[str], count: int) -> None:
        answer = asha.patch(f"{URL}{tier['id']}/", {"list_values": left})
        assert answer.status_code == 409
        assert {"code": "option_in_use", "count": count}.items() <= answer.json().items()
        assert asha.get(f"{URL}{tier['id']}/").json() == tier

    def test_an_unused_option_goes_and_the_order_is_free(self, asha: Api, tier: dict[str, Any]) -> None:
        answer = asha.patch(f"{URL}{tier['id']}/", {"list_values": ["silver", "gold"]})
        assert answer.json()["list_values"] == ["silver", "gold"]

    def test_a_list_keeps_options(self, asha: Api, tier: dict[str, Any]) -> None:
        assert list(asha.patch(f"{URL}{tier['id']}/", {"list_values": []}).json()) == ["list_values"]

    def test_deleting_hides_and_defining_again_brings_back(self, asha: Api, tier: dict[str, Any]) -> None:
        assert asha.delete(f"{URL}{tier['id']}/").status_code == 204
        assert asha.get(f"{URL}{tier['id']}/").status_code == 404
        assert asha.get(f"{URL}client/").json() == []
        assert [client["attributes"] for client in asha.get("/api/clients/").json()] == [{}, {}, {}]
        other_type = asha.post(f"{URL}client/", {"name": "tier", "type": "text"})
        assert (other_type.status_code, other_type.json()["code"]) == (409, "attribute_in_use")
        fewer = asha.post(f"{URL}client/", {"name": "tier", "type": "list", "list_values": ["gold"]})
        assert (fewer.status_code, fewer.json()["code"]) == (409, "option_in_use")
        back = define(asha, name="tier", type="list", label="Level", list_values=["gold", "silver"])
        assert (back["id"], back["label"], back["list_values"]) == (tier["id"], "Level", ["gold", "silver"])
        assert [client["attributes"] for client in asha.get("/api/clients/").json()] == [
            {},
            {"tier": ["gold", "silver"]},
            {"tier": "gold"},
        ]
        assert Event.objects.latest("pk").type == "attribute.restored"


def test_the_granted_change_and_others_look(asha: Api) -> None:
    made = define(asha)
    for group, looks in (("Sales", 200), ("Operations", 200), ("Management", 200), ("Instructors", 403)):
        api = member(group)
        assert api.get(f"{URL}client/").status_code == looks, group
        assert api.post(f"{URL}client/", {"name": "x", "type": "text"}).status_code == 403, group
        assert api.patch(f"{URL}{made['id']}/", {"label": "x"}).status_code == 403, group
        assert api.delete(f"{URL}{made['id']}/").status_code == 403, group
    granted = member("Sales", name="Granted", rights=["add_attribute"])
    assert granted.post(f"{URL}client/", {"name": "x", "type": "text"}).status_code == 201
