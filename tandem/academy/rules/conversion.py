"""What of a lead goes into the client and the student that it becomes, and who may be the same person already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tandem.academy.rules.attributes import Definition, WrongValue, is_nothing, merged, typed
from tandem.common.errors import Invalid

# Users name their attributes themselves; these words tell what is in them.
_PHONES: Final = ("phone", "mobile", "whatsapp")
_MAILS: Final = ("mail",)

STAYS: Final = "This client exists and is not changed here. Leave this out, or change the client itself."


def carried(
    attributes: Mapping[str, Any], definitions: Iterable[Definition], given: Mapping[str, Any] | None, *, field: str
) -> dict[str, Any]:
    """The attributes of a record that is made from a lead.

    attributes: all that leads can have, with this lead's values; None for none. definitions: the new record's. given:
    its attributes as a body says them, see `meant`. What is not given is taken from the lead's attribute of the same
    name where the value fits. Raises Invalid on `field`.
    """
    said = meant(attributes, given, field=field)
    found = {
        one.name: attributes[one.name]
        for one in definitions
        if attributes.get(one.name) is not None and one.name not in said and _fits(one, attributes[one.name])
    }
    return found | said


def meant(attributes: Mapping[str, Any], given: Mapping[str, Any] | None, *, field: str) -> dict[str, Any]:
    """Attributes as a body says them, with values only: `{"from": name}` stands for the lead's value of that name.

    attributes: as for `carried`. Raises Invalid on `field` for a "from" that names no attribute of leads.
    """
    found, wrong = {}, {}
    for name, value in (given or {}).items():
        if not isinstance(value, Mapping):
            found[name] = value
            continue
        source = value.get("from")
        if not isinstance(source, str) or len(value) > 1:
            wrong[name] = ['Give a value, or {"from": "<attribute of the lead>"}.']
        elif source not in attributes:
            wrong[name] = [f"Leads have no attribute `{source}`."]
        else:
            found[name] = attributes[source]
    if wrong:
        raise Invalid({field: wrong})
    return found


def check_kept(stored: Mapping[str, Any], said: Mapping[str, Any], definitions: Iterable[Definition]) -> None:
    """Refuse attributes that would change a client which is there already.

    stored: its own. said: what a body says they are. Empty values say nothing, and what it has may be sent back. Raises
    Invalid on `attributes`, naming each wrong key.
    """
    said = {name: value for name, value in said.items() if not is_nothing(value)}
    after = merged(stored, said, [replace(one, is_required=False) for one in definitions], creating=False)
    changed = {name: [STAYS] for name in said if after.get(name) != stored.get(name)}
    if changed:
        raise Invalid({"attributes": changed})


def _fits(definition: Definition, value: Any) -> bool:
    try:
        typed(definition, value)
    except WrongValue:
        return False
    return True


def phone_names(definitions: Iterable[Definition]) -> list[str]:
    """The attributes that hold phone numbers, as far as their names tell."""
    return [one.name for one in definitions if any(word in one.name for word in _PHONES)]


def mail_names(definitions: Iterable[Definition]) -> list[str]:
    """The attributes that hold e-mail addresses, as far as their names tell."""
    return [one.name for one in definitions if any(word in one.name for word in _MAILS)]


@dataclass(frozen=True)
class Contact:
    """How a person or company can be recognised. phones: E.164. mails and name: in lower case."""

    name: str
    phones: frozenset[str]
    mails: frozenset[str]

    def shared_with(self, other: Contact) -> list[str]:
        """By what both are alike: `phone`, `email`, `name`; empty when by nothing."""
        alike = {
            "phone": self.phones & other.phones,
            "email": self.mails & other.mails,
            "name": self.name and self.name == other.name,
        }
        return [by for by, same in alike.items() if same]


def contact(
    name: str, attributes: Mapping[str, Any], definitions: Iterable[Definition], normal_phone: Callable[[str], str]
) -> Contact:
    """normal_phone: one spelling of a phone number; raises ValueError for what is none."""
    definitions = list(definitions)
    phones = set()
    for one in phone_names(definitions):
        try:
            phones.add(normal_phone(str(attributes.get(one) or "")))
        except ValueError:
            continue
    mails = {str(attributes.get(one) or "").strip().lower() for one in mail_names(definitions)} - {""}
    return Contact(" ".join(name.lower().split()), frozenset(phones), frozenset(mails))
