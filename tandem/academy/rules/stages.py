"""Stages: what a list of them, as a client sends it, does to those of a pipeline, and where a lead may stand.

Contract A §4, §5; CONTRACT §4 "Pipelines", "Leads". Names count the same in upper and lower case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from tandem.common.errors import Invalid

DEFAULT_STAGE: Final = "Prospecting"
LARGEST_ORDER: Final = 2**31 - 1


@dataclass(frozen=True)
class Stage:
    """A stored stage."""

    id: UUID
    name: str
    color: str
    position: int


@dataclass(frozen=True)
class Given:
    """A stage as a client sends it; None is what was left out. id: any text, for clients make up their own."""

    id: str | None = None
    name: str | None = None
    color: str | None = None
    order: int | None = None


@dataclass(frozen=True)
class NewStage:
    name: str
    color: str
    position: int


@dataclass(frozen=True)
class Plan:
    """kept: the stored stages that stay, as they are to be. renamed: old name → new name. removed: the rest."""

    kept: list[Stage]
    added: list[NewStage]
    removed: list[Stage]
    renamed: dict[str, str]

    @property
    def names(self) -> list[str]:
        """The names of the stages to come, in their order."""
        placed = [(stage.position, stage.name) for stage in self.kept]
        placed += [(stage.position, stage.name) for stage in self.added]
        return [name for _, name in sorted(placed)]


def planned(stored: Sequence[Stage], given: Sequence[Given]) -> Plan:
    """Match given stages with the stored ones: by id, else by name, else they are new.

    An id that the pipeline does not have counts as none. Only an id renames: a new name without one is a new stage.
    Raises Invalid on `stages` for a stage without a name, a name or an id that is given twice.
    """
    unused = {str(stage.id): stage for stage in stored}
    taken = _taken_by_id(unused, given)
    for place, one in enumerate(given):
        if place not in taken and not (one.name or "").strip():
            raise Invalid.on("stages", "Every stage needs its `name`.")
        if place not in taken:
            same = next((stage for stage in unused.values() if _same(stage.name, one.name or "")), None)
            if same is not None:
                taken[place] = unused.pop(str(same.id))
    kept: list[Stage] = []
    added: list[NewStage] = []
    for place, (one, position) in enumerate(zip(given, positions(given), strict=True)):
        old = taken.get(place)
        if old is None:
            added.append(NewStage((one.name or "").strip(), one.color or "", position))
        else:
            name = (one.name or "").strip() or old.name
            kept.append(Stage(old.id, name, old.color if one.color is None else one.color, position))
    _refuse_twice([*(stage.name for stage in kept), *(stage.name for stage in added)])
    before = {stage.id: stage.name for stage in stored}
    renamed = {before[stage.id]: stage.name for stage in kept if before[stage.id] != stage.name}
    return Plan(kept, added, list(unused.values()), renamed)


def _taken_by_id(unused: dict[str, Stage], given: Sequence[Given]) -> dict[int, Stage]:
    """Place → stored stage, for what is given with a known id; these leave `unused`."""
    known, taken = dict(unused), {}
    for place, one in enumerate(given):
        key = (one.id or "").strip().lower()
        if key not in known:
            continue
        if key not in unused:
            raise Invalid.on("stages", f"The stage {key} is given twice.")
        taken[place] = unused.pop(key)
    return taken


def _refuse_twice(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise Invalid.on("stages", f'"{name}" is given twice. The stages of a pipeline need different names.')
        seen.add(name.lower())


def positions(given: Sequence[Given]) -> list[int]:
    """The position of each given stage: its `order`, its place (from 1 on) without one; 1, 2, 3 … where two are alike.

    Raises Invalid on `stages` for an order that no database holds.
    """
    wanted = [place if one.order is None else one.order for place, one in enumerate(given, start=1)]
    if any(not 0 <= position <= LARGEST_ORDER for position in wanted):
        raise Invalid.on("stages", f"`order` is a whole number from 0 to {LARGEST_ORDER}.")
    if len(set(wanted)) == len(wanted):
        return wanted
    ranked = sorted(range(len(wanted)), key=lambda place: wanted[place])
    return [ranked.index(place) + 1 for place in range(len(wanted))]


def moves(plan: Plan, asked: Mapping[str, str]) -> dict[str, str]:
    """Removed stage → the stage that its leads go to, from `stage_moves`: names or ids on both sides.

    Stages that are not removed need no move and are left out.
    Raises Invalid on `stage_moves` when a target is no stage of the pipeline to come.
    """
    to_come = {str(stage.id): stage.name for stage in plan.kept} | {name.lower(): name for name in plan.names}
    removed = {str(stage.id): stage.name for stage in plan.removed}
    removed |= {stage.name.lower(): stage.name for stage in plan.removed}
    found: dict[str, str] = {}
    for old, new in asked.items():
        source = removed.get(old.strip().lower())
        if source is None:
            continue
        target = to_come.get(new.strip().lower())
        if target is None:
            raise Invalid.on("stage_moves", f'"{new}" is not a stage of this pipeline. {_choices(plan.names)}')
        found[source] = target
    return found


def stage_to_enter(asked: str | None, stages: Sequence[str] | None) -> str:
    """Where a lead that gets a stage or a pipeline then stands, in the pipeline's spelling.

    asked: None for no wish. stages: those of its pipeline in order; None without a pipeline, where any text will do.
    A pipeline that has no stages yet limits nothing. Raises Invalid on `stage`.
    """
    asked = (asked or "").strip()
    if not asked:
        return stages[0] if stages else DEFAULT_STAGE
    if not stages:
        return asked
    found = same_stage(asked, stages)
    if found is None:
        raise Invalid.on("stage", f'"{asked}" is not a stage of this pipeline. {_choices(stages)}')
    return found


def same_stage(name: str, stages: Sequence[str]) -> str | None:
    """The stage of this name, in its own spelling; None when there is none."""
    return next((stage for stage in stages if _same(stage, name)), None)


def _same(one: str, other: str) -> bool:
    return one.lower() == other.strip().lower()


def _choices(names: Sequence[str]) -> str:
    return f"Choose one of: {', '.join(names)}." if names else "It has no stages."
