"""How many passwords may be tried. QUALITY "Login": at most 10 failures in 15 minutes per account and address.

Limits go by account *and* address, so that a stranger who guesses cannot lock the owner out, and, wider, by address
alone, so that one address cannot walk through many accounts. A try is counted before the password is looked at and
given back when it was right: 64 guesses at once count as 64. Accounts that do not exist count like those that do.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from tandem.accounts.models import LoginFailures
from tandem.common.addresses import household
from tandem.common.errors import TooMany
from tandem.common.metrics import count_refused_login

WINDOW = timedelta(minutes=15)
MOST_PER_ACCOUNT = 10
MOST_PER_ADDRESS = 100


class TooManyTries(TooMany):
    code = "too_many_tries"
    message = "Too many failed tries. Wait a while, then try again."


@dataclass(frozen=True)
class Bucket:
    """One counter. key: a hash, so that the table tells nobody who signs in from where."""

    key: str
    most: int
    forgiven: bool = False  # a right password ends the whole run of failures


def account_buckets(account: str, address: str) -> list[Bucket]:
    """The counters of a password try. account: the user's id or, for nobody's, what was typed."""
    return [
        Bucket(_hashed("account", account, household(address)), MOST_PER_ACCOUNT, forgiven=True),
        Bucket(_hashed("address", household(address)), MOST_PER_ADDRESS),
    ]


def registration_buckets(address: str) -> list[Bucket]:
    """The counter of refused registrations: each tells whether a phone is taken."""
    return [Bucket(_hashed("registration", household(address)), MOST_PER_ADDRESS)]


def reserve_try(buckets: Sequence[Bucket], *, now: datetime) -> None:
    """Count a try in every bucket, or in none and raise TooManyTries. A short transaction, two statements per bucket.

    A run of failures ends after a window without any, so no window holds more than the limit.
    """
    if not settings.LOGIN_THROTTLE:
        return
    with transaction.atomic():
        for bucket in buckets:
            row = LoginFailures.objects.filter(bucket=bucket.key)
            LoginFailures.objects.bulk_create([LoginFailures(bucket=bucket.key, last_at=now)], ignore_conflicts=True)
            is_over = Q(last_at__lte=now - WINDOW)
            # Whoever is refused does not move `last_at`: waiting is never made longer by trying.
            counted = row.filter(is_over | Q(failures__lt=bucket.most)).update(
                failures=Case(When(is_over, then=Value(1)), default=F("failures") + 1), last_at=now
            )
            if not counted:
                latest = row.values_list("last_at", flat=True).first() or now
                count_refused_login("too_many_tries")
                raise TooManyTries(retry_after=max(1, math.ceil((latest + WINDOW - now).total_seconds())))


def give_back(buckets: Sequence[Bucket]) -> None:
    """The password was right: the account's run of failures is over, the address gets its one try back.

    Not more than one: who owns one account must not be able to reset the address's counter with it.
    """
    if not settings.LOGIN_THROTTLE:
        return
    with transaction.atomic():
        for bucket in buckets:
            row = LoginFailures.objects.filter(bucket=bucket.key)
            if bucket.forgiven:
                row.delete()
            else:
                row.filter(failures__gt=0).update(failures=F("failures") - 1)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
