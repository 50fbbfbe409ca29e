"""What users look like in answers: each declared once (see common/reading/answer.py)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db.models import OuterRef, Value
from django.db.models.functions import Coalesce

from tandem.accounts.models import Role, User
from tandem.accounts.rights import CODENAMES, contract_name
from tandem.common.reading.answer import Answer, Choice, Computed, Flag, Moment, Nested, Text, Whole

_GROUP = Answer("_GroupName", Group, [Text("name")])


def _groups_of_user() -> Any:
    return Group.objects.filter(user=OuterRef("pk")).order_by("name")


def _names(rows: list[dict[str, str]]) -> list[str]:
    return [row["name"] for row in rows]


# A username where there is none: docs/decisions/0001-skeleton.md.
USERNAME = Text("username", source=Coalesce("username", "phone", Value("")), example="ramesh")
USER = Answer(
    "User",
    User,
    [
        Whole("id", example=12),
        USERNAME,
        Text("name", example="Ramesh"),
        Text("phone", null=True, example="+919876543210"),
        Text("email"),
        Choice("role", options=Role.values, example="customer"),
        Text("region", example="rajapalayam"),
        Text("address", example="12 MG Road"),
        Text("city"),
        Text("postal_code"),
        Flag("is_active"),
        Moment("date_joined"),
    ],
    doc="A person. `username` shows the phone of who has no username.",
)
USER_DETAIL = USER.with_keys(
    "UserDetail",
    Computed(
        "groups",
        {"type": "array", "items": {"type": "string"}, "examples": [["Sales"]]},
        takes={"rows": Nested("rows", answer=_GROUP, rows=_groups_of_user)},
        compute=_names,
    ),
    doc="A person as admins see one: with the names of the groups.",
)

_TEXT = {"type": "string"}
_TOKEN = {"type": "string", "description": "Send it as `Authorization: Bearer <token>`."}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


DONE = _object(detail=_TEXT)
TOKENS = _object(access=_TOKEN, refresh=_TEXT)
SIGNED_IN_USER = _object(access=_TOKEN, refresh=_TEXT, user=USER.reference())
NEW_SESSION = _object(detail=_TEXT, access=_TOKEN, refresh=_TEXT)
KEY = _object(token={"type": "string", "pattern": "^[0-9a-f]{40}$"})
CONTEXT = _object(
    id={"type": "integer"},
    username=_TEXT,
    name=_TEXT,
    email=_TEXT,
    role={"type": "string", "enum": Role.values},
    groups={"type": "array", "items": _TEXT, "examples": [["Sales"]]},
    permissions={
        "type": "array",
        "items": {"type": "string", "enum": [contract_name(codename) for codename in CODENAMES]},
        "examples": [["app.add_lead", "app.view_client"]],
    },
    is_staff={"type": "boolean"},
    is_superuser={"type": "boolean"},
)
