"""Which kinds of records webhooks may be told of; filled at start-up by config, which knows all contexts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tandem.common.endpoint import Who
from tandem.common.reading.answer import Answer, Day, Flag, Moment, Money, Shown, Whole
from tandem.common.reading.listing import Rows
from tandem.webhooks.rules.conditions import Kind

CREATED, UPDATED, DELETED, RESTORED = "created", "updated", "deleted", "restored"
LISTENED_TO: Final = (CREATED, UPDATED, DELETED)  # whoever listens to created hears of restored, too


@dataclass(frozen=True)
class Told:
    """One kind of record.

    model: the contract's name. subject: the first word of its events and types. shows, rows: the record as the API
    shows it, and who sees which. who: may look at such records at all. births: last words of events with which one
    comes into being. keeps_types: types are those of the events, finer than the four. attributes: name → kind of what
    users defined, now.
    """

    model: str
    subject: str
    shows: Answer
    rows: Rows
    who: Who
    births: frozenset[str] = frozenset({CREATED})
    keeps_types: bool = False
    attributes: Callable[[], Mapping[str, Kind]] = dict

    @cached_property
    def fields(self) -> Mapping[str, Kind]:
        """Key of the answer → what it holds."""
        own = {key.name: _kind(key) for key in self.shows.shown}
        return own | {key.name: Kind.ANY for key in self.shows.computed}

    def kind_of(self, event: str) -> str:
        """created, updated, deleted or restored, for the type of an event."""
        word = event.rpartition(".")[2]
        if word in self.births:
            return CREATED
        return word if word in (DELETED, RESTORED) else UPDATED

    def type_of(self, event: str) -> str:
        return event if self.keeps_types else f"{self.subject}.{self.kind_of(event)}"


_KINDS: tuple[tuple[type[Shown], Kind], ...] = (
    (Whole, Kind.NUMBER),
    (Money, Kind.NUMBER),
    (Flag, Kind.BOOLEAN),
    (Day, Kind.DATE),
    (Moment, Kind.DATE),
)


def _kind(key: Shown) -> Kind:
    return next((kind for shape, kind in _KINDS if isinstance(key, shape)), Kind.ANY)


_by_subject: dict[str, Told] = {}


def register(kinds: Iterable[Told]) -> None:
    _by_subject.update({told.subject: told for told in kinds})


def by_subject(subject: str) -> Told | None:
    return _by_subject.get(subject)


def by_model(model: str) -> Told:
    return next(told for told in _by_subject.values() if told.model == model)


def models() -> list[str]:
    """The names that a webhook's `model` may have, the contract's first."""
    return [told.model for told in _by_subject.values()]


def model_named(word: Any) -> str | None:
    """`Lead` for "Lead", "lead"; `FollowUp` also for "follow_up". None: no such kind."""
    wanted = str(word).strip().lower().replace("_", "")
    return next((model for model in models() if model.lower() == wanted), None)
