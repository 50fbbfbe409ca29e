"""`Idempotency-Key` on POST. Contract §2: one effect, one stored answer, both or neither.

A try first commits a claim on (caller, path, key). Then effect and answer are written in ONE transaction, whose first
statement makes sure that the claim is still its own: a try that was paused for longer than the lease, while another
one took the claim over, writes nothing. A crash leaves the claim without effect, and it can be taken when the lease
ends. Answers of 500 and above release the claim instead.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from tandem.common import moments
from tandem.common.errors import Conflict, Invalid, Unprocessable
from tandem.common.models import IdempotentAnswer
from tandem.common.rendering import ToldOnce
from tandem.common.sealing import seal, unseal

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)
KEPT_HEADERS = ("Content-Type", "ETag", "Retry-After", "WWW-Authenticate", "Location")


class StillRunning(Conflict):
    code = "idempotency_in_progress"
    message = "A request with this Idempotency-Key is still being carried out. Repeat it in a moment."


class OtherBody(Unprocessable):
    code = "idempotency_mismatch"
    message = "This Idempotency-Key was used with another body. Use a new key for a new request."


def once(
    request: HttpRequest,
    *,
    caller: int,
    body: bytes,
    run: Callable[[], HttpResponse],
    prepare: Callable[[], None] = lambda: None,
    apart: bool = False,
) -> HttpResponse:
    """Carry `run` out unless this key already has an answer; then give that answer again.

    prepare: what `run` needs and takes its time; it writes nothing, and runs before the transaction. apart: `run` is
    not to be in a transaction, for it takes long, and on SQLite nobody else can write meanwhile, or for it talks to
    somebody outside; a crash in the middle then leaves its effects without an answer, and they come a second time when
    the request is repeated.
    """
    key = request.headers["Idempotency-Key"]
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise Invalid.on("Idempotency-Key", "Between 1 and 255 printable characters, please.")
    where = f"POST {request.get_full_path()}"[:300]
    claim = _claim(caller, where, key, hashlib.sha256(body).hexdigest())
    if claim.status is not None:
        return _replayed(claim)
    try:
        prepare()
        with nullcontext() if apart else transaction.atomic():
            still_mine = IdempotentAnswer.objects.filter(pk=claim.pk, runner=claim.runner, status=None)
            if not still_mine.update(lease_until=moments.now() + LEASE):
                raise StillRunning(retry_after=1)
            answer = run()
            if answer.status_code >= 500:
                raise _NotKept(answer)
            headers = {name: answer[name] for name in KEPT_HEADERS if name in answer}
            kept = answer.repeated if isinstance(answer, ToldOnce) else answer.content
            still_mine.update(status=answer.status_code, headers=headers, sealed_body=seal(kept))
            return answer
    except _NotKept as failed:
        _release(claim)
        return failed.answer
    except StillRunning:
        raise
    except BaseException:
        _release(claim)
        raise


class _NotKept(Exception):
    def __init__(self, answer: HttpResponse) -> None:
        self.answer = answer


def _claim(caller: int, where: str, key: str, body_hash: str) -> IdempotentAnswer:
    now = moments.now()
    mine = IdempotentAnswer(
        caller=caller, method_and_path=where, key=key, body_hash=body_hash, created_at=now, lease_until=now + LEASE
    )
    same = IdempotentAnswer.objects.filter(caller=caller, method_and_path=where, key=key)
    try:
        with transaction.atomic():
            same.filter(created_at__lt=now - KEPT).delete()
            mine.save(force_insert=True)
            return mine
    except IntegrityError:
        found = same.first()
    if found is None:  # released between our two looks
        raise StillRunning(retry_after=1)
    if found.body_hash != body_hash:
        raise OtherBody
    if found.status is not None:
        return found
    abandoned = IdempotentAnswer.objects.filter(pk=found.pk, runner=found.runner, status=None, lease_until__lt=now)
    runner = uuid.uuid4()
    if not abandoned.update(runner=runner, lease_until=now + LEASE):
        raise StillRunning(retry_after=1)
    found.runner = runner
    return found


def _release(claim: IdempotentAnswer) -> None:
    IdempotentAnswer.objects.filter(pk=claim.pk, runner=claim.runner, status=None).delete()


def _replayed(stored: IdempotentAnswer) -> HttpResponse:
    answer = HttpResponse(unseal(stored.sealed_body or b""), status=stored.status)
    for name in KEPT_HEADERS:
        if name in stored.headers:
            answer[name] = stored.headers[name]
    answer["Idempotent-Replayed"] = "true"
    return answer
