"""Records as tables: what the columns of clients, students and leads are, both ways.

An export shows the keys of the API's answer, each attribute in a column of its own, and names beside ids. An import
takes the same columns, in any order and number. An id or a name is enough; where both are given they must agree, so
that nobody changes one of them and wonders why nothing happened.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import DateTimeField, Value
from django.db.models.functions import Lower
from rest_framework.exceptions import ValidationError

from tandem.academy.actions.clients import ClientsTogether
from tandem.academy.actions.leads import LeadsTogether
from tandem.academy.actions.students import StudentsTogether
from tandem.academy.actions.together import Draft, Together, write_together
from tandem.academy.api import clients, leads, students
from tandem.academy.api.inputs import DescribedIn
from tandem.academy.api.records import Resource
from tandem.academy.models import Attribute, Client, Entity, Pipeline
from tandem.academy.rules.columns import PREFIX, Column, Mapped, attribute_columns, cell_of, check_width, value_of
from tandem.accounts.models import User
from tandem.common.errors import Invalid, Refusal
from tandem.common.reading.answer import Text
from tandem.common.reading.listing import Listing

_ITEMS = ("list_of_tasks", "list_of_notes")
_NOT_IN_A_TABLE = ("attributes", "list_of_images")  # the first has its own columns; links expire


class Called(NamedTuple):
    """The ids (as text) of the records of one name."""

    live: list[str]
    deleted: list[str]


Found = Mapping[str, Called]


@dataclass(frozen=True)
class Named:
    """A foreign key that a table may give by name. find: the ids (as text) of whatever has these names, by name."""

    key: str
    by: str
    find: Callable[[set[str]], Found]
    what: str


@dataclass(frozen=True)
class Kind:
    """One kind of record as rows of a table."""

    resource: Resource
    listing: Listing
    deleted: Listing
    form: type[DescribedIn]
    together: type[Together[Any]]
    named: Sequence[Named] = ()

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


@dataclass(frozen=True)
class Read:
    """A row that was read and checked by itself. number: as a spreadsheet shows it. One of the others is None."""

    number: int
    draft: Draft | None
    errors: dict[str, Any] | None


class Rows:
    """Takes the rows of a table, each through the same checks and rules as a request of the API.

    may_change: whether rows that name an existing record by `id` may change it.
    """

    def __init__(self, kind: Kind, meant: Mapped, *, by: User, may_change: bool, now: datetime) -> None:
        self._kind, self._meant, self._by, self._may_change, self._now = kind, meant, by, may_change, now

    def read(self, rows: Iterable[tuple[int, Sequence[Any]]]) -> list[Read]:
        """Check rows by themselves, outside of any transaction. A query, and one for each column of names."""
        bodies: dict[int, Any] = {}
        for number, row in rows:
            try:
                bodies[number] = self._body(row)
            except Invalid as refused:
                bodies[number] = refused
        good = [body for body in bodies.values() if not isinstance(body, Invalid)]
        stored = self._stored(good)
        found = {named.by: named.find({_name(named, body) for body in good} - {""}) for named in self._kind.named}
        return [self._read(number, body, stored, found) for number, body in bodies.items()]

    def write(self, drafts: Sequence[Draft], *, keep: bool) -> list[str | Refusal]:
        """What comes of each: "created", "updated" or a refusal.

        keep: False only tries; True writes, and belongs into a transaction.

        Drafts of one record are written one after another, so each sees what the one before it left.
        """
        outcomes: list[str | Refusal] = []
        for some in _each_once(drafts):
            outcomes += write_together(self._kind.together(), some, by=self._by, now=self._now, keep=keep)
        return outcomes

    def _read(
        self, number: int, body: dict[str, Any] | Invalid, stored: Mapping[UUID, bool], found: Mapping[str, Found]
    ) -> Read:
        try:
            if isinstance(body, Invalid):
                raise body
            existing = self._existing(body.pop("id", None), stored)
            for named in self._kind.named:
                _resolve(named, body, found[named.by])
            form = self._kind.form(data=body, partial=existing is not None)
            form.is_valid(raise_exception=True)
            if existing is not None and not self._may_change:
                raise Invalid.on("id", "You may create records, but not change this one.")
        except (Refusal, ValidationError) as refused:
            return Read(number, None, errors_of(refused))
        return Read(number, Draft(existing, form.validated_data), None)

    def _body(self, row: Sequence[Any]) -> dict[str, Any]:
        check_width(row, self._meant.width)
        body: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        for position, column in self._meant.at.items():
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

    def _stored(self, bodies: Iterable[dict[str, Any]]) -> dict[UUID, bool]:
        """Which of the records that ids name there are, and whether they are live. One query."""
        wanted = {pk for body in bodies if (pk := _uuid(body.get("id")))}
        rows = self._kind.resource.model._default_manager.filter(pk__in=wanted).values_list("pk", "deleted_at")
        return {pk: deleted_at is None for pk, deleted_at in rows}

    def _existing(self, pk: Any, stored: Mapping[UUID, bool]) -> UUID | None:
        """The record that an id names; None when there is none, and then a new one is made."""
        if pk is None:
            return None
        key = _uuid(pk)
        if key is None:
            raise Invalid.on("id", "Must be a valid UUID.")
        if stored.get(key) is False:
            raise Invalid.on("id", "This record is deleted. Restore it first, or leave the id out.")
        return key if key in stored else None


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text).strip())
    except ValueError:
        return None


def _each_once(drafts: Sequence[Draft]) -> Iterator[list[Draft]]:
    """Pieces in which each stored record is named once."""
    some: list[Draft] = []
    named: set[UUID] = set()
    for draft in drafts:
        if draft.existing in named:
            yield some
            some, named = [], set()
        some.append(draft)
        if draft.existing is not None:
            named.add(draft.existing)
    yield some


def _name(named: Named, body: Mapping[str, Any]) -> str:
    return str(body.get(named.by) or "").strip()


def _resolve(named: Named, body: dict[str, Any], known: Found) -> None:
    """Put an id in the place of a name."""
    if named.by not in body:
        return
    name = _name(named, body)
    del body[named.by]
    if not name:
        body.setdefault(named.key, None)
        return
    found, deleted = known.get(name, Called([], []))
    given = body.get(named.key)
    if given is not None:
        # An export names what is gone, too; whether it may stay is the action's business.
        if str(given).strip().lower() not in (*found, *deleted):
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


_EMPTY = "This cell is empty, and a value is needed."


def _is_of_null(told: Any) -> bool:
    return isinstance(told, list) and [getattr(one, "code", None) for one in told] == ["null"]


def errors_of(error: Exception) -> dict[str, Any]:
    """What is wrong with a row, by column."""
    if isinstance(error, ValidationError):
        wrong = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        return {column: [_EMPTY] if _is_of_null(told) else told for column, told in wrong.items()}
    assert isinstance(error, Refusal)
    return error.body() if isinstance(error, Invalid) else {"non_field_errors": [error.message]}


def _people(names: set[str]) -> Found:
    return _in_any_case(User.objects.annotate(deleted_at=Value(None, DateTimeField())), "username", names)


def _clients(names: set[str]) -> Found:
    return _called(Client.objects.filter(name__in=names).values_list("name", "pk", "deleted_at"))


def _pipelines(names: set[str]) -> Found:
    return _in_any_case(Pipeline.objects.all(), "name", names)


def _in_any_case(rows: Any, field: str, names: set[str]) -> Found:
    """Name → ids of rows that are called so, in upper or lower case. One query, which an index on `Lower` serves."""
    lowered = [Lower(Value(name)) for name in names]
    rows = rows.alias(lowered=Lower(field)).filter(lowered__in=lowered)
    found = _called((name.lower(), pk, at) for name, pk, at in rows.values_list(field, "pk", "deleted_at"))
    return {name: found[name.lower()] for name in names}


def _called(rows: Iterable[tuple[str, Any, Any]]) -> defaultdict[str, Called]:
    """rows: name, id, and when it was deleted."""
    found: defaultdict[str, Called] = defaultdict(lambda: Called([], []))
    for name, pk, deleted_at in rows:
        (found[name].live if deleted_at is None else found[name].deleted).append(str(pk))
    return found


def _with_usernames(listing: Listing) -> Listing:
    """The list of the API, and in its rows the user name of who is responsible."""
    key = Text("responsible_username", source="responsible__username", null=True)
    return replace(listing, answer=listing.answer.with_keys("_LeadRow", key))


CLIENTS = Kind(clients.RESOURCE, clients.CLIENTS, clients.DELETED_CLIENTS, clients.ClientIn, ClientsTogether)
STUDENTS = Kind(
    students.RESOURCE,
    students.STUDENTS,
    students.DELETED_STUDENTS,
    students.StudentIn,
    StudentsTogether,
    named=[Named("client", "client_name", _clients, "clients")],
)
LEADS = Kind(
    leads.RESOURCE,
    _with_usernames(leads.LEADS),
    _with_usernames(leads.DELETED_LEADS),
    leads.LeadIn,
    LeadsTogether,
    named=[
        Named("responsible", "responsible_username", _people, "users"),
        Named("pipeline", "pipeline_name", _pipelines, "pipelines"),
        Named("possible_client", "possible_client_name", _clients, "clients"),
    ],
)
KINDS = {kind.plural: kind for kind in (CLIENTS, STUDENTS, LEADS)}
