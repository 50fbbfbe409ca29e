"""Which clients and students may be the same as a lead: by phone, e-mail or name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, Q, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Lower, Replace

from tandem.academy.models import RECORDS, Entity, Lead
from tandem.academy.queries import definitions_of, shown_attributes
from tandem.academy.rules.attributes import Definition
from tandem.academy.rules.conversion import Contact, contact, mail_names, phone_names
from tandem.accounts.models import User
from tandem.accounts.queries import has_right
from tandem.common.phones import normal_phone

MOST = 20  # of each kind
_BLANKS = " \t\r\n\u00a0"
_BETWEEN_DIGITS = _BLANKS + "().-/\u2010\u2011\u2012\u2013\u2014\u2212"


class Duplicate(NamedTuple):
    """by: `phone`, `email`, `name`."""

    entity: Entity
    pk: UUID
    name: str
    by: list[str]


def duplicates_of(
    lead: Lead, *, other_than: set[UUID], client_name: str, student_name: str, viewer: User
) -> list[Duplicate]:
    """Live clients and students that share a phone, an e-mail address or the name; oldest first, at most 20 of a kind.

    other_than: records that are known to be the same. viewer: hears only of kinds that they may view. Seven queries. It
    reads the whole table of each kind, which no index serves, so it stands outside of transactions.
    """
    attributes = shown_attributes(lead)
    found: list[Duplicate] = []
    for entity, name in ((Entity.CLIENT, client_name), (Entity.STUDENT, student_name)):
        if not (viewer.is_admin or has_right(viewer, f"view_{entity.value}")):
            continue
        wanted = contact(name, attributes, definitions_of(Entity.LEAD), normal_phone)
        found += _alike(entity, wanted, other_than)
    return found


def _alike(entity: Entity, wanted: Contact, other_than: set[UUID]) -> list[Duplicate]:
    definitions = definitions_of(entity)
    found: list[Duplicate] = []
    for pk, name, attributes in _candidates(entity, wanted, definitions):
        shared = wanted.shared_with(contact(name, attributes, definitions, normal_phone))
        if shared and pk not in other_than:
            found.append(Duplicate(entity, pk, name, shared))
        if len(found) == MOST:
            break
    return found


def _candidates(entity: Entity, wanted: Contact, definitions: Sequence[Definition]) -> Iterator[tuple[Any, ...]]:
    """More rows than are alike: names are compared without blanks, of phone numbers in any spelling the last digits."""
    rows: Any = RECORDS[entity]._default_manager.filter(deleted_at=None)
    rows = rows.annotate(word=Lower(_without(_BLANKS, F("name"))))
    condition = Q(word=Lower(Value("".join(wanted.name.split()))))
    ends = {phone[-4:] for phone in wanted.phones}
    for names, lookup, left_out, texts in (
        (phone_names(definitions), "contains", _BETWEEN_DIGITS, ends),
        (mail_names(definitions), "icontains", "", wanted.mails),
    ):
        for n, name in enumerate(names):
            rows = rows.annotate(**{f"{lookup}_{n}": _without(left_out, KeyTextTransform(name, F("attributes")))})
            condition = reduce(or_, (Q(**{f"{lookup}_{n}__{lookup}": text}) for text in texts), condition)
    yield from rows.filter(condition).order_by("created_at", "id").values_list("pk", "name", "attributes").iterator()


def _without(characters: str, text: Any) -> Any:
    for one in characters:
        text = Replace(text, Value(one), Value(""), output_field=TextField())
    return text
