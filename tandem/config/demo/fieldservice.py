"""The field-service half of the demo company: people, machines, fifteen months of visits, attendance.

Past visits are told machine by machine, each to its end before the next one is booked; then today's and the coming
days' are dealt out by `OPEN_VISITS`. Each visit draws from a random source of its own, so that the clock of the day on
which it is loaded changes nothing but how far that day's work has come.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import Group

from tandem.accounts.actions.users import ALL
from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.config.demo import people, work
from tandem.config.demo.diary import Diary
from tandem.config.demo.roster import SLOTS, Roster
from tandem.config.demo.visits import Visits, day_of
from tandem.fieldservice.actions.completion import Work
from tandem.fieldservice.models import Attendance, AttendanceStatus, Card, CardType, ServiceType, Visit, VisitType
from tandem.fieldservice.queries import warranty_of
from tandem.fieldservice.rules.parts import Part
from tandem.fieldservice.rules.states import CANCELLED, COMPLETED
from tandem.fieldservice.rules.warranty import add_months

SEED: Final = "Malligai Water Care"
CUSTOMERS: Final = 300
DAYS_IN_USE: Final = 470  # since the company began to use Tandem
DAYS_OF_ATTENDANCE: Final = 42
SUNDAY: Final = 6
NO_GROUPS: Final[Mapping[str, Group]] = MappingProxyType({})

# What waits and goes on, dealt out to machines that have nothing open: days from today (working days only), how the
# visit stands there, how many of them. today: goes as far as the clock says.
OPEN_VISITS: Final = (
    (-3, "in workshop", 1),
    (-1, "in workshop", 2),
    (-1, "code not told", 2),
    (-2, "pending", 1),
    (-1, "pending", 3),
    (0, "today", 22),
    (0, "of the ill", 2),
    (0, "pending", 5),
    (0, "cancelled", 1),
    (1, "assigned", 9),
    (1, "found", 4),
    (1, "pending", 6),
    (2, "assigned", 5),
    (2, "found", 3),
    (2, "pending", 4),
    (2, "cancelled", 1),
    *((days, "assigned", 2) for days in (3, 4, 5, 6)),
    *((days, "moved", 1) for days in (3, 4, 5, 6, 8, 10)),
    *((days, "pending", 3) for days in (3, 4, 5, 6, 7, 8, 9, 10, 12, 14)),
)


# What the event of a new machine tells.
_CARD_FIELDS: Final = (
    *("model", "customer", "customer_name", "card_type", "region", "address", "city", "postal_code"),
    *("date_of_installation", "warranty_start_date", "warranty_end_date", "amc_start_date", "amc_end_date"),
)


@dataclass(frozen=True)
class _Office:
    admin: User
    dispatcher: User


def hashed_passwords() -> dict[str, str]:
    """Each password of the demo with its hash: one slow hash for each, not for each person."""
    passwords = (people.PASSWORD_OF_OFFICE, people.PASSWORD_OF_WORKERS, people.PASSWORD_OF_CUSTOMER)
    return {password: make_password(password) for password in passwords}


def load(diary: Diary, *, hashed: dict[str, str], now: datetime) -> User:
    """Write the half's rows, in the caller's transaction, and tell the diary of them. Gives the admin."""
    today = moments.day_of(now)
    started_on = today - timedelta(days=DAYS_IN_USE)
    office = _office(diary, hashed, at=moments.at_time(started_on, time(9)))
    workers = _workers(diary, hashed, office, today=today, at=moments.at_time(started_on, time(9, 30)))
    absent = _absences(workers, started_on, today)
    roster = Roster(
        workers,
        absent=absent,
        left_on={user.pk: day for user, day in _leavers(workers, today)},
        most=settings.CRM_MAX_VISITS_PER_DAY,
    )
    cards = _cards(diary, hashed, office, today=today, started_on=started_on)
    visits = Visits(diary)
    company = _FieldService(visits, roster, office, workers, now=now)
    company.tell_past(cards, started_on)
    company.deal_out([card for card in cards if _gone_on(card) is None])
    visits.write()
    _attendance(diary, workers, absent, office, now=now)
    return office.admin


# --- people -----------------------------------------------------------------------------------------------------------
def _office(diary: Diary, hashed: dict[str, str], *, at: datetime) -> _Office:
    admin, dispatcher = (
        User(
            name=login.name,
            username=login.username,
            phone=login.phone,
            email=f"{login.username}@example.com",
            role=Role.ADMIN,
            city="Madurai",
            password=hashed[login.password],
            date_joined=at,
        )
        for login in people.LOGINS[:2]
    )
    write_people(diary, [admin, dispatcher], by=None)
    return _Office(admin, dispatcher)


def _workers(diary: Diary, hashed: dict[str, str], office: _Office, *, today: date, at: datetime) -> list[User]:
    workers = [
        User(
            name=worker.name,
            username=worker.username,
            phone=people.phone_number(10 + number),
            role=Role.WORKER,
            region=worker.region,
            city=worker.region,
            is_active=worker.left_days_ago is None,
            session_epoch=0 if worker.left_days_ago is None else 1,  # deactivating ended the sessions
            password=hashed[people.PASSWORD_OF_WORKERS],
            date_joined=at,
        )
        for number, worker in enumerate(people.WORKERS)
    ]
    write_people(diary, workers, by=office.admin)
    for worker, day in _leavers(workers, today):
        left_at = moments.at_time(day, time(18))
        change = {"before": {"is_active": True}, "after": {"is_active": False}}
        diary.tell("user.deactivated", worker, at=left_at, by=office.admin, **change)
    return workers


def _leavers(workers: Iterable[User], today: date) -> Iterator[tuple[User, date]]:
    for user, worker in zip(workers, people.WORKERS, strict=True):
        if worker.left_days_ago is not None:
            yield user, today - timedelta(days=worker.left_days_ago)


def write_people(diary: Diary, users: list[User], *, by: User | None, groups: Mapping[str, Group] = NO_GROUPS) -> None:
    """groups: username → the group of that person."""
    User.objects.bulk_create(users)
    group_of = {user.pk: groups[user.username or ""] for user in users if user.username in groups}
    User.groups.through.objects.bulk_create(
        User.groups.through(user_id=pk, group_id=group.pk) for pk, group in group_of.items()
    )
    for user in users:
        shown = {name: getattr(user, name) for name in ALL if getattr(user, name) not in (None, "")}
        named = [group_of[user.pk].name] if user.pk in group_of else []
        after = {**shown, "is_active": True, "groups": named}
        diary.tell("user.created", user, at=user.date_joined, by=by, after=after)


# --- machines ---------------------------------------------------------------------------------------------------------
def _cards(diary: Diary, hashed: dict[str, str], office: _Office, *, today: date, started_on: date) -> list[Card]:
    random = seeded("machines")
    customers: list[User] = []
    cards: list[Card] = []
    used: set[str] = set()
    for number in range(CUSTOMERS):
        customer = _customer(number, used, random, password=hashed[people.PASSWORD_OF_CUSTOMER])
        customers.append(customer)
        own = [_card(customer, number, nth, random, today=today) for nth in range(_machines_of(number, random))]
        for card in own:
            registered_on = max(started_on, (card.date_of_installation or today) - timedelta(days=2))
            card.created_at = moments.at_time(registered_on, time(9, 5)) + timedelta(seconds=20 * number)
            card.updated_at = card.created_at
        customer.date_joined = min(card.created_at for card in own)
        cards += own
    customers.sort(key=lambda customer: customer.date_joined)
    write_people(diary, customers, by=office.dispatcher)
    for card in cards:
        diary.tell("card.created", card, at=card.created_at, by=office.dispatcher, after=_known(card))
    for card in cards[20::80]:
        _delete(card, diary, office, random, today=today)
    for card in cards[50::70]:
        _put_out_of_use(card, diary, office, random, today=today)
    Card.objects.bulk_create(sorted(cards, key=lambda card: card.created_at))
    return cards


def _known(card: Card) -> dict[str, Any]:
    fields = {name: getattr(card, name) for name in _CARD_FIELDS}
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _customer(number: int, used: set[str], random: Random, *, password: str) -> User:
    """The first one is the customer of the printed logins; some have no phone, and nobody else can sign in."""
    region = random.choices(people.REGIONS, [region.share for region in people.REGIONS])[0]
    place, postal_code = random.choice(region.places)
    name = "R. Kavitha"
    while number and (name in used or name == "R. Kavitha"):
        name = f"{random.choice(people.INITIALS)}. {random.choice(people.FIRST_NAMES)}"
    if 0 < number <= len(people.INSTITUTIONS):
        name = people.INSTITUTIONS[number - 1]
    if number == 0:
        region = people.REGIONS[0]
        place, postal_code = region.places[0]
    used.add(name)
    has_phone = number % 60 != 59
    return User(
        name=name,
        username=None if has_phone else f"customer-{number}",
        phone=people.phone_number(101 + number) if has_phone else None,
        role=Role.CUSTOMER,
        region=region.name,
        address=f"{random.randint(1, 180)} {random.choice(people.STREETS)}, {place}",
        city=region.name,
        postal_code=postal_code,
        password=password if number == 0 else UNUSABLE_PASSWORD_PREFIX,
    )


def _machines_of(number: int, random: Random) -> int:
    if number == 0:
        return 2
    if number <= len(people.INSTITUTIONS):
        return random.randint(2, 4)
    return 1 if random.random() < 0.93 else 2


def _card(customer: User, number: int, nth: int, random: Random, *, today: date) -> Card:
    """Sold in the last four years, more of them lately; a year of warranty, then for many a yearly contract."""
    at_work = 0 < number <= len(people.INSTITUTIONS)
    age = random.randint(3, 365) if random.random() < 0.42 else random.randint(366, 1500)
    if number == 0:
        age = (160, 800)[nth]
    installed_on = working_day(today - timedelta(days=age))
    other_make = number > 0 and random.random() < 0.06
    card = Card(
        customer=customer,
        customer_name=customer.name,
        model=random.choice(work.MODELS_AT_WORK if at_work else work.MODELS_AT_HOME),
        region=customer.region,
        address=customer.address,
        city=customer.city,
        postal_code=customer.postal_code,
        date_of_installation=installed_on,
    )
    if other_make:
        card.model, card.card_type = work.MODEL_OF_ANOTHER_MAKE, CardType.OTHER_MAKE
    else:
        card.warranty_start_date = installed_on
        card.warranty_end_date = add_months(installed_on, 24 if at_work else 12) - timedelta(days=1)
    ended_on = card.warranty_end_date or installed_on
    if ended_on < today and (number == 0 or random.random() < 0.62):
        years = (today - ended_on).days // 366
        card.amc_start_date = add_months(ended_on + timedelta(days=1), 12 * years)
        card.amc_end_date = add_months(card.amc_start_date, 12) - timedelta(days=1)
    return card


def _delete(card: Card, diary: Diary, office: _Office, random: Random, *, today: date) -> None:
    """Customers who moved away: the machine is gone, its visits and its history stay."""
    card.deleted_at = _lately(card, random, today)
    card.deletion = uuid.UUID(int=random.getrandbits(128), version=4)
    diary.tell("card.deleted", card, at=card.deleted_at, by=office.admin)


def _put_out_of_use(card: Card, diary: Diary, office: _Office, random: Random, *, today: date) -> None:
    at = _lately(card, random, today)
    diary.change("card.updated", card, {"is_active": False}, at=at, by=office.dispatcher)


def _lately(card: Card, random: Random, today: date) -> datetime:
    """An evening of the last two months on which the card was known."""
    day = max(moments.day_of(card.created_at), today - timedelta(days=random.randint(15, 60)))
    return moments.at_time(day, time(17, 20))


def _gone_on(card: Card) -> date | None:
    """The day on which the machine was deleted or put out of use; None when it is there."""
    if card.deleted_at is not None:
        return moments.day_of(card.deleted_at)
    return None if card.is_active else moments.day_of(card.updated_at)


# --- visits -----------------------------------------------------------------------------------------------------------
class _FieldService:
    """Tells stories of visits; what a step does to a visit is in `visits`."""

    def __init__(self, visits: Visits, roster: Roster, office: _Office, workers: list[User], *, now: datetime) -> None:
        self.visits, self.roster, self.office, self.workers = visits, roster, office, workers
        self.now, self.today = now, moments.day_of(now)
        self._ill = next(worker for worker in workers if worker.username == people.ILL_TODAY)

    def tell_past(self, cards: list[Card], started_on: date) -> None:
        for number, card in enumerate(cards):
            random = seeded(f"past {number}")
            ends_on = _gone_on(card) or self.today
            day = card.date_of_installation or started_on
            job: work.Job | None = work.INSTALLATION
            if day < started_on + timedelta(days=3):  # sold before, so only registered here
                day, job = started_on + timedelta(days=random.randint(10, 95)), None
            while working_day(day) < ends_on:
                visit = self._past_visit(card, working_day(day), job, random, before=ends_on)
                if visit is None:
                    break
                day, job = self._next_day(card, day_of(visit), random), None

    def deal_out(self, cards: list[Card]) -> None:
        """Give each of OPEN_VISITS to a machine that had no visit lately; the first machine gets tomorrow's first."""
        showcase, *others = cards
        seeded("open").shuffle(others)
        rested = [card for card in others if self._has_rested(card)]
        for days, stands, count in OPEN_VISITS:
            for nth in range(count):
                is_first = nth == 0 and (days, stands) == (1, "assigned")
                region = self._ill.region if stands == "of the ill" else None
                card = showcase if is_first else _taken_from(rested, region)
                random = seeded(f"open {days} {stands} {nth}")
                # The worker of the first printed login has something to do on both days.
                worker = self.workers[0] if nth < 4 and days in (0, 1) else None
                self._open_visit(card, _working_days_on(self.today, days), stands, random, for_worker=worker)

    def _past_visit(self, card: Card, day: date, job: work.Job | None, random: Random, *, before: date) -> Visit | None:
        """A visit that came to its end before a day; None if nobody had time for it."""
        job = job or self._job(card, day, random)
        is_installation = job is work.INSTALLATION
        if not is_installation and random.random() < 0.09:
            visit = self._book(card, day, job, random, clock=None, may_be_goodwill=False)
            self._call_off(visit, random)
            return visit
        last = self.visits.last_of(card)
        while (found := self._find(card, day, random, last.assigned_to if last else None)) is None:
            day = working_day(day + timedelta(days=1))
            if day >= before:
                return None
        worker, clock = found
        asked_for = day
        if not is_installation and random.random() < 0.08:
            asked_for = working_day(day - timedelta(days=random.randint(2, 5)))
        visit = self._book(card, asked_for, job, random, clock=clock)
        if asked_for != day:
            by = random.choice([card.customer, self.office.dispatcher])
            self.visits.reschedule(visit, to=day, at=visit.updated_at + _minutes(random, 15, 90), by=by)
        self._give(visit, worker, clock, random)
        self._carry_out(visit, job, clock, random)
        return visit

    def _open_visit(self, card: Card, day: date, stands: str, random: Random, *, for_worker: User | None) -> None:
        """for_worker: who goes there if he or she can."""
        job = work.WORKSHOP if stands == "in workshop" else self._job(card, day, random)
        found = None
        if stands == "of the ill":
            found = self._ill, self.roster.take(self._ill, day, random=random)
        elif stands not in ("pending", "cancelled", "moved"):
            last = self.visits.last_of(card)
            found = self._find(card, day, random, for_worker or (last.assigned_to if last else None))
        asked_for = day - timedelta(days=1) if stands == "moved" else day
        visit = self._book(card, asked_for, job, random, clock=found[1] if found else None)
        if stands == "cancelled":
            self._call_off(visit, random)
        elif stands == "moved":
            self.visits.reschedule(visit, to=day, at=visit.created_at + _minutes(random, 20, 120), by=card.customer)
        elif found is not None:  # else nobody has time, and it stays pending
            self._give(visit, *found, random, by_hand=stands != "found")
            if stands in ("today", "in workshop", "code not told"):
                self._carry_out(visit, job, found[1], random, until=stands)

    def _find(self, card: Card, day: date, random: Random, knows: User | None) -> tuple[User, time] | None:
        return self.roster.find(day, card.region, knows=knows, random=random)

    def _book(
        self,
        card: Card,
        day: date,
        job: work.Job,
        random: Random,
        *,
        clock: time | None,
        may_be_goodwill: bool = True,
    ) -> Visit:
        """By the customer, or phoned in; always on a day before today, so that nothing depends on the clock.

        clock: when somebody will have time, which is what many ask for then; None: whatever they ask for.
        """
        last_on = min(day, self.today) - timedelta(days=1)
        booked_on = max(last_on - timedelta(days=random.choice((0, 0, 1, 1, 2, 3, 4))), moments.day_of(card.created_at))
        is_installation = job is work.INSTALLATION
        is_phoned_in = is_installation or not card.customer.phone or random.random() < 0.35
        is_goodwill = is_phoned_in and random.random() < 0.04 and may_be_goodwill and not is_installation
        return self.visits.book(
            card,
            on=day,
            preferred_time=(clock or random.choice(SLOTS)) if random.random() < 0.4 else None,
            visit_type=job.type,
            description=job.said,
            asked=ServiceType.FREE if is_goodwill else "auto",
            at=moments.at_time(booked_on, time(11)) + _minutes(random, 0, 360),
            by=self.office.dispatcher if is_phoned_in else card.customer,
        )

    def _give(self, visit: Visit, worker: User, clock: time, random: Random, *, by_hand: bool | None = None) -> None:
        at = visit.updated_at + _minutes(random, 5, 100)
        if by_hand or (by_hand is None and random.random() < 0.7):
            self.visits.assign(visit, worker, clock=clock, at=at, by=self.office.dispatcher)
        else:
            self.visits.auto_assign(visit, worker, at=at)

    def _call_off(self, visit: Visit, random: Random) -> None:
        by, reasons = random.choice(
            [
                (visit.card.customer, work.CANCELLED_BY_CUSTOMER),
                (self.office.dispatcher, work.CANCELLED_BY_OFFICE),
            ]
        )
        at = visit.updated_at + _minutes(random, 30, 200)
        self.visits.cancel(visit, reason=random.choice(reasons), at=at, by=by)

    def _carry_out(self, visit: Visit, job: work.Job, clock: time, random: Random, *, until: str = "") -> None:
        """Begin, ask for the code, complete, rate: whatever of it lies before now, and until it gets stuck."""
        arrives_at = moments.at_time(day_of(visit), clock) + _minutes(random, -5, 8)
        done_at = arrives_at + timedelta(minutes=job.minutes) + _minutes(random, 0, 12)
        completed_at = done_at + timedelta(minutes=random.randint(1, 4), seconds=random.randint(0, 59))
        if arrives_at > self.now:
            return
        self.visits.start(visit, at=arrives_at)
        if until == "in workshop" or done_at > self.now:
            return
        if visit.card.customer.phone:
            self.visits.request_code(visit, at=done_at)
        if until == "code not told" or completed_at > self.now:
            return
        self._complete(visit, job, random, at=completed_at)
        self._maybe_rate(visit, random)

    def _complete(self, visit: Visit, job: work.Job, random: Random, *, at: datetime) -> None:
        is_paid = visit.service_type != ServiceType.FREE and job.type != VisitType.CONTRACT_SERVICE
        parts = _parts(job, random, is_paid=is_paid)
        amount = sum((part["qty"] * Decimal(part["price"]) for part in parts), Decimal(0))
        if is_paid and job.type not in (VisitType.COURTESY_CALL, VisitType.REMOTE, VisitType.INSTALLATION):
            amount += work.CALL_OUT_CHARGE
        day = moments.day_of(at)
        months = 3 if warranty_of(visit.card).covers(day) else 4 if _in_contract(visit.card, day) else 6
        done = Work(detail=job.done, parts=parts, amount_charged=amount, next_service_date=add_months(day, months))
        if visit.card.customer.phone:
            self.visits.complete(visit, done, at=at, by=visit.assigned_to or self.office.dispatcher)
        else:
            reason = "The customer has no phone; the signed job sheet is in the office."
            self.visits.complete(visit, done, at=at, by=self.office.dispatcher, override_reason=reason)

    def _maybe_rate(self, visit: Visit, random: Random) -> None:
        """The customer of the printed logins leaves something to rate."""
        rated_at = (visit.completed_at or self.now) + _minutes(random, 15, 60 * 40)
        is_left = visit.card.customer.phone in (None, people.phone_number(101))
        if is_left or random.random() > 0.45 or rated_at > self.now:
            return
        rating = random.choices(list(work.RATINGS), [share for share, _ in work.RATINGS.values()])[0]
        self.visits.rate(visit, rating=rating, comments=random.choice(work.RATINGS[rating][1]), at=rated_at)

    def _job(self, card: Card, day: date, random: Random) -> work.Job:
        if warranty_of(card).covers(day) and random.random() < 0.66:
            return random.choice(work.SERVICES)
        if _in_contract(card, day) and random.random() < 0.66:
            return random.choice(work.CONTRACT_SERVICES)
        return random.choice(work.COMPLAINTS)

    def _next_day(self, card: Card, last: date, random: Random) -> date:
        """Three months in warranty, four under contract, else when something breaks; and now and then in between."""
        if random.random() < 0.22:
            return last + timedelta(days=random.randint(14, 60))
        if warranty_of(card).covers(add_months(last, 3)):
            return add_months(last, 3) + timedelta(days=random.randint(0, 10))
        if _in_contract(card, last + timedelta(days=60)):
            return last + timedelta(days=random.randint(75, 105))
        return last + timedelta(days=random.randint(80, 165))

    def _has_rested(self, card: Card) -> bool:
        last = self.visits.last_of(card)
        known_since = moments.day_of(card.created_at)
        recent = self.today - timedelta(days=12)
        return known_since < recent and (
            last is None or (last.status in (COMPLETED, CANCELLED) and day_of(last) < recent)
        )


def _taken_from(cards: list[Card], region: str | None) -> Card:
    """The next machine (of this region), which is nobody else's then."""
    return cards.pop(next(n for n, card in enumerate(cards) if region in (None, card.region)))


def _parts(job: work.Job, random: Random, *, is_paid: bool) -> list[Part]:
    """In the shape of `rules.parts`; what warranty or contract covers costs nothing."""
    parts = []
    for code in job.parts:
        name, price, has_serial = work.PARTS[code]
        serial = f"{code}-{random.randint(100_000, 999_999)}" if has_serial else ""
        price = price if is_paid else Decimal("0.00")
        parts.append(Part(code=code, name=name, qty=1, price=f"{price:.2f}", serial_number=serial))
    return parts


def _in_contract(card: Card, day: date) -> bool:
    return bool(card.amc_start_date and card.amc_end_date and card.amc_start_date <= day <= card.amc_end_date)


# --- attendance -------------------------------------------------------------------------------------------------------
def _absences(workers: list[User], started_on: date, today: date) -> set[tuple[int, date]]:
    """(worker id, day): now and then one in twenty, one who is ill today, one on leave from tomorrow on."""
    random = seeded("absences")
    absent = set()
    days = [started_on + timedelta(days=n) for n in range((today - started_on).days)]
    for worker in workers:
        absent |= {(worker.pk, day) for day in days if random.random() < 0.05}
        if worker.username == people.ILL_TODAY:
            absent.add((worker.pk, today))
        if worker.username == people.ON_LEAVE:
            absent |= {(worker.pk, _working_days_on(today, n)) for n in (1, 2, 3)}
    return absent


def _attendance(
    diary: Diary, workers: list[User], absent: set[tuple[int, date]], office: _Office, *, now: datetime
) -> None:
    """Every working day of the last weeks, and absences that are known beforehand; each noted in the morning of the
    day, or the evening before when that morning is still to come.
    """
    today = moments.day_of(now)
    lately = [today - timedelta(days=n) for n in range(DAYS_OF_ATTENDANCE, 0, -1)]
    days = [*(day for day in lately if day.weekday() != SUNDAY), today]
    marks: list[Attendance] = []
    for worker in workers:
        if not worker.is_active:
            continue
        leave = [day for pk, day in absent if pk == worker.pk and day > today]
        for day in sorted([*days, *leave]):
            noted_at = moments.at_time(day, time(8, 40)) + timedelta(seconds=20 * len(marks) % 900)
            if noted_at > now:
                noted_at = moments.at_time(today - timedelta(days=1), time(20)) + timedelta(seconds=len(marks) % 900)
            status = AttendanceStatus.ABSENT if (worker.pk, day) in absent else AttendanceStatus.PRESENT
            marks.append(
                Attendance(
                    user=worker,
                    date=day,
                    status=status,
                    marked_by=office.dispatcher,
                    created_at=noted_at,
                    updated_at=noted_at,
                )
            )
    marks.sort(key=lambda mark: mark.created_at)
    Attendance.objects.bulk_create(marks)
    for mark in marks:
        after = {"user": mark.user_id, "date": mark.date, "status": mark.status}
        diary.tell("attendance.marked", mark, at=mark.created_at, by=office.dispatcher, after=after)


# --- the calendar -----------------------------------------------------------------------------------------------------
def working_day(day: date) -> date:
    """This day, or the Monday after when it is a Sunday."""
    return day + timedelta(days=1) if day.weekday() == SUNDAY else day


def _working_days_on(today: date, days: int) -> date:
    """So many working days from today (which counts as one even on a Sunday), back when days is negative."""
    day = today
    while days:
        step = 1 if days > 0 else -1
        day += timedelta(days=step)
        if day.weekday() != SUNDAY:
            days -= step
    return day


def seeded(what: str) -> Random:
    return Random(f"{SEED} {what}")  # noqa: S311 - made to be the same every time


def _minutes(random: Random, least: int, most: int) -> timedelta:
    return timedelta(seconds=random.randint(60 * least, 60 * most))
