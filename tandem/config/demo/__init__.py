"""The demo company: a believable business to try Tandem with, loaded by `tandem demo`.

Malligai Water Care of Madurai sells, installs and services water purifiers, and trains technicians and plumbers.
Nobody of it exists. Everything is made from a fixed seed and relative to the day on which it is loaded; only how far
that day's work has come follows the clock. Every row obeys the product's rules, for the rules themselves decide it.

It has two halves, each of which is loaded once: an installation whose demo company is older than the academy gains it
when the demo is loaded again.

Phone numbers are of the range +91 50000 xxxxx: long enough to be possible, so that Tandem takes them, but no Indian
area code begins with 500 and no mobile number with 5, so that no message can ever reach anybody. Mail addresses are
of example.com, which is reserved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

import tandem.config.demo.academy as academy
import tandem.config.demo.fieldservice as fieldservice
from tandem.academy.models import (
    Attribute,
    Client,
    Cohort,
    EnrollmentDetail,
    FollowUp,
    Lead,
    Pipeline,
    Student,
    TransferRequest,
    TransferStatus,
)
from tandem.accounts.models import Role, User
from tandem.common.errors import Conflict
from tandem.config.demo.diary import Diary
from tandem.config.demo.people import COLLEAGUES, COMPANY, LOGINS, Login
from tandem.events.models import Event
from tandem.fieldservice.models import Attendance, Card, Feedback, Visit
from tandem.files.storage import remove

# The mark that a half was loaded: an event of its own, with the half's name in its facts.
LOADED = "demo.loaded"
FIELD_SERVICE, ACADEMY = "fieldservice", "academy"


class AlreadyInUse(Conflict):
    code = "already_in_use"
    message = (
        "This database holds data that is not the demo company's, and the two are never mixed. "
        "Load the demo into a data directory of its own: TANDEM_DATA_DIR=./demo tandem demo"
    )


@dataclass(frozen=True)
class DemoSummary:
    """What is there now. is_new: False when the demo company had been loaded before, and nothing was changed."""

    is_new: bool
    counts: dict[str, int]
    logins: tuple[Login, ...]

    def __str__(self) -> str:
        state = "The demo company is loaded" if self.is_new else "The demo company was loaded before; nothing changed"
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        width = max(len(login.name) for login in self.logins)
        rows = [
            f"  {login.name:<{width}}  {login.username or login.phone:<14}  {login.password:<17}  {login.who}"
            for login in self.logins
        ]
        return "\n".join([f"{state}: {COMPANY}, with {counts}.", "Sign in as:", *rows])


def load(*, now: datetime) -> DemoSummary:
    """Load what of the demo company is not there yet. One transaction, some seconds.

    Raises AlreadyInUse on a database that somebody works with already: one with customers, workers, machines or
    visits, or, where only the academy is missing, with records of an academy. Admins may be there, for
    `tandem createadmin` comes first on many installations.
    """
    hashed = fieldservice.hashed_passwords() if _missing() else {}  # slow on purpose, so before the transaction
    with _papers_gone_with_their_rows() as papers, transaction.atomic():
        missing = _missing() if hashed else []
        if missing:
            _refuse_other_data(missing)
            diary = Diary()
            admin = fieldservice.load(diary, hashed=hashed, now=now) if FIELD_SERVICE in missing else _admin()
            if ACADEMY in missing:
                academy.load(diary, admin, hashed=hashed, papers=papers, now=now)
            for half in missing:
                diary.tell(LOADED, admin, at=now, by=None, half=half)
            diary.write()
    return DemoSummary(is_new=bool(missing), counts=_counts(), logins=LOGINS)


@contextmanager
def _papers_gone_with_their_rows() -> Iterator[list[str]]:
    """Gives a list for the keys of files that are stored inside; when that fails, they are deleted."""
    keys: list[str] = []
    try:
        yield keys
    except BaseException:
        for key in keys:
            remove(key)
        raise


def _missing() -> list[str]:
    marks = Event.objects.filter(subject_type="demo", type=LOADED)
    return [half for half in (FIELD_SERVICE, ACADEMY) if not marks.filter(facts__half=half).exists()]


def _admin() -> User:
    """Who the field-service half was loaded for."""
    mark = Event.objects.filter(subject_type="demo", type=LOADED, facts__half=FIELD_SERVICE).latest("pk")
    return User.objects.get(pk=mark.subject_id)


def _refuse_other_data(missing: list[str]) -> None:
    people = User.objects.exclude(role=Role.ADMIN)
    if FIELD_SERVICE in missing and (people.exists() or Card.objects.exists() or Visit.objects.exists()):
        raise AlreadyInUse
    if any(model._default_manager.exists() for model in (Attribute, Pipeline, Lead, Client, Student, Cohort)):
        raise AlreadyInUse
    of_academy = {colleague.username for colleague in COLLEAGUES}
    new = [login for login in LOGINS if FIELD_SERVICE in missing or login.username in of_academy]
    if any(User.objects.named(login.username).exists() for login in new if login.username):
        raise AlreadyInUse
    if User.objects.filter(phone__in=[login.phone for login in new]).exists():
        raise AlreadyInUse


def _counts() -> dict[str, int]:
    people = User.objects.filter(is_active=True)
    return {
        "workers": people.filter(role=Role.WORKER).count(),
        "customers": people.filter(role=Role.CUSTOMER).count(),
        "machines": Card.objects.live().count(),
        "visits": Visit.objects.count(),
        "ratings": Feedback.objects.count(),
        "days of attendance": Attendance.objects.values("date").distinct().count(),
        "leads": Lead.objects.live().count(),
        "clients": Client.objects.live().count(),
        "students": Student.objects.live().count(),
        "cohorts": Cohort.objects.live().count(),
        "seats": EnrollmentDetail.objects.live().count(),
        "pending transfers": TransferRequest.objects.live().filter(status=TransferStatus.PENDING).count(),
        "follow-ups": FollowUp.objects.live().count(),
    }
