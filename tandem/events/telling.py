"""What events tell of columns that a GET does not show as they are stored.

A model says so once, in its attribute `telling`; then its history, and what webhooks call `previous`, hold the keys and
the shapes of its answer. Without it each column is told under its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem.events.record import plain


@dataclass(frozen=True)
class Composed:
    """A key that is made of several columns. value: gets them in this order."""

    columns: tuple[str, ...]
    value: Callable[..., Any]


@dataclass(frozen=True)
class Telling:
    """unshown: columns that are in no answer, so not in events either. composed: key → what it is made of."""

    unshown: frozenset[str] = frozenset()
    composed: Mapping[str, Composed] = field(default_factory=dict)

    def sides(
        self, before: Mapping[str, Any], after: Mapping[str, Any], *, same: Callable[[str], Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both sides of a change, as events keep them.

        before, after: the columns that differ. same: gives the value of a column that does not. What differs in
        nothing that is shown, as the seconds of a wall-clock time, is left out.
        """
        hidden = self.unshown.union(*(key.columns for key in self.composed.values()))
        was = {name: value for name, value in before.items() if name not in hidden}
        now = {name: value for name, value in after.items() if name not in hidden}
        for name, key in self.composed.items():
            if not before.keys().isdisjoint(key.columns):
                was[name], now[name] = (
                    key.value(*(side[column] if column in side else same(column) for column in key.columns))
                    for side in (before, after)
                )
        was, now = plain(was), plain(now)
        differing = [name for name in now if name not in was or was[name] != now[name]]
        return {name: was[name] for name in differing if name in was}, {name: now[name] for name in differing}


AS_STORED = Telling()


def telling_of(model: type[Any]) -> Telling:
    told: Telling = getattr(model, "telling", AS_STORED)
    return told
