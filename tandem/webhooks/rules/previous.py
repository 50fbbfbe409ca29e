"""What a list was before a change of some of its items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Item = Mapping[str, Any]


def whole_list(now: Sequence[Item], before: Sequence[Item], after: Sequence[Item], *, place: int = 0) -> list[Item]:
    """The list as it was, of what it is now and the items that differ; items have an `id`.

    before, after: the items that differ, or the whole list. place: where an item stood that is gone.
    """
    then, since = {item["id"]: item for item in before}, {item["id"]: item for item in after}
    if [item["id"] for item in now] == list(since):
        return list(before)
    # What was changed stands where it stood; what was added was not there.
    found = [then.pop(item["id"], item) for item in now if item["id"] in then or item["id"] not in since]
    found[place:place] = then.values()
    return found
