"""Where actions put text messages."""

from __future__ import annotations

from datetime import datetime

from tandem.common.hints import announce
from tandem.common.sealing import seal
from tandem.sms.models import Message


def queue_message(*, to: str, text: str, purpose: str, now: datetime, expires_at: datetime | None = None) -> Message:
    """Leave a text message for the worker, in the transaction of the change that it tells of.

    to: E.164. text: stored encrypted, wiped when the message is done with. purpose: a short word for statistics
    ("otp"). expires_at: from then on it is not sent any more; None: it is worth sending however late.
    One query. Nothing is sent in here, so a change that is rolled back sends nothing.
    """
    announce()
    return Message.objects.create(
        to=to,
        sealed_text=seal(text.encode()),
        purpose=purpose,
        created_at=now,
        expires_at=expires_at,
        next_attempt_at=now,
    )
