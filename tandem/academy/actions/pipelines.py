"""Writing pipelines and their stages. Contract A §4; CONTRACT §4 "Pipelines". Locks: see actions/stages.py."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.db.models import Value
from django.db.models.functions import Cast, Lower

from tandem.academy.actions.stages import Place, Standing, locked_leads, move_leads
from tandem.academy.models import Lead, Pipeline, Stage
from tandem.academy.rules import stages as rules
from tandem.academy.rules.stages import Plan, moves, planned, stage_to_enter
from tandem.accounts.models import User
from tandem.common.errors import Conflict, Invalid, NotFound
from tandem.events.changes import change
from tandem.events.record import record


class StageInUse(Conflict):
    code = "stage_in_use"
    message = "Leads stand in a stage that would go. Say in `stage_moves` which stage they go to."


class HasLeads(Conflict):
    code = "has_leads"
    message = "This pipeline has leads. Say with `?move_to=<pipeline>` where they go."


def create_pipeline(values: Mapping[str, Any], *, by: User, now: datetime) -> Pipeline:
    """values: the checked body. Four queries. Raises Invalid on `stages`."""
    plan = planned([], _given(values.get("stages") or []))
    with transaction.atomic():
        pipeline = Pipeline(
            id=uuid.uuid4(),
            name=values["name"],
            description=values.get("description") or "",
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        pipeline.save(force_insert=True)
        _write(pipeline, [], plan)
        after = {"name": pipeline.name, "description": pipeline.description, "stages": _shown(pipeline)}
        record("pipeline.created", subject=pipeline, actor=by, at=now, after=after)
    return pipeline


def change_pipeline(pipeline: Pipeline, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay. Renamed stages are renamed on their leads too.

    Up to twelve queries, however many leads (in thousands) go along. Raises Invalid, StageInUse.
    """
    own = {name: values[name] or "" for name in ("name", "description") if name in values}
    with transaction.atomic():
        locked = _locked([pipeline.pk]).get(pipeline.pk)
        if locked is None:
            raise NotFound
        before, after = change(locked, at=now, **own)
        if values.get("stages") is not None:
            old = _shown(locked)
            _write_stages(locked, values, by=by, now=now)
            new = _shown(locked)
            if old != new:
                if not after:
                    locked.updated_at = now
                    locked.save(update_fields=["updated_at"])
                before["stages"], after["stages"] = old, new
        if after:
            record("pipeline.updated", subject=locked, actor=by, at=now, before=before, after=after)


def delete_pipeline(pipeline: Pipeline, *, move_to: UUID | None = None, by: User, now: datetime) -> None:
    """Delete a pipeline. move_to: the pipeline that its leads go to, each to the stage of the same name or the first.

    Up to nine queries, however many leads (in thousands) go along. Raises HasLeads, Invalid on `move_to`.
    """
    with transaction.atomic():
        locked = _locked([pipeline.pk, *([move_to] if move_to else [])])
        leaving = locked.pop(pipeline.pk, None)
        if leaving is None:
            raise NotFound
        if move_to is not None:
            _move_all(leaving, locked.get(move_to), by=by, now=now)
        else:
            count = Lead.objects.live().filter(pipeline=leaving).count()
            if count:
                raise HasLeads(count=count)
        leaving.mark_deleted(now=now)
        record("pipeline.deleted", subject=leaving, actor=by, at=now)


def restore_pipeline(pipeline: Pipeline, *, by: User, now: datetime) -> None:
    """Bring a deleted pipeline back, with its stages. Leads that were moved away stay there."""
    with transaction.atomic():
        locked = Pipeline.objects.select_for_update(of=("self",), no_key=True).get(pk=pipeline.pk)
        if locked.deleted_at is not None:
            locked.mark_restored()
            record("pipeline.restored", subject=locked, actor=by, at=now)


def _locked(pks: Iterable[UUID]) -> dict[UUID, Pipeline]:
    rows = Pipeline.objects.live().filter(pk__in=set(pks)).select_for_update(of=("self",), no_key=True).order_by("pk")
    return {row.pk: row for row in rows}


def _given(items: Iterable[Mapping[str, Any]]) -> list[rules.Given]:
    return [rules.Given(item.get("id"), item.get("name"), item.get("color"), item.get("order")) for item in items]


def _stored(pipeline: Pipeline) -> list[rules.Stage]:
    rows = Stage.objects.filter(pipeline=pipeline).order_by("position", "id")
    return [rules.Stage(*row) for row in rows.values_list("id", "name", "color", "position")]


def _shown(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The stages as events keep them."""
    return [
        {"id": str(stage.id), "name": stage.name, "color": stage.color, "order": stage.position}
        for stage in _stored(pipeline)
    ]


def _write_stages(pipeline: Pipeline, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Bring the stages of a locked pipeline, and its leads, to what the body says."""
    stored = _stored(pipeline)
    plan = planned(stored, _given(values["stages"]))
    moved = moves(plan, values.get("stage_moves") or {})
    leaving = [stage.name for stage in plan.removed]
    concerned = [Lower(Value(name)) for name in (*plan.renamed, *leaving)]
    leads: list[Standing] = []
    if concerned:
        rows = Lead.objects.alias(word=Lower("stage")).filter(pipeline=pipeline, word__in=concerned)
        leads = locked_leads(rows)
    _refuse_stages_in_use(plan, moved, [lead.stage.lower() for lead in leads if lead.deleted_at is None])
    _write(pipeline, stored, plan)
    _take_along(pipeline, leads, plan.renamed, by=by, now=now, renamed=True)
    _take_along(pipeline, leads, moved, by=by, now=now, renamed=False)


def _take_along(
    pipeline: Pipeline, leads: Iterable[Standing], names: Mapping[str, str], *, by: User, now: datetime, renamed: bool
) -> None:
    """names: old stage → new stage."""
    places = {old.lower(): Place(pipeline.pk, new) for old, new in names.items()}
    going = [lead for lead in leads if lead.stage.lower() in places]
    move_leads(going, lambda lead: places[lead.stage.lower()], by=by, now=now, renamed=renamed)


def _refuse_stages_in_use(plan: Plan, moved: Mapping[str, str], standing: Iterable[str]) -> None:
    """standing: the stage of each live lead, in lower case."""
    counts = Counter(standing)
    in_use = [
        {"id": str(stage.id), "name": stage.name, "lead_count": counts[stage.name.lower()]}
        for stage in plan.removed
        if stage.name not in moved and counts[stage.name.lower()]
    ]
    if in_use:
        raise StageInUse(stages=in_use)


def _write(pipeline: Pipeline, stored: Iterable[rules.Stage], plan: Plan) -> None:
    """The rows, in an order in which no two stages ever have the same name."""
    if plan.removed:
        Stage.objects.filter(pk__in=[stage.id for stage in plan.removed]).delete()
    known = set(stored)
    changed = [stage for stage in plan.kept if stage not in known]
    if len(plan.renamed) > 1:
        # Names may change places: each first gets one that nobody else has.
        parked = Cast("id", models.CharField(max_length=100))
        Stage.objects.filter(pipeline=pipeline, name__in=plan.renamed).update(name=parked)
    if changed:
        rows = [Stage(id=stage.id, name=stage.name, color=stage.color, position=stage.position) for stage in changed]
        Stage.objects.bulk_update(rows, ["name", "color", "position"])
    if plan.added:
        fresh = [Stage(pipeline=pipeline, name=one.name, color=one.color, position=one.position) for one in plan.added]
        Stage.objects.bulk_create(fresh)


def _move_all(leaving: Pipeline, target: Pipeline | None, *, by: User, now: datetime) -> None:
    if target is None:
        raise Invalid.on("move_to", "There is no such other pipeline.")
    names = [stage.name for stage in _stored(target)]

    def place(lead: Standing) -> Place:
        kept = rules.same_stage(lead.stage, names) if names else lead.stage
        return Place(target.pk, kept or stage_to_enter(None, names))

    move_leads(locked_leads(Lead.objects.filter(pipeline=leaving)), place, by=by, now=now)
