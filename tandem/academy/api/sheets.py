"""Records as tables: what the columns of clients, students and leads are, both ways.

An export shows the keys of the API's answer, each attribute in a column of its own, and names beside ids. An import
takes the same columns, in any order and number. An id or a name is enough; where both are given they must agree, so
that nobody changes one of them and wonders why nothing happened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from rest_framework.exceptions import ValidationError

from tandem.academy.actions.clients import change_client, create_client
from tandem.academy.actions.leads import change_lead, create_lead
from tandem.academy.actions.students import change_student, create_student
from tandem.academy.api import clients, leads, students
from tandem.academy.api.inputs import DescribedIn
from tandem.academy.api.records import Resource
from tandem.academy.models import Attribute, Client, Entity, Pipeline
from tandem.academy.rules.columns import PREFIX, Column, attribute_columns, cell_of, value_of
from tandem.accounts.models import User
from tandem.common.errors import Invalid, Refusal
from tandem.common.reading.answer import Answer, Text
from tandem.common.reading.listing import Listing

_ITEMS = ("list_of_tasks", "list_of_notes")
_NOT_IN_A_TABLE = ("attributes", "list_of_images")  # the first has its own columns; links expire


@dataclass(frozen=True)
class Named:
    """A foreign key that a table may give by name. find: the ids (as text) of whatever has this name."""

    key: str
    by: str
    find: Callable[[str], list[str]]
    what: str


@dataclass(frozen=True)
class Kind:
    """One kind of record as rows of a table."""

    resource: Resource
    listing: Listing
    form: type[DescribedIn]
    create: Callable[..., Any]
    change: Callable[..., Any]
    named: Sequence[Named] = ()
    extra: Sequence[str] = field(default_factory=tuple)  # keys that an import takes beside those of the form

    @property
    def plural(self) -> str:
        return {Entity.CLIENT: "clients", Entity.STUDENT: "services", Entity.LEAD: "leads"}[self.resource.entity]

    def columns(self) -> list[Column]:
        """All columns, in the order of an export. One query."""
        answer = self.listing.answer
        taken = {"id", *self.form().fields, *(named.by for named in self.named)}
        keys = [key.name for key in answer.shown if key.name not in _NOT_IN_A_TABLE]
        own = [Column(key, is_shown_only=key not in taken) for key in keys if key not in _ITEMS]
        live = Attribute.objects.filter(entity=self.resource.entity, deleted_at=None)
        defined = live.order_by("order", "created_at", "id").values_list("name", "label", "type")
        at = next((n for n, column in enumerate(own) if column.key == "created_by"), len(own))
        items = [Column(key) for key in _ITEMS]
        return [*own[:at], *attribute_columns(list(defined)), *items, *own[at:]]


def cells(record: Mapping[str, Any], columns: Iterable[Column]) -> list[Any]:
    """A record, as the API shows it, as a row of a table."""
    return [_cell(record, column) for column in columns]


def _cell(record: Mapping[str, Any], column: Column) -> Any:
    if column.key.startswith(PREFIX):
        return cell_of(column.type, record["attributes"].get(column.key.removeprefix(PREFIX)))
    value = record[column.key]
    if column.key in _ITEMS:
        return json.dumps(value, ensure_ascii=False) if value else None
    return value


class Rows:
    """Takes the rows of a table one by one, each through the same check and action as a request of the API.

    at: position in the row → column. may_change: whether rows that name an existing record by `id` may change it.
    """

    def __init__(self, kind: Kind, at: Mapping[int, Column], *, by: User, may_change: bool, now: datetime) -> None:
        self._kind, self._at, self._by, self._may_change, self._now = kind, at, by, may_change, now
        self._found: dict[tuple[str, str], list[str]] = {}

    def take(self, row: Sequence[Any]) -> str:
        """Create or change a record; gives "created" or "updated". Raises Refusal and ValidationError."""
        body = self._body(row)
        existing = self._existing(body.pop("id", None))
        for named in self._kind.named:
            self._resolve(named, body)
        if existing is None:
            for items in _ITEMS:  # ids of items belong to the record that they were exported from
                if isinstance(body.get(items), list):
                    body[items] = [{**item, "id": None} if isinstance(item, dict) else item for item in body[items]]
        form = self._kind.form(data=body, partial=existing is not None)
        form.is_valid(raise_exception=True)
        if existing is None:
            self._kind.create(form.validated_data, by=self._by, now=self._now)
            return "created"
        if not self._may_change:
            raise Invalid.on("id", "You may create records, but not change this one.")
        self._kind.change(existing, form.validated_data, by=self._by, now=self._now)
        return "updated"

    def _body(self, row: Sequence[Any]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        for position, column in self._at.items():
            cell = row[position] if position < len(row) else ""
            if column.key.startswith(PREFIX):
                attributes[column.key.removeprefix(PREFIX)] = value_of(column.type, cell)
            elif column.key in _ITEMS:
                body[column.key] = _items(column.key, cell)
            else:
                body[column.key] = None if cell == "" else cell
        if attributes:
            body["attributes"] = attributes
        return body

    def _existing(self, pk: Any) -> Any:
        """The record that an id names; None when there is none, and then a new one is made. One query."""
        if pk is None:
            return None
        try:
            key = UUID(str(pk).strip())
        except ValueError:
            raise Invalid.on("id", "Must be a valid UUID.") from None
        found = self._kind.resource.model._default_manager.filter(pk=key).first()
        if found is not None and found.deleted_at is not None:
            raise Invalid.on("id", "This record is deleted. Restore it first, or leave the id out.")
        return found

    def _resolve(self, named: Named, body: dict[str, Any]) -> None:
        """Put an id in the place of a name. One query for each name that was not met before."""
        if named.by not in body:
            return
        name = str(body.pop(named.by) or "").strip()
        if not name:
            body.setdefault(named.key, None)
            return
        if (named.by, name) not in self._found:
            self._found[named.by, name] = named.find(name)
        found = self._found[named.by, name]
        given = body.get(named.key)
        if given is not None:
            if str(given).strip().lower() not in found:
                raise Invalid.on(named.key, f"`{named.key}` and `{named.by}` name different {named.what}. Clear one.")
        elif len(found) == 1:
            body[named.key] = found[0]
        elif found:
            raise Invalid.on(named.by, f"{len(found)} {named.what} have this name. Give the id in `{named.key}`.")
        else:
            raise Invalid.on(named.by, f"There are no {named.what} of this name.")


def _items(key: str, cell: Any) -> Any:
    if cell == "":
        return []
    try:
        return json.loads(str(cell))
    except (ValueError, RecursionError):
        raise Invalid.on(key, "Expected a JSON list, as an export shows it.") from None


def errors_of(error: Exception) -> dict[str, Any]:
    """What is wrong with a row, by column."""
    if isinstance(error, ValidationError):
        return dict(error.detail) if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
    assert isinstance(error, Refusal)
    return error.body() if isinstance(error, Invalid) else {"non_field_errors": [error.message]}


def _people(username: str) -> list[str]:
    return [str(pk) for pk in User.objects.named(username).values_list("pk", flat=True)]


def _clients(name: str) -> list[str]:
    return [str(pk) for pk in Client.objects.live().filter(name=name).order_by("pk").values_list("pk", flat=True)]


def _pipelines(name: str) -> list[str]:
    rows = Pipeline.objects.live().filter(name__iexact=name).order_by("pk")
    return [str(pk) for pk in rows.values_list("pk", flat=True)]


def _listing(listing: Listing, name: str, *keys: Text) -> Listing:
    """The list of the API, with further keys in its rows."""
    answer: Answer = listing.answer.with_keys(name, *keys) if keys else listing.answer
    return Listing(answer, listing.rows, listing.filters, listing.orders)


CLIENTS = Kind(clients.RESOURCE, clients.CLIENTS, clients.ClientIn, create_client, change_client)
STUDENTS = Kind(
    students.RESOURCE,
    students.STUDENTS,
    students.StudentIn,
    create_student,
    change_student,
    named=[Named("client", "client_name", _clients, "clients")],
)
LEADS = Kind(
    leads.RESOURCE,
    _listing(leads.LEADS, "_LeadRow", Text("responsible_username", source="responsible__username", null=True)),
    leads.LeadIn,
    create_lead,
    change_lead,
    named=[
        Named("responsible", "responsible_username", _people, "users"),
        Named("pipeline", "pipeline_name", _pipelines, "pipelines"),
        Named("possible_client", "possible_client_name", _clients, "clients"),
    ],
)
KINDS = {kind.plural: kind for kind in (CLIENTS, STUDENTS, LEADS)}
