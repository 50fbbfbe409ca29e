"""Contract A §6: follow-ups, below the address of their student; a deleted student has none."""

from __future__ import annotations

from typing import Any

from django.db.models import UUIDField
from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.follow_ups import (
    change_follow_up,
    create_follow_up,
    delete_follow_up,
    restore_follow_up,
)
from tandem.academy.api.answers import FOLLOW_UP
from tandem.academy.api.clients import NEWEST_FIRST
from tandem.academy.api.filters import by_attribute
from tandem.academy.api.history import history_of_record
from tandem.academy.api.inputs import AttributesField
from tandem.academy.api.records import deleted_or_live
from tandem.academy.models import Entity, FollowUp, Student
from tandem.accounts.access import ADMIN, caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import Defaulting, MomentField
from tandem.common.reading.listing import Listing
from tandem.common.reading.statement import Param, adapted
from tandem.common.rendering import empty_answer

_KEY = UUIDField()


def _of_student(viewer: Any) -> Any:
    student: Any = Param("student", _KEY)
    return FollowUp.objects.filter(student=student, student__deleted_at=None)


def _live(viewer: Any) -> Any:
    return _of_student(viewer).filter(deleted_at=None)


def _deleted(viewer: Any) -> Any:
    return _of_student(viewer).exclude(deleted_at=None)


_FILTERS = by_attribute(Entity.FOLLOW_UP)
FOLLOW_UPS = Listing(FOLLOW_UP, _live, _FILTERS, NEWEST_FIRST)
DELETED_FOLLOW_UPS = Listing(FOLLOW_UP, _deleted, _FILTERS, NEWEST_FIRST)
HISTORY = history_of_record(Entity.FOLLOW_UP)


class FollowUpIn(Defaulting):
    """`service` and `user` are no part of it: the address names the student, the caller is the user."""

    defaults = ("comment",)

    follow_up_date = MomentField(required=False, allow_null=True)
    comment = serializers.CharField(max_length=20_000, required=False, allow_null=True, allow_blank=True)
    attributes = AttributesField(required=False, allow_null=True)


class _BelowStudent(Endpoint):
    """What all these addresses share: the student that they begin with."""

    def bound(self) -> dict[str, Any]:
        return {"student": adapted(self.kwargs["student"], _KEY)}

    def student(self) -> Student:
        return find(Student.objects.live(), self.kwargs["student"])

    def found(self, pk: Any, *, among: Any = None) -> FollowUp:
        """A follow-up of this student; live ones unless others are given."""
        rows = FollowUp.objects.live() if among is None else among
        return find(rows.filter(student=self.kwargs["student"], student__deleted_at=None), pk)


class FollowUpList(_BelowStudent):
    @operation(may("view", "followup"), gives=FOLLOW_UPS)
    def get(self, request: Request, student: Any) -> HttpResponse:
        """The follow-ups of a student, newest first; `?attributes.<name>=` narrows; `?deleted=true` (admins)."""
        self.student()
        return deleted_or_live(self, request, FOLLOW_UPS, DELETED_FOLLOW_UPS, **self.bound())

    @operation(may("add", "followup"), takes=FollowUpIn, gives=FOLLOW_UP, status=201)
    def post(self, request: Request, student: Any, body: dict[str, Any]) -> HttpResponse:
        """Note a contact with a student."""
        made = create_follow_up(self.student(), body, by=caller(request), now=moments.now())
        return self.record(FOLLOW_UP, made.pk, status=201)


class FollowUpDetail(_BelowStudent):
    shows, rows = FOLLOW_UP, staticmethod(_live)

    @operation(may("view", "followup"), gives=FOLLOW_UP)
    def get(self, request: Request, student: Any, pk: Any) -> HttpResponse:
        """A follow-up."""
        return self.detail(request, pk)

    @operation(may("change", "followup"), takes=FollowUpIn, gives=FOLLOW_UP)
    def put(self, request: Request, student: Any, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a follow-up; absent fields stay as they are."""
        return self.patch(request, student, pk, body)

    @operation(may("change", "followup"), takes=FollowUpIn, gives=FOLLOW_UP)
    def patch(self, request: Request, student: Any, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a follow-up; attributes are merged."""
        change_follow_up(self.found(pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "followup"))
    def delete(self, request: Request, student: Any, pk: Any) -> HttpResponse:
        """Delete a follow-up."""
        delete_follow_up(self.found(pk), by=caller(request), now=moments.now())
        return empty_answer()


class FollowUpRestore(_BelowStudent):
    # With If-Match it is looked for whether it is deleted or not.
    shows, rows = FOLLOW_UP, staticmethod(_of_student)

    @operation(ADMIN, gives=FOLLOW_UP)
    def post(self, request: Request, student: Any, pk: Any) -> HttpResponse:
        """Bring a deleted follow-up back."""
        restore_follow_up(self.found(pk, among=FollowUp.objects.all()), by=caller(request), now=moments.now())
        return self.detail(request, pk)

    def lock(self, pk: Any) -> None:
        """The student before the follow-up, as the action does."""
        list(Student.objects.select_for_update(no_key=True).filter(pk=self.kwargs["student"]).values_list("pk"))
        super().lock(pk)


class FollowUpHistory(_BelowStudent):
    @operation(may("view", "followup"), gives=HISTORY)
    def get(self, request: Request, student: Any, pk: Any) -> HttpResponse:
        """Everything that happened to a follow-up, newest first; for admins also to a deleted one, or student."""
        if ADMIN.allows(request.user):
            found: FollowUp = find(FollowUp.objects.filter(student=student), pk)
        else:
            found = self.found(pk)
        return self.page(request, HISTORY, subject=str(found.pk))
