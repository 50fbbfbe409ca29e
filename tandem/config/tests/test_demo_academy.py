"""The academy half of the demo company: all of it is there, and in keeping with the product's own rules.

Here it is loaded the way in which an older installation gains it: after the field-service half.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import phonenumbers
import pytest
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.db.models import F, Max, Min

from tandem.academy.actions.records import add_to, change_in
from tandem.academy.models import (
    RECORDS,
    Attribute,
    AttributeType,
    Client,
    Cohort,
    DetailStatus,
    Enrollment,
    EnrollmentDetail,
    Entity,
    FollowUp,
    Lead,
    Note,
    Pipeline,
    Stage,
    StageChange,
    Student,
    Task,
    TransferRequest,
    TransferStatus,
)
from tandem.academy.queries import definitions_of
from tandem.academy.rules.attributes import merged, typed
from tandem.accounts.models import User
from tandem.common.phones import normal_phone
from tandem.config import demo
from tandem.config.demo.people import COLLEAGUES, LOGINS
from tandem.events.models import Event
from tandem.files.documents import read_picture_or_document
from tandem.files.storage import opened
from tandem.webhooks.models import Delivery, Notice, Webhook
from tests.cast import Api, person

NOW = datetime(2025, 12, 17, 9, 35, tzinfo=UTC)
TODAY = date(2025, 12, 17)

# What a colleague of a group finds something in.
SEES = {
    "Sales": ("/api/leads/", "/api/clients/", "/api/my-tasks/"),
    "Operations": ("/api/services/", "/api/transfer-requests/", "/api/my-tasks/"),
    "Instructors": ("/api/services/", "/api/enrollment-details/", "/api/cohorts/"),
    "Teacher Assistant": ("/api/services/", "/api/cohorts/"),
    "Management": ("/api/leads/", "/api/pipelines/", "/api/transfer-requests/"),
}


@pytest.fixture(scope="module")
def loaded(django_db_setup: None, django_db_blocker: Any) -> Iterable[demo.DemoSummary]:
    """The half is loaded once for this module; the transaction around it is rolled back at the end."""
    with django_db_blocker.unblock():
        outer = transaction.atomic()
        outer.__enter__()
        try:
            field_service_was_loaded()
            yield demo.load(now=NOW)
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)


@pytest.fixture
def company(db: None, loaded: demo.DemoSummary) -> demo.DemoSummary:
    return loaded


def field_service_was_loaded() -> None:
    """As far as the other half cares: there is its mark, and an admin whom it names."""
    admin = person("asha")
    Event.objects.create(
        type=demo.LOADED,
        at=NOW - timedelta(days=3),
        subject_type="demo",
        subject_id=str(admin.pk),
        facts={"half": demo.FIELD_SERVICE},
    )


class TestWhatIsThere:
    def test_it_has_the_size_of_a_believable_academy(self, company: demo.DemoSummary) -> None:
        assert company.is_new
        assert 390 <= company.counts["leads"] <= 410
        assert company.counts["clients"] == 80
        assert 235 <= company.counts["students"] <= 275
        assert company.counts["cohorts"] >= 8
        assert company.counts["seats"] >= company.counts["students"]
        assert company.counts["pending transfers"] == 5
        assert company.counts["follow-ups"] >= 100

    @pytest.mark.parametrize("entity", Entity)
    def test_attributes_of_every_type_are_defined_and_used(self, company: demo.DemoSummary, entity: Entity) -> None:
        types = dict(Attribute.objects.filter(entity=entity).values_list("name", "type"))
        assert set(types.values()) == set(AttributeType.values)
        rows = RECORDS[entity]._default_manager.values_list("attributes", flat=True)
        assert {name for attributes in rows for name in attributes} == set(types)

    def test_papers_can_be_read(self, company: demo.DemoSummary) -> None:
        keys = {
            key
            for model in (Client, Student, Lead)
            for images in model.objects.values_list("images", flat=True)
            for key in images
        }
        held = {
            value
            for entity in Entity
            for name in Attribute.objects.filter(entity=entity, type=AttributeType.FILE).values_list("name", flat=True)
            for attributes in RECORDS[entity]._default_manager.values_list("attributes", flat=True)
            if (value := attributes.get(name))
        }
        assert held == keys
        assert len(keys) > 50
        for key in sorted(keys)[:5]:
            file = opened(key)
            assert file is not None
            with file:
                assert read_picture_or_document(file, size=file.size).ending == "pdf"

    def test_every_stage_has_leads(self, company: demo.DemoSummary) -> None:
        standing = set(Lead.objects.live().exclude(pipeline=None).values_list("pipeline", "stage"))
        assert standing == set(Stage.objects.values_list("pipeline", "name"))
        assert Pipeline.objects.count() == 3

    def test_tasks_are_open_overdue_and_done(self, company: demo.DemoSummary) -> None:
        for entity in (Entity.LEAD, Entity.CLIENT, Entity.STUDENT):
            tasks = Task.objects.filter(entity=entity)
            assert tasks.filter(completed=True).exists()
            assert tasks.filter(completed=False, date__lt=TODAY).exists()
            assert tasks.filter(completed=False, date__gte=TODAY).exists()
            assert Note.objects.filter(entity=entity).exists()

    def test_leads_became_clients_with_students(self, company: demo.DemoSummary) -> None:
        converted = Lead.objects.exclude(converted_to=None)
        assert converted.count() == 60
        assert not converted.exclude(converted_to__client=F("possible_client")).exists()
        assert not converted.exclude(converted_seat__student=F("converted_to")).exists()

    def test_students_sit_in_courses_past_present_and_to_come(self, company: demo.DemoSummary) -> None:
        seats = EnrollmentDetail.objects.filter(status=DetailStatus.ACTIVE)
        assert seats.filter(enrollment__cohort__end_date__lt=TODAY).exists()
        assert seats.filter(enrollment__cohort__start_date__lte=TODAY, enrollment__cohort__end_date__gte=TODAY).exists()
        assert seats.filter(enrollment__cohort__start_date__gt=TODAY).exists()
        assert Student.objects.filter(actual_cohort=None).exists()
        assert not Enrollment.objects.filter(assistants=None).exists()

    def test_a_webhook_can_be_looked_at_and_tells_nobody_anything(self, company: demo.DemoSummary) -> None:
        webhook = Webhook.objects.get()
        assert (webhook.is_active, Notice.objects.count(), Delivery.objects.count()) == (False, 0, 0)
        assert webhook.url.startswith("https://books.example.com/")

    def test_each_printed_login_works_and_sees_something(self, company: demo.DemoSummary) -> None:
        logins = {login.username: login for login in LOGINS}
        for colleague in COLLEAGUES:
            login = logins[colleague.username]
            body = {"username": login.username, "password": login.password}
            answer = Api().post("/api/auth/login/", body)
            assert answer.status_code == 200, login
            user = User.objects.get(username=login.username)
            validate_password(login.password, user)
            assert f"{login.username} " in str(company)
            for address in SEES[colleague.group]:
                found = Api().get(address, Authorization=f"Bearer {answer.json()['access']}")
                assert found.status_code == 200, (login, address)
                assert found.json(), (login, address)


class TestItKeepsTheRules:
    def test_each_lead_stands_in_a_stage_of_its_pipeline(self, company: demo.DemoSummary) -> None:
        stages = set(Stage.objects.values_list("pipeline", "name"))
        placed = Lead.objects.exclude(pipeline=None)
        assert set(placed.values_list("pipeline", "stage")) <= stages

    def test_the_newest_stage_change_of_a_lead_is_where_it_stands(self, company: demo.DemoSummary) -> None:
        changes: dict[Any, list[StageChange]] = defaultdict(list)
        for change in StageChange.objects.order_by("pk"):
            changes[change.lead_id].append(change)
        assert set(changes) == set(Lead.objects.values_list("pk", flat=True))
        for lead in Lead.objects.all():
            own = changes[lead.pk]
            assert (own[-1].stage, own[-1].pipeline_id) == (lead.stage, lead.pipeline_id)
            assert own[0].entered_at == lead.created_at
            times = [change.entered_at for change in own]
            assert times == sorted(set(times))
        assert max(len(own) for own in changes.values()) >= 5

    @pytest.mark.parametrize("entity", Entity)
    def test_attribute_values_are_stored_as_their_types_are(self, company: demo.DemoSummary, entity: Entity) -> None:
        definitions = {one.name: one for one in definitions_of(entity)}
        for attributes in RECORDS[entity]._default_manager.values_list("attributes", flat=True):
            assert merged({}, attributes, definitions.values(), creating=True) == attributes
            assert {name: typed(definitions[name], value) for name, value in attributes.items()} == attributes

    def test_students_are_where_their_newest_seat_is(self, company: demo.DemoSummary) -> None:
        newest: dict[Any, Any] = {}
        first: dict[Any, Any] = {}
        rows = EnrollmentDetail.objects.order_by("created_at").values_list("student", "status", "enrollment__cohort")
        for student, status, cohort in rows:
            first.setdefault(student, cohort)
            if status == DetailStatus.ACTIVE:
                newest[student] = cohort
        for student in Student.objects.all():
            assert student.actual_cohort_id == newest.get(student.pk)
            assert student.origin_cohort_id == first.get(student.pk)

    def test_transfers_that_took_effect_moved_the_student(self, company: demo.DemoSummary) -> None:
        moved = TransferRequest.objects.exclude(moved_at=None).select_related("student")
        assert moved.count() == 14
        for request in moved:
            assert request.status == TransferStatus.APPROVED
            seats = EnrollmentDetail.objects.filter(student=request.student_id)
            closed = seats.get(status=DetailStatus.TRANSFERRED)
            opened = seats.get(created_at=request.moved_at)
            assert closed.closed_at == request.moved_at
            assert closed.enrollment.pathway_name == opened.enrollment.pathway_name
            assert opened.enrollment.cohort_id == request.target_cohort_id == request.student.actual_cohort_id
            assert request.student.origin_cohort_id == closed.enrollment.cohort_id
        assert EnrollmentDetail.objects.filter(status=DetailStatus.TRANSFERRED).count() == 14

    def test_other_transfers_moved_nobody(self, company: demo.DemoSummary) -> None:
        others = TransferRequest.objects.filter(moved_at=None)
        found = sorted(others.values_list("status", flat=True))
        assert found == ["approved", "cancelled", *["pending"] * 5, "rejected", "rejected"]
        assert not others.filter(status=TransferStatus.APPROVED, effective_date__lte=TODAY).exists()
        assert not others.filter(target_cohort=F("student__actual_cohort")).exists()
        assert not others.filter(status=TransferStatus.PENDING, target_cohort__end_date__lt=TODAY).exists()
        students = list(others.values_list("student", flat=True))
        assert len(students) == len(set(students))

    def test_nothing_has_happened_in_the_future_or_before_its_beginning(self, company: demo.DemoSummary) -> None:
        for model in (Lead, Client, Student, FollowUp, Cohort, Enrollment, EnrollmentDetail, TransferRequest):
            rows: Any = model._default_manager
            assert rows.aggregate(latest=Max("updated_at"))["latest"] <= NOW
            assert not rows.filter(updated_at__lt=F("created_at")).exists()
        assert Event.objects.aggregate(latest=Max("at"))["latest"] <= NOW
        assert not Student.objects.filter(created_at__lt=F("client__created_at")).exists()
        assert not EnrollmentDetail.objects.filter(created_at__lt=F("enrollment__created_at")).exists()
        assert not EnrollmentDetail.objects.filter(created_at__lt=F("student__created_at")).exists()
        assert not FollowUp.objects.filter(created_at__lt=F("student__created_at")).exists()
        assert not Lead.objects.filter(converted_to=None, created_at__lt=F("possible_client__created_at")).exists()

    def test_whoever_did_something_may_do_it(self, company: demo.DemoSummary) -> None:
        sellers = User.objects.filter(leads__isnull=False).distinct()
        assert {user.has_perm("accounts.change_lead") for user in sellers} == {True}
        askers = User.objects.filter(pk__in=TransferRequest.objects.values("created_by"))
        assert {user.has_perm("accounts.add_transferrequest") for user in askers} == {True}
        deciders = User.objects.filter(pk__in=TransferRequest.objects.exclude(decided_by=None).values("decided_by"))
        cancelled_by = TransferRequest.objects.filter(status=TransferStatus.CANCELLED).values("decided_by")
        assert {user.has_perm("accounts.change_transferrequest") for user in deciders.exclude(pk__in=cancelled_by)} == {
            True
        }
        talkers = User.objects.filter(pk__in=FollowUp.objects.values("user"))
        assert {user.has_perm("accounts.add_followup") for user in talkers} == {True}

    def test_phones_and_mails_belong_to_nobody(self, company: demo.DemoSummary) -> None:
        phones, mails = [], []
        for model in (Lead, Client, Student):
            for attributes in model._default_manager.values_list("attributes", flat=True):
                phones.append(attributes.get("phone"))
                mails.append(attributes.get("email"))
        phones, mails = [one for one in phones if one], [one for one in mails if one]
        assert len(phones) > 500
        for phone in phones:
            assert normal_phone(phone) == phone
            assert not phonenumbers.is_valid_number(phonenumbers.parse(phone))
        assert all(mail.endswith("@example.com") for mail in mails)


class TestHistories:
    def test_every_record_has_one_that_begins_with_its_creation(self, company: demo.DemoSummary) -> None:
        for model, subject in (
            *((model, entity.value) for entity, model in RECORDS.items()),
            (Pipeline, "pipeline"),
            (Attribute, "attribute"),
            (Cohort, "cohort"),
            (Enrollment, "enrollment"),
            (EnrollmentDetail, "enrollment_detail"),
            (TransferRequest, "transfer_request"),
        ):
            rows: Any = model._default_manager
            firsts = Event.objects.filter(subject_type=subject).values("subject_id").annotate(first=Min("pk"))
            assert {row["subject_id"] for row in firsts} == {str(pk) for pk in rows.values_list("pk", flat=True)}
            begun = Event.objects.filter(pk__in=[row["first"] for row in firsts])
            assert set(begun.values_list("type", flat=True)) == {f"{subject}.created"}

    def test_they_end_at_what_is_stored(self, company: demo.DemoSummary) -> None:
        told: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
        for event in Event.objects.order_by("pk"):
            known = told[event.subject_type, event.subject_id]
            for name, old in event.before.items():
                if name not in ("list_of_tasks", "list_of_notes", "list_of_images", "attributes"):
                    assert known.get(name, old) == old, (event.type, name)
            attributes = {**known.get("attributes", {}), **event.after.get("attributes", {})}
            known.update({**event.after, "attributes": attributes})
        for lead in Lead.objects.all():
            known = told["lead", str(lead.pk)]
            assert known["stage"] == lead.stage
            assert known["attributes"] == lead.attributes
            assert known.get("converted_to") == (str(lead.converted_to_id) if lead.converted_to_id else None)
        for student in Student.objects.exclude(actual_cohort=None):
            assert told["service", str(student.pk)]["actual_cohort"] == str(student.actual_cohort_id)
        for request in TransferRequest.objects.exclude(status=TransferStatus.PENDING):
            assert told["transfer_request", str(request.pk)]["status"] == request.status

    def test_tasks_are_told_as_the_actions_tell_them(self, company: demo.DemoSummary) -> None:
        by, client = person("asha"), Client.objects.exclude(pk__in=Task.objects.values("record")).first()
        assert client is not None
        add_to(Entity.CLIENT, client, Task, {"task": "Call", "date": TODAY}, by=by, now=NOW)
        task = Task.objects.get(record=client.pk)
        change_in(Entity.CLIENT, client, Task, task.pk, {"completed": True}, by=by, now=NOW)
        *_, added, done = Event.objects.filter(subject_id=str(client.pk), type="client.updated").order_by("pk")
        lead = Task.objects.filter(entity=Entity.LEAD, completed=True).order_by("pk").first()
        assert lead is not None
        of_demo = [
            event
            for event in Event.objects.filter(subject_id=str(lead.record), type="lead.updated").order_by("pk")
            if "list_of_tasks" in event.after
        ]
        assert [shape(event) for event in of_demo] == [shape(added), shape(done)]


def shape(event: Event) -> Any:
    return [
        {key: [{name: type(value) for name, value in item.items()} for item in items] for key, items in side.items()}
        for side in (event.before, event.after)
    ]


class TestLoading:
    def test_a_second_time_changes_nothing(self, company: demo.DemoSummary) -> None:
        before = everything()
        again = demo.load(now=NOW + timedelta(days=3))
        assert not again.is_new
        assert again.counts == company.counts
        assert everything() == before

    def test_it_is_the_same_every_time_whatever_the_hour(self, company: demo.DemoSummary) -> None:
        at_first = everything()
        with transaction.atomic():
            _forget()
            assert demo.load(now=NOW.replace(hour=17)).is_new
            assert everything() == at_first
            transaction.set_rollback(True)

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(datetime(2026, 4, 13, 1, 0, tzinfo=UTC), id="a Monday in the first week of a season"),
            pytest.param(datetime(2026, 7, 4, 18, 0, tzinfo=UTC), id="before the courses of a season begin"),
            pytest.param(datetime(2024, 2, 29, 18, 29, tzinfo=UTC), id="the last minute of a leap day"),
        ],
    )
    def test_it_can_be_loaded_on_any_day(self, company: demo.DemoSummary, now: datetime) -> None:
        with transaction.atomic():
            _forget()
            summary = demo.load(now=now)
            assert summary.counts["pending transfers"] == 5
            assert summary.counts["students"] == company.counts["students"]
            assert TransferRequest.objects.exclude(moved_at=None).count() == 14
            assert Lead.objects.aggregate(latest=Max("updated_at"))["latest"] <= now
            transaction.set_rollback(True)


def _forget() -> None:
    """Back to where only the field-service half was loaded."""
    for model in (
        *(Task, Note, FollowUp, StageChange, Lead, TransferRequest, EnrollmentDetail),
        *(Student, Client, Enrollment, Cohort, Stage, Pipeline, Attribute, Webhook),
    ):
        rows: Any = model._default_manager
        rows.all().delete()
    Event.objects.exclude(subject_type="demo").delete()
    Event.objects.filter(facts__half=demo.ACADEMY).delete()
    User.objects.filter(username__in=[colleague.username for colleague in COLLEAGUES]).delete()


def everything() -> dict[str, Any]:
    """What is stored, without hashes and the ids that the database gives."""
    wanted: dict[Any, tuple[str, ...]] = {
        Lead: ("pk", "name", "stage", "attributes", "responsible__username", "converted_to", "updated_at"),
        Client: ("pk", "name", "attributes", "created_at", "updated_at"),
        Student: ("pk", "name", "attributes", "actual_cohort__name_cohort", "updated_at"),
        FollowUp: ("pk", "comment", "attributes", "user__username", "created_at"),
        EnrollmentDetail: ("pk", "enrollment", "student", "status", "closed_at"),
        TransferRequest: ("pk", "student", "status", "moved_at", "effective_date"),
        Task: ("pk", "task", "date", "completed", "user__username", "position"),
        Note: ("pk", "note", "date", "user__username"),
        Stage: ("pk", "name", "position"),
        Webhook: ("pk", "name", "url", "conditions", "created_at"),
    }
    found = {
        model.__name__: list(model._default_manager.order_by("pk").values_list(*names))
        for model, names in wanted.items()
    }
    stages = StageChange.objects.order_by("lead", "pk").values_list("lead", "stage", "entered_at")
    events = Event.objects.exclude(subject_type="demo").order_by("pk").values_list("type", "at", "actor__username")
    return {**found, "stages": list(stages), "events": list(events)}
