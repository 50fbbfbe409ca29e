"""Tables and abstract tables that belong to no business noun."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models


class SoftDeleted(models.Model):
    """A record that leaves every list when it is deleted, and can come back.

    deletion: one id per deletion, shared by everything that the same deletion took along, so that all of it comes
    back together and nothing else does.
    """

    deleted_at = models.DateTimeField(null=True, editable=False)
    deletion = models.UUIDField(null=True, editable=False, db_index=True)

    class Meta:
        abstract = True

    def mark_deleted(self, *, now: datetime, deletion: uuid.UUID | None = None) -> None:
        self.deleted_at, self.deletion = now, deletion or uuid.uuid4()
        self.save(update_fields=["deleted_at", "deletion"])

    def mark_restored(self) -> None:
        self.deleted_at = self.deletion = None
        self.save(update_fields=["deleted_at", "deletion"])


class IdempotentAnswer(models.Model):
    """The claim on one `Idempotency-Key`, and once it is known the answer, for 24 hours.

    Contract §2. `caller` is the user's id, 0 for nobody. `runner` is the try that holds the claim until `lease_until`;
    the answer is stored in the transaction of the effect, and only by the try that still holds the claim.
    """

    caller = models.BigIntegerField()
    method_and_path = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    body_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    runner = models.UUIDField(default=uuid.uuid4)
    lease_until = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    sealed_body = models.BinaryField(null=True)  # encrypted: answers of logins and registrations hold tokens

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "method_and_path", "key"], name="one_answer_per_idempotency_key"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotent_answer_age")]


class PeriodicJob(models.Model):
    """A job that the workers do again and again, each time only one of them; see `config.jobs`.

    lease_until: a worker is at it until then; when it dies, another one may begin again. runner: the try that holds
    the lease. last_finished_at: None when it never ran. last_error: why the last try failed, empty when it did not.
    """

    name = models.CharField(max_length=60, unique=True)
    last_finished_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    runner = models.UUIDField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.name


class Installation(models.Model):
    """What the database knows of the installation that uses it: one row, `THE_ONE`.

    written_at: when somebody last tried whether a row can be written; see `config.health`.
    key_fingerprint: tells the secret key from others and does not tell what it is; see `config.secret_key`.
    """

    THE_ONE = 1

    written_at = models.DateTimeField(null=True)
    key_fingerprint = models.CharField(max_length=64, blank=True)
