"""What clients, students and leads have in common over HTTP: single tasks and notes, restore, history.

A whole-list write is the resource's own PATCH; these endpoints change one item and lose nobody's work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.items import NoSuchItem, TooManyItems
from tandem.academy.actions.records import add_to, change_in, delete_from
from tandem.academy.api.history import history_of_record
from tandem.academy.api.inputs import NoteItem, TaskItem
from tandem.academy.api.record_files import files_of
from tandem.academy.models import Entity, Note, Task
from tandem.academy.models.record import Described
from tandem.accounts.access import ADMIN, caller
from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, Who, find, operation
from tandem.common.errors import Invalid, Refusal
from tandem.common.inputs import Input
from tandem.common.models import SoftDeleted
from tandem.common.reading.answer import Answer
from tandem.common.reading.listing import Listing
from tandem.events.history import history_of


@dataclass(frozen=True)
class Kept:
    """One kind of record that can be restored and has a history. entity: the first word of its events.

    right: its name in permissions. restore: brings a deleted one back. locks: locks what `restore` does, in its order,
    where that is more than the record itself.
    """

    entity: str
    model: type[SoftDeleted]
    answer: Answer
    right: str
    restore: Callable[..., None]
    locks: Callable[[Any], Any] | None = None

    def live(self) -> Any:
        return self.model._default_manager.filter(deleted_at=None)


@dataclass(frozen=True)
class Resource(Kept):
    """One kind of record with tasks and notes."""

    entity: Entity
    model: type[Described]


class UpdateTaskIn(TaskItem):
    """`task_id`; `id` does as well."""

    task_id = serializers.UUIDField(required=False, allow_null=True)


class NoteIdIn(NoteItem):
    """`id`; `note_id` does as well."""

    note_id = serializers.UUIDField(required=False, allow_null=True)


class TaskIdIn(Input):
    id = serializers.UUIDField(required=False, allow_null=True)
    task_id = serializers.UUIDField(required=False, allow_null=True)


class AddTaskIn(TaskItem):
    id = None  # type: ignore[assignment]  # a new item gets its own
    task = serializers.CharField(max_length=2000)


class AddNoteIn(NoteItem):
    id = None  # type: ignore[assignment]
    note = serializers.CharField(max_length=20_000)


def _id_in(body: dict[str, Any], name: str) -> Any:
    found = body.get(name) or body.get("id")
    if found is None:
        raise Invalid.on(name, "This field is required.")
    return found


def deleted_or_live(
    endpoint: Endpoint, request: Request, live: Listing, deleted: Listing, **bound: Any
) -> HttpResponse:
    """A list; with `?deleted=true`, for admins, the deleted ones instead. bound: as for `Endpoint.page`."""
    return endpoint.live_or_deleted(request, live, deleted, sees_deleted=ADMIN, **bound)


def paths_of(prefix: str, resource: Resource) -> list[URLPattern]:
    """The addresses of one kind of record below `<prefix><uuid:pk>/`."""
    change = may("change", resource.right)
    on = f"{prefix}<uuid:pk>/"
    return [
        path(f"{on}update-task/", _item_action(resource, change, UpdateTaskIn, _update_task, "update task")),
        path(f"{on}add-task/", _item_action(resource, change, AddTaskIn, _add_task, "add task", TooManyItems)),
        path(f"{on}delete-task/", _item_action(resource, change, TaskIdIn, _delete_task, "delete task")),
        path(f"{on}add-note/", _item_action(resource, change, AddNoteIn, _add_note, "add note", TooManyItems)),
        path(f"{on}update-note/", _item_action(resource, change, NoteIdIn, _update_note, "update note")),
        path(f"{on}delete-note/", _item_action(resource, change, NoteIdIn, _delete_note, "delete note")),
        path(f"{on}files/", files_of(resource)),
        *kept_paths_of(prefix, resource),
    ]


def kept_paths_of(prefix: str, resource: Kept) -> list[URLPattern]:
    """The addresses of what can be restored and has a history, below `<prefix><uuid:pk>/`."""
    on = f"{prefix}<uuid:pk>/"
    return [path(f"{on}restore/", _restore(resource)), path(f"{on}history/", _history(resource))]


Act = Callable[[Resource, Described, dict[str, Any], User, datetime], None]


def _update_task(resource: Resource, owner: Described, body: dict[str, Any], by: User, now: datetime) -> None:
    change_in(resource.entity, owner, Task, _id_in(body, "task_id"), body, by=by, now=now)


def _add_task(resource: Resource, owner: Described, body: dict[str, Any], by: User, now: datetime) -> None:
    add_to(resource.entity, owner, Task, body, by=by, now=now)


def _delete_task(resource: Resource, owner: Described, body: dict[str, Any], by: User, now: datetime) -> None:
    delete_from(resource.entity, owner, Task, _id_in(body, "task_id"), by=by, now=now)


def _add_note(resource: Resource, owner: Described, body: dict[str, Any], by: User, now: datetime) -> None:
    add_to(resource.entity, owner, Note, body, by=by, now=now)


def _update_note(resource: Resource, owner: Described, body: dict[str, Any], by: User, now: datetime) -> None:
    values = {name: value for name, value in body.items() if not (name == "date" and value is None)}
    change_in(resource.entity, owner, Note, _id_in(body, "note_id"), values, by=by, now=now)


def _delete_note(resource: Resource, owner: Described, body: dict[str, Any], by: User, now: datetime) -> None:
    delete_from(resource.entity, owner, Note, _id_in(body, "note_id"), by=by, now=now)


def _item_action(
    resource: Resource, who: Who, form: type[Input], act: Act, title: str, refuses: type[Refusal] = NoSuchItem
) -> Any:
    class ItemAction(Endpoint):
        shows, rows = resource.answer, staticmethod(lambda viewer: resource.live())

        @operation(who, takes=form, gives=resource.answer, refuses=[refuses])
        def post(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
            act(resource, find(resource.live(), pk), body, caller(request), moments.now())
            return self.detail(request, pk)

    ItemAction.post.__doc__ = f"{title.capitalize()} of a record, atomically; answers the whole record."
    return ItemAction.as_view()


def _restore(resource: Kept) -> Any:
    class Restore(Endpoint):
        # With If-Match a record is looked for whether it is deleted or not.
        shows, rows = resource.answer, staticmethod(lambda viewer: resource.model._default_manager.all())

        @operation(ADMIN, gives=resource.answer)
        def post(self, request: Request, pk: Any) -> HttpResponse:
            """Bring a deleted record back, with what the same deletion took along."""
            resource.restore(find(resource.model._default_manager.all(), pk), by=caller(request), now=moments.now())
            return self.detail(request, pk)

        def lock(self, pk: Any) -> None:
            if resource.locks is None:
                super().lock(pk)
            else:
                resource.locks(find(resource.model._default_manager.all(), pk))

    return Restore.as_view()


def _history(resource: Kept) -> Any:
    entity = resource.entity
    listing = history_of_record(Entity(entity)) if isinstance(resource, Resource) else history_of(entity)

    class History(Endpoint):
        @operation(may("view", resource.right), gives=listing)
        def get(self, request: Request, pk: Any) -> HttpResponse:
            """Everything that happened to a record, newest first; for admins also to a deleted one."""
            among = resource.model._default_manager.all() if ADMIN.allows(request.user) else resource.live()
            found: Any = find(among, pk)
            return self.page(request, listing, subject=str(found.pk))

    return History.as_view()
