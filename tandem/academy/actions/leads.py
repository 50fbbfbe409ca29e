"""Writing leads. Contract A §5; CONTRACT §4 "Leads". The order of locks: see actions/stages.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from tandem.academy.actions.records import change_record, create_record, delete_record, lock, restore_record
from tandem.academy.actions.stages import in_batches, keep_stage, stages_of, stages_to_enter
from tandem.academy.models import Client, Entity, Lead, Pipeline
from tandem.academy.rules.stages import same_stage, stage_to_enter
from tandem.accounts.models import User
from tandem.accounts.queries import is_active_office_user
from tandem.common.errors import Conflict, Invalid
from tandem.events.record import new_event, record_all

_OWN = ("name", "moodle_course_id")


class PipelineDeleted(Conflict):
    code = "pipeline_deleted"
    message = "The pipeline of this lead is deleted. Restore the pipeline first."


class Locked(NamedTuple):
    """A locked lead. stages: of the pipeline that it enters or stays in; None without one, or when none is entered."""

    lead: Lead
    stages: list[str] | None


def create_lead(values: Mapping[str, Any], *, by: User, now: datetime) -> Lead:
    """values: the checked body; `responsible`, `pipeline`, `possible_client` are ids. Nine queries and two a list.

    Raises Invalid.
    """
    responsible, client = values.get("responsible"), values.get("possible_client")
    _check_people(responsible, client)
    with transaction.atomic():
        pipeline = values.get("pipeline")
        stages = stages_to_enter(pipeline) if pipeline else None
        lead = Lead(
            name=values["name"],
            responsible_id=responsible,
            pipeline_id=pipeline,
            stage=stage_to_enter(values.get("stage"), stages),
            possible_client_id=client,
            moodle_course_id=values.get("moodle_course_id") or "",
        )
        create_record(Entity.LEAD, lead, {**values, "stage": lead.stage}, by=by, now=now)
        keep_stage(lead, by=by, now=now)
    return lead


def change_lead(lead: Lead, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay. Raises Invalid, NotFound when it is deleted meanwhile."""
    # What clients send back unchanged is not judged anew: a colleague may have left since.
    responsible = values.get("responsible") if values.get("responsible") != lead.responsible_id else None
    client = values.get("possible_client") if values.get("possible_client") != lead.possible_client_id else None
    _check_people(responsible, client)
    own: dict[str, Any] = {name: values[name] or "" for name in _OWN if name in values}
    own |= {f"{name}_id": values[name] for name in ("responsible", "possible_client") if name in values}
    with transaction.atomic():
        locked, stages = locked_to_change(lead, values)
        if _is_moved(values):
            own |= _place(locked, values, stages)
        entered = any(getattr(locked, name) != own[name] for name in ("pipeline_id", "stage") if name in own)
        change_record(Entity.LEAD, locked, values, own, by=by, now=now)
        if entered:
            keep_stage(locked, by=by, now=now)


def locked_to_change(lead: Lead, values: Mapping[str, Any]) -> Locked:
    """Lock a live lead for a change; before it, where the change moves it, the pipeline that it moves in.

    Belongs into the action's transaction. Three queries at most, more when others move it meanwhile. Raises NotFound,
    Invalid on `pipeline`.
    """
    if not _is_moved(values):
        return Locked(lock(Lead, lead.pk), None)
    pipeline = values.get("pipeline", lead.pipeline_id)
    while True:
        # The locks of a try that failed must go, or the next one would take a pipeline's behind the lead's.
        with transaction.atomic():
            stages = stages_to_enter(pipeline) if pipeline else None
            locked = lock(Lead, lead.pk)
            if "pipeline" in values or locked.pipeline_id == pipeline:
                return Locked(locked, stages)
            transaction.set_rollback(True)
        pipeline = locked.pipeline_id


def delete_lead(lead: Lead, *, by: User, now: datetime) -> None:
    """Three queries. Raises NotFound when it is deleted meanwhile."""
    with transaction.atomic():
        delete_record(Entity.LEAD, lock(Lead, lead.pk), by=by, now=now)


def restore_lead(lead: Lead, *, by: User, now: datetime) -> None:
    """Bring a lead back; into the first stage when its own was removed meanwhile. Raises PipelineDeleted."""
    with transaction.atomic():
        if lead.pipeline_id is not None:
            list(Pipeline.objects.select_for_update().filter(pk=lead.pipeline_id).values_list("pk"))
        locked = Lead.objects.select_for_update(of=("self",)).get(pk=lead.pk)
        if locked.deleted_at is None:
            return
        if locked.pipeline is not None and locked.pipeline.deleted_at is not None:
            raise PipelineDeleted
        restore_record(Entity.LEAD, locked, by=by, now=now)
        _back_into_a_stage(locked, by=by, now=now)


def reassign_leads(*, from_user: int, to_user: int, by: User, now: datetime) -> int:
    """Hand all live leads of one person to another; gives how many. An event for each lead.

    Five queries, and two more for each further thousand. Raises Invalid on `from_user`, `to_user`.
    """
    if not User.objects.filter(pk=from_user).exists():
        raise unknown("from_user", from_user)
    if from_user == to_user:
        raise Invalid.on("to_user", "Choose somebody else.")
    if not is_active_office_user(to_user):
        raise Invalid.on("to_user", _NOT_RESPONSIBLE)
    with transaction.atomic():
        rows = Lead.objects.live().filter(responsible=from_user).select_for_update(of=("self",)).order_by("pk")
        leads = list(rows.values_list("pk", flat=True))
        for some in in_batches(leads):
            Lead.objects.filter(pk__in=some).update(responsible=to_user, updated_at=now)
        before, after = {"responsible": from_user}, {"responsible": to_user}
        events = [
            new_event("lead.updated", subject=Lead(pk=pk), actor=by, at=now, before=before, after=after) for pk in leads
        ]
        record_all(events)
    return len(leads)


def unknown(field: str, pk: Any) -> Invalid:
    """The refusal of an id in a body that names nothing."""
    return Invalid.on(field, f'Invalid pk "{pk}" - object does not exist.')


_NOT_RESPONSIBLE = "Choose an active office user."


def _check_people(responsible: int | None, possible_client: UUID | None) -> None:
    """Refuse a responsible who is no active office user, and a client that is not there. A query for each."""
    if responsible is not None and not is_active_office_user(responsible):
        raise Invalid.on("responsible", _NOT_RESPONSIBLE)
    if possible_client is not None and not Client.objects.live().filter(pk=possible_client).exists():
        raise unknown("possible_client", possible_client)


def _is_moved(values: Mapping[str, Any]) -> bool:
    """Whether a body says where the lead stands. An empty stage says nothing."""
    return "pipeline" in values or bool(values.get("stage"))


def _place(lead: Lead, values: Mapping[str, Any], stages: list[str] | None) -> dict[str, Any]:
    """The pipeline and stage of a locked lead after a change. Raises Invalid on `stage`."""
    pipeline = values.get("pipeline", lead.pipeline_id)
    asked = values.get("stage") or ""
    stays = pipeline == lead.pipeline_id or pipeline is None
    if stays and asked in ("", lead.stage):
        return {"pipeline_id": pipeline, "stage": lead.stage}
    return {"pipeline_id": pipeline, "stage": stage_to_enter(asked, stages)}


def _back_into_a_stage(lead: Lead, *, by: User, now: datetime) -> None:
    names = stages_of(lead.pipeline_id) if lead.pipeline_id else []
    if names and same_stage(lead.stage, names) is None:
        own = {"stage": stage_to_enter(None, names)}
        change_record(Entity.LEAD, lead, {}, own, by=by, now=now)
        keep_stage(lead, by=by, now=now)
