"""The records that are tried: one's own, another's, a missing and a deleted one of every kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from tandem.academy.models import (
    Attribute,
    Client,
    Cohort,
    Enrollment,
    EnrollmentDetail,
    FollowUp,
    Lead,
    Note,
    Pipeline,
    Student,
    Task,
    TransferRequest,
)
from tandem.common import moments
from tandem.fieldservice.models import ServiceEntry
from tandem.jobs.models import Job
from tandem.webhooks.models import Delivery, Webhook
from tandem.webhooks.models.webhook import sealed_text
from tandem.webhooks.signing import new_secret
from tests.cast import card_of, newcomer, person, visit_to

OWN, OTHER, MISSING, DELETED = "own", "other", "missing", "deleted"
NO_SUCH_ID = 10**9
NO_SUCH_UUID = UUID("8d7c2f5e-0000-4000-8000-000000000000")


def records() -> dict[str, dict[str, Any]]:
    """noun → target → id. "own" belongs to Chitra and is Wasim's work; "other" is Deepak's and nobody's work yet."""
    now, today = moments.now(), moments.today()
    wasim = person("wasim")
    own, other = card_of(person("chitra")), card_of(person("deepak"))
    gone = card_of(person("chitra"), deleted_at=now)
    assigned = visit_to(own, on=today + timedelta(days=1), status="assigned", assigned_to=wasim)
    unassigned = visit_to(other, on=today + timedelta(days=1))
    done = {"status": "completed", "completed_at": now, "completed_on": today}
    finished = visit_to(own, on=today, assigned_to=wasim, **done)
    others_finished = visit_to(other, on=today, **done)
    for visit in (finished, others_finished):
        ServiceEntry.objects.create(visit=visit, performed_by=wasim, created_at=now)
    user = newcomer("Somebody")
    job = Job.objects.create(kind="import", by=person("chitra"), content=b"", created_at=now, next_attempt_at=now)
    return {
        "card": {OWN: own.pk, OTHER: other.pk, MISSING: NO_SUCH_ID, DELETED: gone.pk},
        "visit": {OWN: assigned.pk, OTHER: unassigned.pk, MISSING: NO_SUCH_ID},
        "finished": {OWN: finished.pk, OTHER: others_finished.pk, MISSING: NO_SUCH_ID},
        "user": {OTHER: user.pk, MISSING: NO_SUCH_ID},
        "job": {OWN: job.pk, MISSING: NO_SUCH_UUID},
        **_academy(),
        **_webhooks(),
    }


def _webhooks() -> dict[str, dict[str, Any]]:
    now = moments.now()
    made = {
        "model": "Lead",
        "url": "http://127.0.0.1/",
        "sealed_secret": sealed_text(new_secret()),
        "is_active": False,
        "events": ["created"],
    }
    kept = Webhook.objects.create(name="Kept", created_at=now, updated_at=now, **made)
    gone = Webhook.objects.create(name="Gone", created_at=now, updated_at=now, deleted_at=now, **made)
    told = Delivery.objects.create(
        webhook=kept, sequence=1, record="x", body='{"data":{}}', next_attempt_at=now, created_at=now
    )
    return {
        "webhook": {OWN: kept.pk, DELETED: gone.pk, MISSING: NO_SUCH_UUID},
        "delivery": {OWN: told.pk},
    }


def _academy() -> dict[str, dict[str, Any]]:
    """Contract A has no owners: who may see one kind of record, sees every live one. Each has a task and a note."""
    now = moments.now()
    gone = {"deleted_at": now}
    made: dict[str, Any] = {"created_at": now, "updated_at": now}
    of = Client.objects.create(name="Has students", **made)
    student = Student.objects.create(name="Jane", client=of, **made)
    below = {"student": student, "user": person("asha")}
    defined = {"entity": "client", "label": "x", "type": "text", **made}
    found: dict[str, list[Any]] = {
        "client": [Client.objects.create(name="Acme", **made, **other) for other in ({}, gone)],
        "student": [student, Student.objects.create(name="Gone", client=of, **made, **gone)],
        "follow_up": [FollowUp.objects.create(**below, **made, **other) for other in ({}, gone)],
        "attribute": [Attribute.objects.create(name=name, **defined) for name in ("kept", "gone")],
        "pipeline": [Pipeline.objects.create(name="Sales", **made, **other) for other in ({}, gone)],
        "lead": [Lead.objects.create(name="Jo", stage="New", **made, **other) for other in ({}, gone)],
    }
    Attribute.objects.filter(name="gone").update(**gone)
    found |= _teaching(of, made, gone)
    for entity, noun in (("client", "client"), ("service", "student"), ("lead", "lead")):
        item = {"entity": entity, "record": found[noun][0].pk, "position": 0, "date_created": now}
        Task.objects.create(task="Call", **item)
        Note.objects.create(note="Called", date=now, **item)
    return {noun: {OWN: own.pk, DELETED: deleted.pk, MISSING: NO_SUCH_UUID} for noun, (own, deleted) in found.items()}


def _teaching(of: Client, made: dict[str, Any], gone: dict[str, Any]) -> dict[str, list[Any]]:
    """Of each kind one that can be deleted, and one that is."""
    people = [Student.objects.create(name=name, client=of, **made) for name in ("John", "Jim")]
    cohorts = [Cohort.objects.create(name_cohort=name, **made) for name in ("Winter", "Gone", "Used")]
    Cohort.objects.filter(name_cohort="Gone").update(**gone)
    taught = {"cohort": cohorts[2], **made}
    full = Enrollment.objects.create(pathway_name="Web", **taught)
    return {
        "cohort": cohorts[:2],
        "enrollment": [Enrollment.objects.create(pathway_name="Art", **taught, **other) for other in ({}, gone)],
        "seat": [
            EnrollmentDetail.objects.create(enrollment=full, student=one, **made, **other)
            for one, other in zip(people, ({}, gone), strict=True)
        ],
        "transfer": [
            TransferRequest.objects.create(student=one, cohort_request="Winter", **made, **other)
            for one, other in zip(people, ({}, gone), strict=True)
        ],
    }
