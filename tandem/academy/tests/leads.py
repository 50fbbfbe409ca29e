"""Stored pipelines and leads for tests."""

from __future__ import annotations

from typing import Any

from tandem.academy.models import Client, Lead, Pipeline, Stage, StageChange
from tandem.common import moments


def pipeline(name: str = "B2B Sales", stages: str = "New Talking Won") -> Pipeline:
    """stages: their names, with spaces between."""
    made = Pipeline.objects.create(name=name, **_made())
    for position, stage in enumerate(stages.split(), start=1):
        Stage.objects.create(pipeline=made, name=stage, color="#111111", position=position)
    return made


def lead(
    name: str = "Potential Student", *, of: Pipeline | None = None, stage: str = "Prospecting", **other: Any
) -> Lead:
    made = Lead.objects.create(name=name, pipeline=of, stage=stage, **_made(), **other)
    StageChange.objects.create(lead=made, stage=stage, pipeline=of, entered_at=made.created_at)
    return made


def client(name: str = "Acme Corp", **other: Any) -> Client:
    return Client.objects.create(name=name, **_made(), **other)


def _made() -> dict[str, Any]:
    now = moments.now()
    return {"created_at": now, "updated_at": now}
