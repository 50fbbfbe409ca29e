"""Stored cohorts, enrollments and students for tests."""

from __future__ import annotations

from typing import Any

from tandem.academy.models import Client, Cohort, Enrollment, Student
from tandem.common import moments


def cohort(name: str = "Winter 2026", **other: Any) -> Cohort:
    return Cohort.objects.create(name_cohort=name, **_made(), **other)


def enrollment(of: Cohort | None = None, pathway: str = "Data Science", **other: Any) -> Enrollment:
    return Enrollment.objects.create(cohort=of or cohort(), pathway_name=pathway, **_made(), **other)


def student(name: str = "Jane Doe", **other: Any) -> Student:
    client = Client.objects.first() or Client.objects.create(name="Acme Corp", **_made())
    return Student.objects.create(name=name, client=client, **_made(), **other)


def _made() -> dict[str, Any]:
    now = moments.now()
    return {"created_at": now, "updated_at": now}
