"""Leads enter stages: one at a time, or all that an edited pipeline takes along. CONTRACT §4 "Pipelines", "Leads".

Whoever writes holds locks in this order: pipelines by id, then leads by id. Who edits or deletes a pipeline locks its
row alone, who puts a lead into one shares it (FOR SHARE): leads enter side by side, and never a stage that is being
renamed or removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models
from django.db.models import Exists, OuterRef

from tandem.academy.models import Lead, Pipeline, Stage, StageChange
from tandem.accounts.models import User
from tandem.common.errors import Invalid
from tandem.common.reading.answer import vendor_of
from tandem.common.reading.statement import Param, Statement, adapted, compiled
from tandem.common.writing import insert
from tandem.events.models import Event
from tandem.events.record import new_event, record_all

AT_ONCE = 1000  # rows that one statement writes


class Place(NamedTuple):
    """Where a lead stands. pipeline: None for none; the stage is then any text."""

    pipeline: UUID | None
    stage: str


class Standing(NamedTuple):
    """A locked lead and its place. deleted_at: a deleted lead moves along, unheard, to be right when it comes back."""

    pk: UUID
    pipeline: UUID | None
    stage: str
    deleted_at: datetime | None


def stages_to_enter(pipeline: UUID) -> list[str]:
    """The stages of a live pipeline in their order; they stay as they are until the transaction ends. Two queries.

    Raises Invalid on `pipeline` when there is none.
    """
    if not _shared_lock().run({"pipeline": adapted(pipeline, _PK)}):
        raise Invalid.unknown("pipeline", pipeline)
    return stages_of(pipeline)


def stages_of(pipeline: UUID) -> list[str]:
    """The stages of a pipeline in their order. One query."""
    return [name for (name,) in _stage_names().run({"pipeline": adapted(pipeline, _PK)})]


def stages_of_each(pipelines: Collection[UUID], *, share: bool) -> dict[UUID, list[str]]:
    """The stages of live pipelines in their order, by pipeline; those that are not there are left out. Two queries.

    share: they stay as they are until the transaction ends.
    """
    rows = Pipeline.objects.live().filter(pk__in=pipelines).order_by("pk").values_list("pk", flat=True)
    if share and vendor_of() == "postgresql" and pipelines:
        sql, parameters = rows.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} FOR SHARE", parameters)
            found = [pk for (pk,) in cursor.fetchall()]
    else:
        found = list(rows)
    names: dict[UUID, list[str]] = {pk: [] for pk in found}
    # A statement of its own: one that waited for the lock would show the stages of before.
    stages = Stage.objects.filter(pipeline__in=found).order_by("position", "id")
    for pipeline, name in stages.values_list("pipeline_id", "name"):
        names[pipeline].append(name)
    return names


_PK = models.UUIDField()


@cache
def _shared_lock() -> Statement:
    rows = Pipeline.objects.live().filter(pk=Param("pipeline", _PK)).values_list("pk")
    return compiled(rows, lambda sql: f"{sql} FOR SHARE" if vendor_of() == "postgresql" else sql)


@cache
def _stage_names() -> Statement:
    # A statement of its own: one that waited for the lock would show the stages of before.
    rows = Stage.objects.filter(pipeline=Param("pipeline", _PK)).order_by("position", "id")
    return compiled(rows.values_list("name"))


def keep_stage(lead: Lead, *, by: User | None, now: datetime) -> None:
    """Keep that a lead entered the stage where it now stands. One query."""
    insert(entry_of(lead, by=by, now=now))


def entry_of(lead: Lead, *, by: User | None, now: datetime) -> StageChange:
    """The row that tells that a lead entered the stage where it now stands, not saved."""
    return StageChange(lead=lead, stage=lead.stage, pipeline_id=lead.pipeline_id, entered_at=now, by=by)


def locked_leads(rows: models.QuerySet[Lead, Any]) -> list[Standing]:
    """Lock leads, in the order that all do who lock many. One query."""
    found = rows.select_for_update(of=("self",), no_key=True).order_by("pk")
    return [Standing(*row) for row in found.values_list("pk", "pipeline_id", "stage", "deleted_at")]


def move_leads(
    leads: Sequence[Standing], to: Callable[[Standing], Place], *, by: User, now: datetime, renamed: bool = False
) -> None:
    """Put locked leads elsewhere, each with its event. The number of statements does not grow with up to 1000 leads.

    renamed: the stage itself got a new name; then the leads entered nothing, and go on standing where they stood.
    """
    by_place: defaultdict[Place, list[UUID]] = defaultdict(list)
    events: list[Event] = []
    for lead in leads:
        place = to(lead)
        by_place[place].append(lead.pk)
        if lead.deleted_at is None:
            events.append(_moved(lead, place, by=by, now=now))
    for place, pks in by_place.items():
        for some in in_batches(pks):
            _rename(some, place, now) if renamed else _enter(some, place, by, now)
    record_all(events)


def _moved(lead: Standing, place: Place, *, by: User, now: datetime) -> Event:
    before: dict[str, Any] = {"stage": lead.stage}
    after: dict[str, Any] = {"stage": place.stage}
    if lead.pipeline != place.pipeline:
        before["pipeline"], after["pipeline"] = lead.pipeline, place.pipeline
    return new_event("lead.updated", subject=Lead(pk=lead.pk), actor=by, at=now, before=before, after=after)


def _rename(leads: Sequence[UUID], place: Place, now: datetime) -> None:
    later = StageChange.objects.filter(lead=OuterRef("lead"), pk__gt=OuterRef("pk"))
    StageChange.objects.filter(~Exists(later), lead__in=leads).update(stage=place.stage)
    Lead.objects.filter(pk__in=leads).update(stage=place.stage, updated_at=now)


def _enter(leads: Sequence[UUID], place: Place, by: User, now: datetime) -> None:
    Lead.objects.filter(pk__in=leads).update(pipeline_id=place.pipeline, stage=place.stage, updated_at=now)
    entered = [
        StageChange(lead_id=pk, stage=place.stage, pipeline_id=place.pipeline, entered_at=now, by=by) for pk in leads
    ]
    StageChange.objects.bulk_create(entered)


def in_batches(pks: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(pks), AT_ONCE):
        yield pks[start : start + AT_ONCE]
