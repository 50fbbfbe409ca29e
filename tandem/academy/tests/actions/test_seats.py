"""Seating a student. CONTRACT §4 "Details"."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.actions.enrollments import AlreadyEnrolled, seat_student
from tandem.academy.models import EnrollmentDetail
from tandem.academy.tests.teaching import cohort, enrollment, student
from tandem.common import moments
from tandem.common.errors import Invalid
from tandem.events.models import Event
from tests.cast import person

pytestmark = pytest.mark.django_db


def seat(who: Any, into: Any) -> EnrollmentDetail:
    return seat_student(who, enrollment=into, by=person("asha"), now=moments.now())


def test_the_first_seat_sets_both_cohorts_and_later_ones_move_the_actual_one() -> None:
    jane, first, second = student(), enrollment(cohort("First")), enrollment(cohort("Second"))
    made = seat(jane, first)
    jane.refresh_from_db()
    assert (jane.origin_cohort, jane.actual_cohort) == (first.cohort, first.cohort)
    seat(jane, second)
    jane.refresh_from_db()
    assert (jane.origin_cohort, jane.actual_cohort) == (first.cohort, second.cohort)
    assert list(Event.objects.order_by("id").values_list("type", "subject_id"))[:2] == [
        ("enrollment_detail.created", str(made.pk)),
        ("service.updated", str(jane.pk)),
    ]
    told = Event.objects.filter(type="service.updated").order_by("id")
    assert [event.after for event in told] == [
        {"actual_cohort": str(first.cohort_id), "origin_cohort": str(first.cohort_id)},
        {"actual_cohort": str(second.cohort_id)},
    ]


def test_a_second_pathway_of_the_same_cohort_changes_nothing_about_the_student() -> None:
    jane, one = student(), cohort()
    seat(jane, enrollment(one))
    seat(jane, enrollment(one, "Web"))
    assert Event.objects.filter(type="service.updated").count() == 1


def test_a_student_sits_once_in_an_enrollment() -> None:
    jane, into = student(), enrollment()
    seat(jane, into)
    with pytest.raises(AlreadyEnrolled):
        seat(jane, into)
    assert EnrollmentDetail.objects.count() == 1


@pytest.mark.parametrize("gone", ["student", "enrollment"])
def test_what_was_deleted_meanwhile_is_refused_by_name(gone: str) -> None:
    known = {"student": student(), "enrollment": enrollment()}
    known[gone].mark_deleted(now=moments.now())
    with pytest.raises(Invalid) as refused:
        seat(known["student"], known["enrollment"])
    assert list(refused.value.fields) == [gone]
    assert not EnrollmentDetail.objects.exists()
