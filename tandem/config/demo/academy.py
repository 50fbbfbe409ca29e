"""The academy half of the demo company: the same people also teach technicians and plumbers, and sell by pipelines.

Thirteen months of leads; those who were won became clients with students, who sit in the courses of their season.
Nothing of it happens on the day of loading itself, so the clock of that day changes nothing. Each story draws from a
random source of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import Group

from tandem.academy.models import (
    Attribute,
    Client,
    Cohort,
    Enrollment,
    EnrollmentAssistant,
    EnrollmentDetail,
    Entity,
    Lead,
    Pipeline,
    Stage,
    Student,
)
from tandem.academy.rules.attributes import Definition
from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.config.demo import courses, people
from tandem.config.demo.courses import ADMISSIONS, LADDERS, PLANTS, TRAINING, Ladder
from tandem.config.demo.diary import Diary
from tandem.config.demo.fieldservice import SUNDAY, seeded, working_day, write_people
from tandem.config.demo.records import Paper, Records
from tandem.webhooks.actions.webhooks import known
from tandem.webhooks.models import Webhook
from tandem.webhooks.models.webhook import sealed_headers, sealed_text
from tandem.webhooks.signing import new_secret

DAYS_IN_USE: Final = 400  # since the academy began to use Tandem
LEADS: Final = 400
CONVERTED: Final = 60  # of the leads; each became a client
CLIENTS_OF_BEFORE: Final = 20  # never were leads here
WITHOUT_PIPELINE: Final = 6
JOIN_UNTIL: Final = timedelta(days=14)  # so long after its start a course still takes people
SET_UP_BEFORE: Final = timedelta(days=100)  # so long before its start a cohort is made

# What becomes of wishes to change to the other group, and of how many students.
TRANSFERS: Final = (("moved", 14), ("rejected", 2), ("cancelled", 1), ("to come", 1), ("pending", 5))


class _Staff(NamedTuple):
    admin: User
    sales: list[User]
    operations: User
    instructors: list[User]
    assistants: list[User]


def load(diary: Diary, admin: User, *, hashed: Mapping[str, str], papers: list[str], now: datetime) -> None:
    """Write the half's rows, in the caller's transaction, and tell the diary of them.

    papers: gets the keys of the files that are stored, for a caller whose transaction fails.
    """
    today = moments.day_of(now)
    started_on = today - timedelta(days=DAYS_IN_USE)
    at = moments.at_time(working_day(started_on), time(9))
    staff = _staff(diary, admin, hashed, at=at)
    records = Records(diary, _definitions(), {}, seeded("academy ids"))
    pipelines = _pipelines(records, staff, at=at + timedelta(hours=1))
    _attributes(records, staff, at=at + timedelta(hours=2))
    cohorts = _cohorts(records, staff, started_on=started_on, today=today)
    academy = _Academy(records, staff, pipelines, cohorts, started_on=started_on, today=today)
    academy.tell()
    records.write(stored=papers)
    _webhook(records, staff, at=at + timedelta(hours=3))


# --- what is there before the first lead ------------------------------------------------------------------------------
def _staff(diary: Diary, admin: User, hashed: Mapping[str, str], *, at: datetime) -> _Staff:
    logins = {login.username: login for login in people.LOGINS}
    groups = {group.name: group for group in Group.objects.filter(name__in={one.group for one in people.COLLEAGUES})}
    colleagues = [
        User(
            name=one.name,
            username=one.username,
            phone=logins[one.username].phone,
            email=f"{one.username}@example.com",
            role=Role.OFFICE,
            city="Madurai",
            password=hashed[logins[one.username].password],
            date_joined=at,
        )
        for one in people.COLLEAGUES
    ]
    write_people(diary, colleagues, by=admin, groups={one.username: groups[one.group] for one in people.COLLEAGUES})
    of = {
        name: [user for user, one in zip(colleagues, people.COLLEAGUES, strict=True) if one.group == name]
        for name in groups
    }
    return _Staff(admin, of["Sales"], of["Operations"][0], of["Instructors"], of["Teacher Assistant"])


def _definitions() -> dict[Entity, list[Definition]]:
    return {
        entity: [Definition(one.name, one.type.value, one.is_required, one.options) for one in fields]
        for entity, fields in courses.FIELDS.items()
    }


def _attributes(records: Records, staff: _Staff, *, at: datetime) -> None:
    made: list[Attribute] = []
    for entity, fields in courses.FIELDS.items():
        for order, one in enumerate(fields, start=1):
            given = {
                "label": one.label,
                "type": one.type.value,
                "is_required": one.is_required,
                "list_values": list(one.options),
                "order": order,
            }
            attribute = Attribute(
                id=records.new_id(), entity=entity, name=one.name, created_at=at, updated_at=at, **given
            )
            made.append(attribute)
            after = {"entity": entity.value, "name": one.name, **given}
            records.diary.tell("attribute.created", attribute, at=at, by=staff.admin, after=after)
    Attribute.objects.bulk_create(made)


def _pipelines(records: Records, staff: _Staff, *, at: datetime) -> dict[str, Pipeline]:
    """By name. Their stages become those that `records` asks for."""
    pipelines: dict[str, Pipeline] = {}
    stages: list[Stage] = []
    of_pipeline: dict[Any, list[str]] = {}
    for ladder in LADDERS:
        pipeline = Pipeline(name=ladder.name, description=ladder.description, **_made(records, staff.admin, at))
        pipelines[ladder.name] = pipeline
        of_pipeline[pipeline.pk] = list(ladder.stages)
        colors = (*courses.COLORS[: len(ladder.open)], *courses.COLORS[-2:])
        own = [
            Stage(id=records.new_id(), pipeline=pipeline, name=name, color=color, position=position)
            for position, (name, color) in enumerate(zip(ladder.stages, colors, strict=True), start=1)
        ]
        stages += own
        shown = [{"id": one.pk, "name": one.name, "color": one.color, "order": one.position} for one in own]
        after = {"name": pipeline.name, "description": pipeline.description, "stages": shown}
        records.diary.tell("pipeline.created", pipeline, at=at, by=staff.admin, after=after)
    Pipeline.objects.bulk_create(pipelines.values())
    Stage.objects.bulk_create(stages)
    records.stages = of_pipeline
    return pipelines


def _webhook(records: Records, staff: _Staff, *, at: datetime) -> None:
    """One to look at, switched off: nothing of the demo company ever leaves the machine."""
    webhook = Webhook(
        id=records.new_id(),
        name="Order the books when somebody is won",
        model="Lead",
        url="https://books.example.com/orders/{id}",
        is_active=False,
        sealed_headers=sealed_headers({"Authorization": "Bearer demo-token"}),
        conditions=[{"field": "stage", "operator": "=", "value": LADDERS[0].won}],
        events=["updated"],
        sealed_secret=sealed_text(new_secret()),
        created_by=staff.admin,
        created_at=at,
        updated_at=at,
    )
    webhook.save(force_insert=True)
    records.diary.tell("webhook.created", webhook, at=at, by=staff.admin, after=known(webhook))


def _cohorts(records: Records, staff: _Staff, *, started_on: date, today: date) -> list[Cohort]:
    """Two of each season, in the order of their start, and what is taught in them."""
    cohorts: list[Cohort] = []
    helpers: list[EnrollmentAssistant] = []
    for starts_on, season in _seasons(started_on, today):
        set_up_on = max(starts_on - SET_UP_BEFORE, started_on + timedelta(days=2))
        for number, (group, taught) in enumerate(courses.GROUPS.items()):
            at = moments.at_time(set_up_on, time(11, 10 * number))
            cohort = Cohort(
                name_cohort=f"{season} {group}",
                start_date=starts_on,
                end_date=starts_on + timedelta(days=courses.DAYS_OF_COURSE),
                instructor=staff.instructors[number],
                **_made(records, staff.operations, at),
            )
            cohorts.append(cohort)
            _tell(records, "cohort", cohort, ("name_cohort", "start_date", "end_date", "instructor"))
            for nth, pathway in enumerate(taught, start=1):
                enrollment = Enrollment(
                    cohort=cohort,
                    instructor=staff.instructors[number],
                    pathway_name=pathway,
                    **_made(records, staff.operations, at + timedelta(minutes=nth)),
                )
                records.enrollments.append(enrollment)
                assistants = staff.assistants if pathway == courses.RO else staff.assistants[number : number + 1]
                helpers += [
                    EnrollmentAssistant(enrollment=enrollment, user=user, position=position)
                    for position, user in enumerate(assistants)
                ]
                _tell(
                    records,
                    "enrollment",
                    enrollment,
                    ("cohort", "instructor", "pathway_name"),
                    teaching_assistants=[user.pk for user in assistants],
                )
    Cohort.objects.bulk_create(cohorts)
    Enrollment.objects.bulk_create(records.enrollments)
    EnrollmentAssistant.objects.bulk_create(helpers)
    return cohorts


def _seasons(started_on: date, today: date) -> list[tuple[date, str]]:
    """First day and name of each season that the academy has lived through, and of those that are set up already."""
    firsts = [
        (working_day(date(year, month, courses.FIRST_DAY)), f"{name} {year}")
        for year in range(started_on.year, today.year + 2)
        for month, name in courses.SEASONS.items()
    ]
    return [(day, name) for day, name in firsts if started_on <= day + JOIN_UNTIL and day - SET_UP_BEFORE < today]


def _made(records: Records, by: User, at: datetime) -> dict[str, Any]:
    return {"id": records.new_id(), "created_by": by, "created_at": at, "updated_at": at}


def _tell(records: Records, kind: str, made: Cohort | Enrollment, names: Sequence[str], **more: Any) -> None:
    after = {name: getattr(made, name) for name in names} | more
    records.diary.tell(f"{kind}.created", made, at=made.created_at, by=made.created_by, after=after)


# --- stories ----------------------------------------------------------------------------------------------------------
class _Academy:
    """Tells what became of each lead, client and student; what a step does to a record is in `records`."""

    def __init__(
        self,
        records: Records,
        staff: _Staff,
        pipelines: dict[str, Pipeline],
        cohorts: list[Cohort],
        *,
        started_on: date,
        today: date,
    ) -> None:
        self.records, self.staff, self.pipelines, self.cohorts = records, staff, pipelines, cohorts
        self.started_on, self.today = started_on, today
        self._used: set[str] = set()
        self._phones = 1000  # the field-service half ends far below
        self._seated: list[EnrollmentDetail] = []  # the first seat of each student

    def tell(self) -> None:
        for number in range(CONVERTED):
            self._won_lead(number, seeded(f"won lead {number}"))
        for number in range(CLIENTS_OF_BEFORE):
            self._client_of_before(seeded(f"client of before {number}"))
        for number in range(LEADS - CONVERTED):
            self._lead(number, seeded(f"lead {number}"))
        self._transfers(seeded("transfers"))
        for number, student in enumerate(self.records.students):
            self._talks(student, seeded(f"talks {number}"))

    def _won_lead(self, number: int, random: Random) -> None:
        """Every second one a firm that sends its people; at the end a client with students."""
        ladder = (ADMISSIONS, TRAINING)[number % 2]
        made_on = self._ago(random.randint(32, DAYS_IN_USE - 14))
        lead = self._new_lead(ladder, made_on, random)
        at = lead.updated_at
        for stage in (*ladder.open[1:], ladder.won):
            at = _later(at, 1, 4, random)
            self.records.move(lead, stage, at=at, by=_owner(lead))
        at += timedelta(minutes=random.randint(5, 30))
        kind = random.choice(courses.KINDS[:-1]) if ladder.is_of_companies else "Private"
        name = self._person(random) if ladder.is_of_companies else lead.name
        student = self.records.convert(
            lead,
            self._enrollment(moments.day_of(at), random),
            client_attributes=self._of_client(kind, at, random, phone=None),
            student_name=name,
            student_attributes=self._of_student(name, random, phone=self._phone() if ladder.is_of_companies else None),
            at=at,
            by=self.staff.admin,
        )
        self._seated.append(self.records.seats[-1])
        self._more_of(student.client, kind, random, first=student)

    def _client_of_before(self, random: Random) -> None:
        kind = random.choice(courses.KINDS[:-1])
        at = _at(self._ago(random.randint(12, DAYS_IN_USE - 14)), random)
        given = self._of_client(kind, at, random, phone=self._phone())
        client = self.records.add_client(self._firm(kind, random), given, at=at, by=self.staff.operations)
        self._more_of(client, kind, random, first=None)

    def _more_of(self, client: Client, kind: str, random: Random, *, first: Student | None) -> None:
        """The other students of a client, and what is noted about it."""
        count = (2 if random.random() < 0.25 else 1) if kind == "Private" else random.randint(3, 6)
        for _ in range(count - (first is not None)):
            at = self._by_yesterday(_later(client.created_at, 0, 45, random), client.created_at, random)
            name = self._person(random)
            given = self._of_student(name, random, phone=self._phone())
            student = self.records.add_student(name, client, given, at=at, by=self.staff.operations)
            self._seat(student, random)
        notes, tasks = courses.CLIENT_NOTES, courses.CLIENT_TASKS
        self._jot(client, notes, tasks, self.staff.operations, random, since=client.created_at, often=0.4)

    def _seat(self, student: Student, random: Random) -> None:
        """Some days later in the course of the season; some take a second course, or come again a season later."""
        at = _later(student.created_at, 0, 4, random)
        if moments.day_of(at) >= self.today or random.random() < 0.03:
            return
        enrollment = self._enrollment(moments.day_of(at), random)
        self._seated.append(self.records.seat(student, enrollment, at=at, by=self.staff.operations))
        again_on = working_day((enrollment.cohort.end_date or self.today) + timedelta(days=random.randint(2, 20)))
        chance = random.random()
        if chance < 0.12:
            others = [one for one in self._taught_in(enrollment.cohort) if one.pathway_name != enrollment.pathway_name]
            second = at + timedelta(minutes=random.randint(3, 20))
            self.records.seat(student, random.choice(others), at=second, by=self.staff.operations)
        elif chance < 0.24 and again_on < self.today:
            at = _at(again_on, random)
            self.records.seat(student, self._enrollment(again_on, random), at=at, by=self.staff.operations)

    def _lead(self, number: int, random: Random) -> None:
        """One that is still open, was lost, or ordered a plant."""
        ladder = random.choices(LADDERS, [ladder.share for ladder in LADDERS])[0]
        if number < WITHOUT_PIPELINE:
            lead = self._new_lead(ladder, self._ago(random.randint(1, 20)), random, has_pipeline=False)
            self._jot_lead(lead, random)
            return
        chance = random.random()
        path = list(ladder.open[1 : random.randint(1, len(ladder.open))])
        if ladder is PLANTS and chance < 0.3:
            path, days = [*ladder.open[1:], ladder.won], random.randint(40, DAYS_IN_USE - 20)
        elif chance < 0.42:
            path, days = [*path, ladder.lost], random.randint(40, DAYS_IN_USE - 20)
        else:
            days = 1 + int(110 * random.random() ** 1.7)
        lead = self._new_lead(ladder, self._ago(days), random)
        at = lead.updated_at
        for stage in path:
            at = _later(at, 1, 9, random)
            if moments.day_of(at) >= self.today:
                break
            self.records.move(lead, stage, at=at, by=_owner(lead))
        self._jot_lead(lead, random)
        if number % 85 == 84:
            at = self._by_yesterday(_later(lead.updated_at, 1, 3, random), lead.updated_at, random)
            self.records.delete(lead, at=at, by=_owner(lead))

    def _new_lead(self, ladder: Ladder, made_on: date, random: Random, *, has_pipeline: bool = True) -> Lead:
        at = _at(made_on, random)
        seller = random.choice(self.staff.sales)
        known = [client for client in self.records.clients if client.created_at < at]
        is_known = ladder.is_of_companies and has_pipeline and len(known) > 10 and random.random() < 0.2
        client = random.choice(known) if is_known and len(self.records.leads) >= CONVERTED else None
        name = self._firm(random.choice(courses.KINDS[:-1]), random) if ladder.is_of_companies else self._person(random)
        course = random.choice(tuple(courses.COURSES))
        return self.records.add_lead(
            client.name if client else name,
            self._of_lead(ladder, name, course, made_on, random),
            pipeline=self.pipelines[ladder.name] if has_pipeline else None,
            responsible=None if len(self.records.leads) % 19 == 18 else seller,
            possible_client=client,
            moodle_course_id=courses.COURSES[course][0] if ladder is ADMISSIONS else "",
            at=at,
            by=seller,
        )

    # --- tasks, notes, follow-ups -------------------------------------------------------------------------------------
    def _jot_lead(self, lead: Lead, random: Random) -> None:
        is_open = lead.stage not in {name for ladder in LADDERS for name in (ladder.won, ladder.lost)}
        tasks = courses.LEAD_TASKS if is_open else ()
        since = lead.updated_at if is_open else lead.created_at
        self._jot(lead, courses.LEAD_NOTES, tasks, _owner(lead), random, since=since, often=0.55)

    def _jot(
        self,
        owner: Client | Student | Lead,
        notes: Sequence[str],
        tasks: Sequence[str],
        by: User,
        random: Random,
        *,
        since: datetime,
        often: float,
    ) -> None:
        """A note; and a task of the last days, which may be overdue or done by now. often: how probable each is."""
        at = self._by_yesterday(_later(since, 0, 3, random), since, random)
        if random.random() < often:
            self.records.add_note(owner, random.choice(notes), at=at, by=by)
        if not tasks or random.random() >= often:
            return
        at += timedelta(minutes=random.randint(1, 9))
        made_on = moments.day_of(at)
        is_done, done_at = random.random() < 0.35, _later(at, 1, 6, random)
        due = made_on + timedelta(days=random.randint(1, 9)) if is_done else self._due(made_on, random)
        task = self.records.add_task(owner, random.choice(tasks), due=due, at=at, by=by)
        if is_done and moments.day_of(done_at) < self.today:
            self.records.complete(owner, task, at=done_at, by=by)

    def _due(self, made_on: date, random: Random) -> date | None:
        """Near today on either side, for some without a day."""
        day = max(made_on, self.today + timedelta(days=random.randint(-8, 12)))
        return day if random.random() < 0.93 else None

    def _talks(self, student: Student, random: Random) -> None:
        """Follow-ups of who is taught, and what operations noted about everybody."""
        notes, tasks = courses.STUDENT_NOTES, courses.STUDENT_TASKS
        since = student.updated_at
        self._jot(student, notes, tasks, self.staff.operations, random, since=since, often=0.22)
        at = since
        for _ in range(random.choice((0, 0, 1, 1, 2)) if student.actual_cohort_id else 0):
            at = _later(at, 5, 30, random)
            if moments.day_of(at) >= self.today:
                return
            topic, comment = random.choice(courses.TALKS)
            by = random.choice([self.staff.operations, *self.staff.instructors])
            given = self._of_talk(topic, moments.day_of(at), random)
            self.records.follow_up(student, comment, given, on=at - timedelta(minutes=10), at=at, by=by)

    # --- transfers ----------------------------------------------------------------------------------------------------
    def _transfers(self, random: Random) -> None:
        """Dealt out to students with one seat, in a course that both groups of the season are taught."""
        able = [
            seat
            for seat in self._seated
            if seat.enrollment.pathway_name in courses.IN_BOTH and len(self.records.seats_of(seat.student)) == 1
        ]
        random.shuffle(able)
        for what, count in TRANSFERS:
            fitting = [seat for seat in able if self._may_change(seat, is_to_wait=what in ("pending", "to come"))]
            for seat in fitting[:count]:
                able.remove(seat)
                self._transfer(what, seat, random)

    def _may_change(self, seat: EnrollmentDetail, *, is_to_wait: bool) -> bool:
        """Whether a wish of the first weeks is decided by now; one that waits is of a course that is not over."""
        seated_on, ends_on = moments.day_of(seat.created_at), seat.enrollment.cohort.end_date or self.today
        if is_to_wait:
            return seated_on <= self._ago(7) and ends_on > self.today + timedelta(days=4)
        return seated_on <= self._ago(30)

    def _transfer(self, what: str, seat: EnrollmentDetail, random: Random) -> None:
        cohort, by = seat.enrollment.cohort, self.staff.operations
        target = next(one for one in self.cohorts if one.start_date == cohort.start_date and one.pk != cohort.pk)
        if what in ("pending", "to come"):
            at = _at(self._ago(random.randint(2, 5)), random)
        else:
            at = _later(seat.created_at, 3, 12, random)
        decided_at = _later(at, 1, 3, random) if what != "to come" else at + timedelta(hours=2)
        asker = cohort.instructor or by
        wished = working_day(moments.day_of(at) + timedelta(days=4))
        request = self.records.ask_for_transfer(seat.student, target, possible_on=wished, at=at, by=asker)
        if what == "moved":
            self.records.approve(request, effective_on=moments.day_of(decided_at), at=decided_at, by=by)
        elif what == "to come":
            self.records.approve(request, effective_on=self.today + timedelta(days=3), at=decided_at, by=by)
        elif what == "rejected":
            self.records.reject(request, reason=courses.REJECTED, at=decided_at, by=by)
        elif what == "cancelled":
            self.records.cancel(request, at=decided_at, by=asker)

    # --- who and where ------------------------------------------------------------------------------------------------
    def _enrollment(self, day: date, random: Random) -> Enrollment:
        """Some course of the season that who comes on this day joins."""
        joined = next(one.start_date for one in self.cohorts if one.start_date and one.start_date + JOIN_UNTIL >= day)
        of_season = [one for one in self.records.enrollments if one.cohort.start_date == joined]
        return random.choice(of_season)

    def _taught_in(self, cohort: Cohort) -> list[Enrollment]:
        return [one for one in self.records.enrollments if one.cohort_id == cohort.pk]

    def _person(self, random: Random) -> str:
        return self._unused(lambda: f"{random.choice(people.INITIALS)}. {random.choice(people.FIRST_NAMES)}")

    def _firm(self, kind: str, random: Random) -> str:
        names, places = courses.FIRM_NAMES, [region.name for region in people.REGIONS]
        trades = courses.FIRM_TRADES[kind]
        return self._unused(lambda: f"{random.choice(names)} {random.choice(trades)}, {random.choice(places)}")

    def _unused(self, draw: Callable[[], str]) -> str:
        name = draw()
        while name in self._used:
            name = draw()
        self._used.add(name)
        return name

    def _phone(self) -> str:
        self._phones += 1
        return people.phone_number(self._phones)

    # --- attributes ---------------------------------------------------------------------------------------------------
    def _of_lead(self, ladder: Ladder, name: str, course: str, made_on: date, random: Random) -> dict[str, Any]:
        heads = random.randint(2, 6) if ladder.is_of_companies else 1
        phone = self._phone()
        return _some(
            random,
            0.85,
            phone=phone,
            email=_mail(name, phone),
            source=random.choice(courses.SOURCES),
            course=course if ladder is not PLANTS else None,
            expected_fee=courses.COURSES[course][1] * heads if ladder is not PLANTS else 1000 * random.randint(90, 900),
            wants_to_start_on=made_on + timedelta(days=random.randint(10, 80)),
            needs_hostel=random.random() < 0.3,
            enquiry=random.choice(courses.ENQUIRIES[ladder.name]),
            quotation=_file("Quotation", phone, random) if ladder.is_of_companies else None,
        )

    def _of_client(self, kind: str, at: datetime, random: Random, *, phone: str | None) -> dict[str, Any]:
        """phone: None where it comes with the lead."""
        region = random.choice(people.REGIONS)
        place, code = random.choice(region.places)
        contact = {"phone": phone, "email": f"office{phone[-5:]}@example.com"} if phone else {}
        address = f"{random.randint(1, 180)} {random.choice(people.STREETS)}, {place}\n{region.name} {code}"
        return {"kind": kind, **contact} | _some(
            random,
            0.9,
            address=address,
            employees=random.randint(3, 120) if kind != "Private" else None,
            customer_since=moments.day_of(at) - timedelta(days=random.randint(0, 900)),
            pays_by_invoice=kind != "Private",
            agreement=_file("Agreement", str(random.randint(1000, 9999)), random) if kind != "Private" else None,
        )

    def _of_student(self, name: str, random: Random, *, phone: str | None) -> dict[str, Any]:
        """phone: None where it comes with the lead."""
        contact = {"phone": phone, "email": _mail(name, phone)} if phone else {}
        return contact | _some(
            random,
            0.85,
            date_of_birth=self.today - timedelta(days=random.randint(18 * 366, 45 * 365)),
            schooling=random.choice(courses.SCHOOLING),
            languages=["Tamil", *random.sample(courses.LANGUAGES[1:], random.randint(0, 2))],
            years_of_work=random.choice((0, 0.5, 1, 2, 3, 5, 8, 12)),
            has_toolkit=random.random() < 0.5,
            remarks=random.choice(courses.REMARKS) if random.random() < 0.3 else None,
            identity_card=_file("Identity card", str(random.randint(1000, 9999)), random),
        )

    def _of_talk(self, topic: str, day: date, random: Random) -> dict[str, Any]:
        return {"channel": random.choice(courses.CHANNELS), "topic": topic} | _some(
            random,
            0.7,
            attendance_percent=random.choice((62.5, 75, 80, 87.5, 90, 95, 100)),
            talk_again_on=day + timedelta(days=random.randint(5, 21)),
            employer_told=random.random() < 0.4,
            agreed=random.choice(courses.AGREED),
            marks_sheet=_file("Marks sheet", str(random.randint(1000, 9999)), random) if topic == "Exam" else None,
        )

    # --- the calendar -------------------------------------------------------------------------------------------------
    def _ago(self, days: int) -> date:
        """A working day so long ago, or the one before."""
        day = self.today - timedelta(days=days)
        return day - timedelta(days=1) if day.weekday() == SUNDAY else day

    def _by_yesterday(self, at: datetime, since: datetime, random: Random) -> datetime:
        """The moment itself, or one of the last working day when it is not over yet; never before `since`."""
        if moments.day_of(at) < self.today:
            return at
        return max(_at(self._ago(1), random), since + timedelta(minutes=random.randint(1, 9)))


def _later(at: datetime, least: int, most: int, random: Random) -> datetime:
    """Some days after a moment, in working hours; minutes after it when that would not be later."""
    day = working_day(moments.day_of(at) + timedelta(days=random.randint(least, most)))
    then = _at(day, random)
    return then if then > at else at + timedelta(seconds=random.randint(120, 1800))


def _at(day: date, random: Random) -> datetime:
    return moments.at_time(day, time(9, 15)) + timedelta(seconds=random.randint(0, 8 * 3600))


def _owner(lead: Lead) -> User:
    """Who works on a lead: who is responsible for it, else who made it."""
    by = lead.responsible or lead.created_by
    assert by is not None  # every lead of the demo was made by somebody
    return by


def _some(random: Random, often: float, **values: Any) -> dict[str, Any]:
    """These values, each with some probability. None stays out."""
    kept = {name: value for name, value in values.items() if random.random() < often and value is not None}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in kept.items()}


def _mail(name: str, phone: str) -> str:
    word = "".join(char for char in name.lower() if char.isascii() and char.isalpha())
    return f"{word[:20]}{phone[-4:]}@example.com"


def _file(what: str, number: str, random: Random) -> Paper | None:
    return Paper(f"{what} {number[-4:]}") if random.random() < 0.35 else None
