"""Writing enrollments, and the seats of students in them. Contract A §8, §9; CONTRACT §4 "Enrollments", "Details".

Locks are taken in this order: transfer request, student, cohort, enrollment, seat. All that moves a student holds the
student's row, so seats, transfers and removals of one student stand in one order.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from tandem.academy.actions.cohorts import known_instructor, with_instructor
from tandem.academy.actions.records import delete_record, lock, restore_record
from tandem.academy.models import Cohort, DetailStatus, Enrollment, EnrollmentAssistant, EnrollmentDetail, Student
from tandem.accounts.models import User
from tandem.common.errors import Conflict, Invalid, NotFound
from tandem.events.changes import change
from tandem.events.record import record


class AlreadyEnrolled(Conflict):
    code = "already_enrolled"
    message = "This student is in this enrollment already."


class EnrollmentInUse(Conflict):
    code = "enrollment_in_use"
    message = "This enrollment has students. Transfer them, or take them out of it first."


class CohortDeleted(Conflict):
    code = "cohort_deleted"
    message = "The cohort of this enrollment is deleted. Restore the cohort first."


class EnrollmentDeleted(Conflict):
    code = "enrollment_deleted"
    message = "The enrollment or the student is deleted. Restore that first."


# --- enrollments -----------------------------------------------------------------------------------------------------
def create_enrollment(values: Mapping[str, Any], *, by: User, now: datetime) -> Enrollment:
    """values: checked fields, `cohort` and `instructor` ids, `teaching_assistants` a list of {id}. Raises Invalid."""
    given = dict(values)
    assistants = given.pop("teaching_assistants", None) or []
    with transaction.atomic():
        given["cohort"] = locked_cohort(given["cohort"], field="cohort")
        given["instructor_id"] = known_instructor(given.pop("instructor", None))
        made = Enrollment(id=uuid.uuid4(), **given, created_by=by, created_at=now, updated_at=now)
        made.save(force_insert=True)
        _, helped_by = _write_assistants(made, assistants)
        after = {name: value for name, value in {**values, "teaching_assistants": helped_by}.items() if value}
        record("enrollment.created", subject=made, actor=by, at=now, after=after)
    return made


def change_enrollment(enrollment: Enrollment, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay, and so do an instructor and assistants who have left.

    Raises Invalid, and EnrollmentInUse for another cohort when students are or were in it: a transfer moves them.
    """
    given = dict(values)
    assistants = given.pop("teaching_assistants", ...)
    with transaction.atomic():
        if "cohort" in given:
            given["cohort"] = locked_cohort(given["cohort"], field="cohort")
        locked = lock(Enrollment, enrollment.pk)
        if "cohort" in given and given["cohort"].pk != locked.cohort_id:
            _refuse_while_in_use(locked, counting=DetailStatus.values)
        before, after = change(locked, at=now, **with_instructor(given, locked.instructor_id))
        if assistants is not ...:
            old, new = _write_assistants(locked, assistants or [])
            if old != new:
                before, after = {**before, "teaching_assistants": old}, {**after, "teaching_assistants": new}
                change(locked, updated_at=now)
        if after:
            record("enrollment.updated", subject=locked, actor=by, at=now, before=before, after=after)


def delete_enrollment(enrollment: Enrollment, *, by: User, now: datetime) -> None:
    """Take an enrollment out of every list. Raises EnrollmentInUse with the number of its students.

    Seats of deleted students, which nobody sees, go along, and come back with it.
    """
    with transaction.atomic():
        locked = lock(Enrollment, enrollment.pk)
        _refuse_while_in_use(locked, counting=[DetailStatus.ACTIVE])
        deletion = uuid.uuid4()
        EnrollmentDetail.objects.filter(enrollment=locked, deleted_at=None).exclude(student__deleted_at=None).update(
            deleted_at=now, deletion=deletion
        )
        delete_record("enrollment", locked, by=by, now=now, deletion=deletion)


def restore_enrollment(enrollment: Enrollment, *, by: User, now: datetime) -> None:
    """Bring an enrollment back, with the seats that went along; their students, where they are back already, sit there.

    Six queries, and up to eight for each of these students. Raises CohortDeleted.
    """
    with transaction.atomic():
        locked, students = locked_to_restore(enrollment)
        if locked.deletion is not None:
            EnrollmentDetail.objects.filter(deletion=locked.deletion).update(deleted_at=None, deletion=None)
        restore_record("enrollment", locked, by=by, now=now)
        for student in students:
            settle(student, by=by, now=now)


def locked_to_restore(enrollment: Enrollment) -> tuple[Enrollment, list[Student]]:
    """Lock an enrollment, live or deleted; before it the students that come back with it, and the cohort.

    Three queries. Raises CohortDeleted.
    """
    students = _students_of(enrollment)
    cohort = Cohort.objects.select_for_update(of=("self",), no_key=True).get(pk=enrollment.cohort_id)
    if cohort.deleted_at is not None:
        raise CohortDeleted
    return Enrollment.objects.select_for_update(of=("self",), no_key=True).get(pk=enrollment.pk), students


def _students_of(deleted: Enrollment) -> list[Student]:
    """The live students whose seats went along with an enrollment, locked."""
    if deleted.deletion is None:
        return []
    of_seats = EnrollmentDetail.objects.filter(deletion=deleted.deletion, enrollment=deleted).values("student")
    return list(
        Student.objects.live().filter(pk__in=of_seats).select_for_update(of=("self",), no_key=True).order_by("pk")
    )


def _refuse_while_in_use(locked: Enrollment, *, counting: Collection[str]) -> None:
    """counting: the states of seats. Closed ones hold the cohort only: it tells where a student has been."""
    count = EnrollmentDetail.objects.live().filter(enrollment=locked, status__in=counting).count()
    if count:
        raise EnrollmentInUse(count=count)


def _write_assistants(locked: Enrollment, given: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Replace the assistants; gives their ids before and after, in order. Raises Invalid for a new one who is not an
    active user. Up to four queries."""
    wanted = list(dict.fromkeys(item["id"] for item in given))
    rows = EnrollmentAssistant.objects.filter(enrollment=locked)
    known = list(rows.order_by("position", "id").values_list("user_id", flat=True))
    if wanted == known:
        return known, known
    new = [pk for pk in wanted if pk not in known]
    active = set(User.objects.filter(pk__in=new, is_active=True).values_list("pk", flat=True))
    wrong = [pk for pk in new if pk not in active]
    if wrong:
        raise Invalid.on("teaching_assistants", f"There is no active user with the id {wrong[0]}.")
    rows.delete()
    EnrollmentAssistant.objects.bulk_create(
        EnrollmentAssistant(enrollment=locked, user_id=pk, position=place) for place, pk in enumerate(wanted)
    )
    return known, wanted


# --- seats -----------------------------------------------------------------------------------------------------------
def seat_student(student: Student, *, enrollment: Enrollment, by: User, now: datetime) -> EnrollmentDetail:
    """Put a student into an enrollment; the student's cohort becomes the enrollment's.

    The first seat of a student also sets the cohort of origin, for ever. Two events: `enrollment_detail.created`, and
    `service.updated` when the student's cohorts changed. Locks the student, then the enrollment; takes part in the
    caller's transaction if there is one. Seven queries. The instances that were given stay as they were.
    Raises Invalid on `student` or `enrollment` when it was deleted meanwhile, and AlreadyEnrolled.
    """
    return enroll(student.pk, enrollment.pk, by=by, now=now)


def enroll(student_id: UUID, enrollment_id: UUID, *, by: User, now: datetime) -> EnrollmentDetail:
    """`seat_student`, by ids."""
    with transaction.atomic():
        student = locked_student(student_id)
        # Whoever deletes an enrollment holds its row too, so no seat appears in one that is going.
        enrollment = (
            Enrollment.objects.live().select_for_update(of=("self",), no_key=True).filter(pk=enrollment_id).first()
        )
        if enrollment is None:
            raise Invalid.unknown("enrollment", enrollment_id)
        if seats_of(student).filter(enrollment=enrollment).exists():
            raise AlreadyEnrolled
        seat = open_seat(student, enrollment, by=by, now=now)
        origin = {} if student.origin_cohort_id else {"origin_cohort_id": enrollment.cohort_id}
        place_student(student, {"actual_cohort_id": enrollment.cohort_id, **origin}, by=by, now=now)
    return seat


def delete_seat(seat: EnrollmentDetail, *, by: User, now: datetime) -> None:
    """Take a student out of an enrollment; the student's cohort becomes that of the newest other seat, or none.

    A seat that a transfer has closed is history and moves nobody. Raises NotFound. Six queries.
    """
    with transaction.atomic():
        student = lock(Student, seat.student_id)
        locked = lock(EnrollmentDetail, seat.pk)
        delete_record("enrollment_detail", locked, by=by, now=now)
        if locked.status == DetailStatus.ACTIVE:
            _place_by_seats(student, by=by, now=now)


def restore_seat(seat: EnrollmentDetail, *, by: User, now: datetime) -> None:
    """Put a student back. Raises EnrollmentDeleted, and AlreadyEnrolled when there is a newer seat. Eight queries."""
    with transaction.atomic():
        locked, student, enrollment = locked_seat_to_restore(seat)
        is_active = locked.status == DetailStatus.ACTIVE
        if locked.deleted_at is None:
            return
        if is_active and seats_of(student).filter(enrollment=enrollment).exists():
            raise AlreadyEnrolled
        restore_record("enrollment_detail", locked, by=by, now=now)
        if is_active:
            _place_by_seats(student, by=by, now=now)


def locked_seat_to_restore(seat: EnrollmentDetail) -> tuple[EnrollmentDetail, Student, Enrollment]:
    """Lock a seat, live or deleted; before it its student and enrollment. Three queries. Raises EnrollmentDeleted."""
    try:
        student, enrollment = lock(Student, seat.student_id), lock(Enrollment, seat.enrollment_id)
    except NotFound:
        raise EnrollmentDeleted from None
    return EnrollmentDetail.objects.select_for_update(of=("self",), no_key=True).get(pk=seat.pk), student, enrollment


def settle(student: Student, *, by: User, now: datetime) -> None:
    """Put a student who has just come back, or whose seat has, where the seats say; an event when that is elsewhere.

    Nobody counted a deleted student, so an enrollment or a cohort may have been deleted or changed meanwhile. A student
    whom a transfer brought into a cohort without a seat stays there as long as there is that cohort. The student's row
    is locked; so are the cohort and the enrollments then, for whoever deletes one of them looks at who is in it. Up to
    eight queries.
    """
    cohort = Cohort.objects.select_for_update(of=("self",), no_key=True).filter(students=student).first()
    own = EnrollmentDetail.objects.filter(student=student, status=DetailStatus.ACTIVE)
    list(
        Enrollment.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk__in=own.values("enrollment"))
        .order_by("pk")
    )
    taught_in = list(seats_of(student).values_list("enrollment__cohort", flat=True))
    present = student.actual_cohort_id
    if taught_in:
        place = present if present in taught_in else taught_in[0]
    elif cohort is None or cohort.deleted_at is not None:
        place = None
    else:
        went_along = own.exclude(deleted_at=None).exclude(enrollment__deleted_at=None).filter(enrollment__cohort=cohort)
        place = None if went_along.exists() else present
    place_student(student, {"actual_cohort_id": place}, by=by, now=now)


def locked_student(pk: Any) -> Student:
    """The live student, the row locked. Raises Invalid on `student`. One query."""
    try:
        return lock(Student, pk)
    except NotFound:
        raise Invalid.unknown("student", pk) from None


def locked_cohort(pk: Any, *, field: str) -> Cohort:
    """The live cohort, the row locked: nobody can delete it before what points at it is there. Raises Invalid."""
    try:
        return lock(Cohort, pk)
    except NotFound:
        raise Invalid.unknown(field, pk) from None


def seats_of(student: Student) -> Any:
    """The seats where the student is taught now, newest first."""
    active = EnrollmentDetail.objects.live().filter(student=student, status=DetailStatus.ACTIVE)
    return active.order_by("-created_at", "-id")


def open_seat(student: Student, enrollment: Enrollment, *, by: User | None, now: datetime) -> EnrollmentDetail:
    """Store a seat of a locked student in a locked enrollment, with its event. Two queries."""
    seat = EnrollmentDetail(
        id=uuid.uuid4(), enrollment=enrollment, student=student, created_by=by, created_at=now, updated_at=now
    )
    seat.save(force_insert=True)
    after = {"enrollment": enrollment.pk, "student": student.pk, "status": seat.status}
    record("enrollment_detail.created", subject=seat, actor=by, at=now, after=after)
    return seat


def place_student(student: Student, cohorts: Mapping[str, Any], *, by: User | None, now: datetime) -> None:
    """Set the cohorts of a locked student; an event when they differ. Two queries at most."""
    before, after = change(student, at=now, **cohorts)
    if after:
        record("service.updated", subject=student, actor=by, at=now, before=before, after=after)


def _place_by_seats(student: Student, *, by: User, now: datetime) -> None:
    newest = seats_of(student).select_related("enrollment").first()
    place_student(student, {"actual_cohort_id": newest.enrollment.cohort_id if newest else None}, by=by, now=now)
