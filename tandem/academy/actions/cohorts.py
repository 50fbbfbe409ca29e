"""Writing cohorts. Contract A §7; CONTRACT §4 "Cohorts"."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from tandem.academy.actions.records import delete_record, lock, restore_record
from tandem.academy.models import Cohort, Enrollment, Student, TransferRequest, TransferStatus
from tandem.accounts.models import User
from tandem.accounts.queries import is_active_office_user
from tandem.common.errors import Conflict, Invalid
from tandem.events.changes import change
from tandem.events.record import record


class CohortInUse(Conflict):
    code = "cohort_in_use"
    message = "This cohort is in use: it has enrollments or students, or a transfer into it is approved."


def create_cohort(values: Mapping[str, Any], *, by: User, now: datetime) -> Cohort:
    """values: checked fields, `instructor` an id. Up to four queries. Raises Invalid."""
    _check_dates(values)
    with transaction.atomic():
        given = {**values}
        instructor = known_instructor(given.pop("instructor", None))
        cohort = Cohort(
            id=uuid.uuid4(), instructor_id=instructor, **given, created_by=by, created_at=now, updated_at=now
        )
        cohort.save(force_insert=True)
        after = {name: value for name, value in values.items() if value is not None}
        record("cohort.created", subject=cohort, actor=by, at=now, after=after)
    return cohort


def change_cohort(cohort: Cohort, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay, and so does an instructor who has left. Raises Invalid."""
    with transaction.atomic():
        locked = lock(Cohort, cohort.pk)
        _check_dates({"start_date": locked.start_date, "end_date": locked.end_date, **values})
        before, after = change(locked, at=now, **with_instructor(values, locked.instructor_id))
        if after:
            record("cohort.updated", subject=locked, actor=by, at=now, before=before, after=after)


def delete_cohort(cohort: Cohort, *, by: User, now: datetime) -> None:
    """Take a cohort out of every list. Six queries. Raises CohortInUse with how many things hold it.

    A wish that is not decided does not hold it: whoever approves names another cohort.
    """
    with transaction.atomic():
        # Adding an enrollment and moving a student here lock the same row, so none can appear after this look.
        locked = lock(Cohort, cohort.pk)
        to_come = Q(status=TransferStatus.APPROVED, moved_at=None)
        held = {
            "enrollments": Enrollment.objects.live().filter(cohort=locked).count(),
            "students": Student.objects.live().filter(actual_cohort=locked).count(),
            "transfers": TransferRequest.objects.live().filter(to_come, target_cohort=locked).count(),
        }
        if any(held.values()):
            raise CohortInUse(count=sum(held.values()), **held)
        delete_record("cohort", locked, by=by, now=now)


def restore_cohort(cohort: Cohort, *, by: User, now: datetime) -> None:
    """Three queries."""
    with transaction.atomic():
        restore_record(
            "cohort", Cohort.objects.select_for_update(of=("self",), no_key=True).get(pk=cohort.pk), by=by, now=now
        )


def with_instructor(values: Mapping[str, Any], present: int | None) -> dict[str, Any]:
    """The values of a change with `instructor_id`; the present one may stay, also when that person has left.

    Raises Invalid on `instructor`. One query for another instructor.
    """
    given = dict(values)
    if "instructor" in given:
        asked = given.pop("instructor")
        given["instructor_id"] = present if asked == present else known_instructor(asked)
    return given


def known_instructor(pk: int | None) -> int | None:
    """Raises Invalid on `instructor` for who is no active office user. One query."""
    if pk is not None and not is_active_office_user(pk):
        raise Invalid.on("instructor", "Choose an active office user.")
    return pk


def _check_dates(values: Mapping[str, Any]) -> None:
    starts_on, ends_on = values.get("start_date"), values.get("end_date")
    if starts_on and ends_on and ends_on < starts_on:
        raise Invalid.on("end_date", "This day lies before the start.")
