"""Rating visits. Contract F §7; CONTRACT §3 "Feedback"."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from tandem.accounts.models import User
from tandem.common.errors import Conflict, Invalid
from tandem.events.record import record
from tandem.fieldservice.models import Feedback, Visit
from tandem.fieldservice.rules import states


class NotCompleted(Conflict):
    code = "not_completed"
    message = "This visit is not completed yet. You can rate it when it is."


class AlreadyRated(Conflict):
    code = "already_rated"
    message = "This visit was rated already."


def give_feedback(*, to: int, rating: int, comments: str, by: User, now: datetime) -> Feedback:
    """Rate a completed visit that was made for oneself, once. to: the visit's id; rating: 1 to 5. Four queries.

    Raises Invalid on `service` (no hint whether it exists), NotCompleted, AlreadyRated.
    """
    with transaction.atomic():
        # The lock lets a second rating that arrives together with the first one see it.
        rows = Visit.objects.filter(customer=by).select_for_update(of=("self",), no_key=True)
        visit = rows.filter(pk=to).first()
        if visit is None:
            raise Invalid.unknown("service", to)
        if visit.status != states.COMPLETED:
            raise NotCompleted
        if Feedback.objects.filter(visit=visit).exists():
            raise AlreadyRated
        feedback = Feedback.objects.create(visit=visit, rating=rating, comments=comments, created_at=now)
        after = {"service": visit.pk, "rating": rating, "comments": comments}
        record("feedback.given", subject=feedback, actor=by, at=now, after=after)
    return feedback
