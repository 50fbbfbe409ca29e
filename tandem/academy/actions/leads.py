"""Writing leads. Contract A §5; CONTRACT §4 "Leads". The order of locks: see actions/stages.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models, transaction

from tandem.academy.actions.records import change_record, create_record, delete_record, lock, restore_record
from tandem.academy.actions.stages import (
    entry_of,
    in_batches,
    keep_stage,
    stages_of,
    stages_of_each,
    stages_to_enter,
)
from tandem.academy.actions.together import Draft, Together
from tandem.academy.models import Client, Entity, Lead, Pipeline
from tandem.academy.rules.stages import same_stage, stage_to_enter
from tandem.accounts.models import User
from tandem.accounts.queries import active_office_users, is_active_office_user
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


class LeadsTogether(Together[Lead]):
    entity, model = Entity.LEAD, Lead

    def read(self, drafts: Sequence[Draft], *, lock: bool) -> None:
        values = [draft.values for draft in drafts]
        self._office = active_office_users({one["responsible"] for one in values if one.get("responsible")})
        clients = {one["possible_client"] for one in values if one.get("possible_client")}
        self._clients = set(Client.objects.live().filter(pk__in=clients).values_list("pk", flat=True))
        self._moved = {draft.existing for draft in drafts if draft.existing and _is_moved(draft.values)}
        stand_in = Lead.objects.filter(pk__in=self._moved).values_list("pipeline_id", flat=True)
        self._asked = {*stand_in, *(one.get("pipeline") for one in values)}
        self._stages = stages_of_each([pk for pk in self._asked if pk is not None], share=lock)

    def covers(self, stored: Iterable[Lead]) -> bool:
        return all(lead.pipeline_id in (None, *self._asked) for lead in stored if lead.pk in self._moved)

    def made(self, values: Mapping[str, Any]) -> Lead:
        self._check_people(values.get("responsible"), values.get("possible_client"))
        return _made(values, self._stages_in(values.get("pipeline")))

    def changes(self, record: Lead, values: Mapping[str, Any]) -> dict[str, Any]:
        self._check_people(*_new_people(record, values))
        own = _own(values)
        if _is_moved(values):
            own |= _place(record, values, self._stages_in(values.get("pipeline", record.pipeline_id)))
        return own

    def told(self, made: Lead, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**values, "stage": made.stage}

    def beside(self, record: Lead, changed: Collection[str] | None, *, by: User, now: datetime) -> list[models.Model]:
        entered = changed is None or "pipeline" in changed or "stage" in changed
        return [entry_of(record, by=by, now=now)] if entered else []

    def _check_people(self, responsible: int | None, client: UUID | None) -> None:
        _check_people(responsible, client, self._office.__contains__, self._clients.__contains__)

    def _stages_in(self, pipeline: UUID | None) -> list[str] | None:
        if pipeline is not None and pipeline not in self._stages:
            raise Invalid.unknown("pipeline", pipeline)
        return self._stages[pipeline] if pipeline is not None else None


def create_lead(values: Mapping[str, Any], *, by: User, now: datetime) -> Lead:
    """values: the checked body; `responsible`, `pipeline`, `possible_client` are ids. Nine queries and two a list.

    Raises Invalid.
    """
    _check_people(values.get("responsible"), values.get("possible_client"))
    with transaction.atomic():
        pipeline = values.get("pipeline")
        lead = _made(values, stages_to_enter(pipeline) if pipeline else None)
        create_record(Entity.LEAD, lead, {**values, "stage": lead.stage}, by=by, now=now)
        keep_stage(lead, by=by, now=now)
    return lead


def change_lead(lead: Lead, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay. Raises Invalid, NotFound when it is deleted meanwhile."""
    _check_people(*_new_people(lead, values))
    own = _own(values)
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
        locked = locked_to_restore(lead)
        if locked.deleted_at is None:
            return
        if locked.pipeline is not None and locked.pipeline.deleted_at is not None:
            raise PipelineDeleted
        restore_record(Entity.LEAD, locked, by=by, now=now)
        _back_into_a_stage(locked, by=by, now=now)


def locked_to_restore(lead: Lead) -> Lead:
    """Lock a lead, live or deleted; before it the pipeline that it stands in. Two queries."""
    if lead.pipeline_id is not None:
        list(Pipeline.objects.select_for_update(no_key=True).filter(pk=lead.pipeline_id).values_list("pk"))
    return Lead.objects.select_for_update(of=("self",), no_key=True).get(pk=lead.pk)


def reassign_leads(*, from_user: int, to_user: int, by: User, now: datetime) -> int:
    """Hand all live leads of one person to another; gives how many. An event for each lead.

    Five queries, and two more for each further thousand. Raises Invalid on `from_user`, `to_user`.
    """
    if not User.objects.filter(pk=from_user).exists():
        raise Invalid.unknown("from_user", from_user)
    if from_user == to_user:
        raise Invalid.on("to_user", "Choose somebody else.")
    if not is_active_office_user(to_user):
        raise Invalid.on("to_user", _NOT_RESPONSIBLE)
    with transaction.atomic():
        rows = (
            Lead.objects.live()
            .filter(responsible=from_user)
            .select_for_update(of=("self",), no_key=True)
            .order_by("pk")
        )
        leads = list(rows.values_list("pk", flat=True))
        for some in in_batches(leads):
            Lead.objects.filter(pk__in=some).update(responsible=to_user, updated_at=now)
        before, after = {"responsible": from_user}, {"responsible": to_user}
        events = [
            new_event("lead.updated", subject=Lead(pk=pk), actor=by, at=now, before=before, after=after) for pk in leads
        ]
        record_all(events)
    return len(leads)


_NOT_RESPONSIBLE = "Choose an active office user."


def _is_live_client(pk: UUID) -> bool:
    return bool(Client.objects.live().filter(pk=pk).exists())


def _check_people(
    responsible: int | None,
    possible_client: UUID | None,
    is_office_user: Callable[[int], bool] = is_active_office_user,
    is_client: Callable[[UUID], bool] = _is_live_client,
) -> None:
    """Refuse a responsible who is no active office user, and a client that is not there. A query for each."""
    if responsible is not None and not is_office_user(responsible):
        raise Invalid.on("responsible", _NOT_RESPONSIBLE)
    if possible_client is not None and not is_client(possible_client):
        raise Invalid.unknown("possible_client", possible_client)


def _new_people(lead: Lead, values: Mapping[str, Any]) -> tuple[int | None, UUID | None]:
    """The responsible and the client that a change gives to a lead; None for none, or the same.

    What clients send back unchanged is not judged anew: a colleague may have left since.
    """
    responsible, client = values.get("responsible"), values.get("possible_client")
    return (
        responsible if responsible != lead.responsible_id else None,
        client if client != lead.possible_client_id else None,
    )


def _made(values: Mapping[str, Any], stages: list[str] | None) -> Lead:
    """A new lead, not saved. stages: of its pipeline. Raises Invalid on `stage`."""
    return Lead(
        name=values["name"],
        responsible_id=values.get("responsible"),
        pipeline_id=values.get("pipeline"),
        stage=stage_to_enter(values.get("stage"), stages),
        possible_client_id=values.get("possible_client"),
        moodle_course_id=values.get("moodle_course_id") or "",
    )


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: values[name] or "" for name in _OWN if name in values}
    return own | {f"{name}_id": values[name] for name in ("responsible", "possible_client") if name in values}


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
