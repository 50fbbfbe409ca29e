"""The demo company: all of it is there, believable, harmless, and in keeping with the product's own rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import phonenumbers
import pytest
from django.contrib.auth.password_validation import validate_password
from django.db.models import Count, F, Max, Min, Q

from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.common.phones import normal_phone
from tandem.config import demo
from tandem.config.demo.people import COLLEAGUES, LOGINS
from tandem.events.models import Event
from tandem.fieldservice.models import Attendance, AttendanceStatus, Card, Feedback, ServiceEntry, Visit, VisitStatus
from tandem.fieldservice.queries import free_visits, warranty_of
from tandem.fieldservice.rules import states
from tandem.fieldservice.rules.warranty import FreeDay, add_months, decide
from tandem.sms.models import Message
from tests.cast import Api

# A Wednesday, 15:05 of the site's time: some of the day's work is done, some is going on.
NOW = datetime(2025, 12, 17, 9, 35, tzinfo=UTC)
TODAY = date(2025, 12, 17)


@pytest.fixture(scope="module")
def loaded(django_db_setup: None, django_db_blocker: Any) -> Iterable[demo.DemoSummary]:
    """The company is loaded once for this module; the transaction around it is rolled back at the end."""
    from django.db import transaction

    with django_db_blocker.unblock():
        outer = transaction.atomic()
        outer.__enter__()
        try:
            yield demo.load(now=NOW)
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)


@pytest.fixture
def company(db: None, loaded: demo.DemoSummary) -> demo.DemoSummary:
    return loaded


class TestWhatIsThere:
    def test_it_has_the_size_of_a_believable_company(self, company: demo.DemoSummary) -> None:
        assert company.is_new
        assert company.counts["workers"] == 12
        assert company.counts["customers"] == 300
        assert 300 <= company.counts["machines"] <= 380
        assert 1350 <= company.counts["visits"] <= 1650
        assert company.counts["ratings"] >= 300
        assert company.counts["days of attendance"] >= 36
        assert 380 <= company.counts["leads"] <= 420

    def test_every_state_occurs(self, company: demo.DemoSummary) -> None:
        assert set(Visit.objects.values_list("status", flat=True)) == set(VisitStatus.values)

    def test_past_present_and_coming_days_have_visits(self, company: demo.DemoSummary) -> None:
        by_day = Counter(Visit.objects.values_list("day", flat=True))
        assert by_day[TODAY] >= 20
        assert sum(count for day, count in by_day.items() if day > TODAY) >= 40
        assert sum(count for day, count in by_day.items() if day < TODAY) >= 1200

    def test_todays_work_has_come_as_far_as_the_clock_says(self, company: demo.DemoSummary) -> None:
        today = Visit.objects.filter(day=TODAY)
        assert today.filter(status=states.COMPLETED).exists()
        assert today.filter(status=states.IN_PROGRESS).exists()
        assert today.filter(status=states.ASSIGNED, scheduled_at__gt=NOW).exists()

    def test_something_waits_for_auto_assign(self, company: demo.DemoSummary) -> None:
        for day in (TODAY, TODAY + timedelta(days=1)):
            assert Visit.objects.open().filter(day=day, assigned_to=None).count() >= 5

    def test_each_printed_login_works_and_sees_something(self, company: demo.DemoSummary) -> None:
        of_academy = {colleague.username for colleague in COLLEAGUES}  # see test_demo_academy.py
        for login in company.logins:
            if login.username in of_academy:
                continue
            body = {"username": login.username} if login.username else {"phone": login.phone}
            answer = Api().post("/api/auth/login/", {**body, "password": login.password})
            assert answer.status_code == 200, login
            user = User.objects.get(phone=login.phone)
            assert Visit.objects.visible_to(user).exists()
            validate_password(login.password, user)
            assert login.password in str(company)

    def test_the_customer_of_the_logins_has_something_to_rate_and_a_visit_to_come(
        self, company: demo.DemoSummary
    ) -> None:
        own = Visit.objects.filter(card__customer__phone=company.logins[-1].phone)
        assert own.filter(status=states.COMPLETED, feedback=None).exists()
        assert own.open().filter(day__gt=TODAY).exists()

    def test_the_worker_of_the_logins_has_work_today_and_tomorrow(self, company: demo.DemoSummary) -> None:
        for day in (TODAY, TODAY + timedelta(days=1)):
            assert Visit.objects.open().filter(assigned_to__username="selvam", day=day).exists()


class TestItKeepsTheRules:
    def test_free_visits_that_the_rule_made_are_three_months_apart(self, company: demo.DemoSummary) -> None:
        days: dict[int, list[date]] = {}
        for card, on in (
            free_visits().filter(service_type_forced=False).order_by("free_on").values_list("card", "free_on")
        ):
            days.setdefault(card, []).append(on)
        assert sum(len(found) > 1 for found in days.values()) > 50
        for found in days.values():
            assert all(later >= add_months(earlier, 3) for earlier, later in pairwise(found))

    def test_the_rule_says_the_same_of_every_free_visit(self, company: demo.DemoSummary) -> None:
        free = list(free_visits().select_related("card").order_by("created_at"))
        assert len(free) > 300
        earlier: dict[int, list[FreeDay]] = {}
        for visit in free:
            known = earlier.setdefault(visit.card_id, [])
            day = visit.completed_on or visit.day
            if not visit.service_type_forced:
                assert decide(warranty_of(visit.card), free_days=known, on=day).is_free
            known.append(FreeDay(day, by_rule=not visit.service_type_forced))

    def test_no_machine_has_two_open_visits_on_a_day(self, company: demo.DemoSummary) -> None:
        twice = Visit.objects.open().values("card", "day").annotate(count=Count("pk")).filter(count__gt=1)
        assert not twice.exists()

    def test_nobody_has_more_than_eight_visits_a_day_or_two_at_one_time(self, company: demo.DemoSummary) -> None:
        fixed = Visit.objects.exclude(assigned_to=None).exclude(status=states.CANCELLED)
        loads = fixed.values("assigned_to", "day").annotate(count=Count("pk"))
        assert max(row["count"] for row in loads) <= 8
        with_time = fixed.filter(scheduled_has_time=True)
        assert not with_time.values("assigned_to", "scheduled_at").annotate(n=Count("pk")).filter(n__gt=1).exists()

    def test_workers_go_to_their_region_on_days_when_they_are_there(self, company: demo.DemoSummary) -> None:
        abroad = Visit.objects.exclude(assigned_to=None).exclude(assigned_to__region="")
        assert not abroad.exclude(card__region__iexact=F("assigned_to__region")).exists()
        absent = Attendance.objects.filter(status=AttendanceStatus.ABSENT)
        assert absent.filter(date__lt=TODAY).exists()
        for user, day in absent.values_list("user", "date"):
            visits = Visit.objects.filter(assigned_to=user, day=day).exclude(status=states.CANCELLED)
            # Whoever is ill today was given visits before that was known, and has begun none of them.
            assert set(visits.values_list("status", flat=True)) <= ({states.ASSIGNED} if day == TODAY else set())

    def test_an_absence_of_today_leaves_visits_to_be_given_to_others(self, company: demo.DemoSummary) -> None:
        ill = Attendance.objects.get(date=TODAY, status=AttendanceStatus.ABSENT)
        assert Visit.objects.open().filter(assigned_to=ill.user, day=TODAY).count() == 2

    def test_completed_visits_have_what_completing_leaves(self, company: demo.DemoSummary) -> None:
        completed = Visit.objects.filter(status=states.COMPLETED)
        assert not completed.filter(Q(completed_at=None) | Q(completed_on=None) | Q(entries=None)).exists()
        assert not completed.exclude(otp_hash="").exists()
        assert not completed.filter(completed_at__gt=NOW).exists()
        assert not Visit.objects.exclude(status=states.COMPLETED).filter(completed_at__isnull=False).exists()
        assert not ServiceEntry.objects.exclude(visit__status=states.COMPLETED).exists()
        amounts = ServiceEntry.objects.exclude(amount_charged=F("visit__amount_charged"))
        assert not amounts.exists()
        for visit in completed:
            assert moments.day_of(visit.completed_at) == visit.completed_on == visit.day
        assert ServiceEntry.objects.exclude(parts_replaced=[]).count() > 300

    def test_cancelled_visits_say_why(self, company: demo.DemoSummary) -> None:
        cancelled = Visit.objects.filter(status=states.CANCELLED)
        assert cancelled.count() >= 50
        assert not cancelled.filter(Q(cancelled_at=None) | Q(cancel_reason="")).exists()

    def test_free_work_costs_nothing(self, company: demo.DemoSummary) -> None:
        assert not Visit.objects.filter(service_type="free", amount_charged__gt=0).exists()
        assert Visit.objects.filter(service_type="normal", amount_charged__gt=0).count() > 200

    def test_ratings_are_of_completed_visits_and_later(self, company: demo.DemoSummary) -> None:
        assert not Feedback.objects.exclude(visit__status=states.COMPLETED).exists()
        assert not Feedback.objects.filter(created_at__lte=F("visit__completed_at")).exists()
        assert set(Feedback.objects.values_list("rating", flat=True)) == {1, 2, 3, 4, 5}

    def test_open_visits_with_a_worker_have_a_state_that_says_so(self, company: demo.DemoSummary) -> None:
        at_work = (states.ASSIGNED, states.IN_PROGRESS, states.AWAITING_OTP)
        assert not Visit.objects.filter(status__in=at_work, assigned_to=None).exists()
        assert not Visit.objects.filter(status=states.PENDING).exclude(assigned_to=None).exists()
        assert not Visit.objects.filter(status=states.SCHEDULED, scheduled_on=None).exists()

    def test_nothing_has_happened_in_the_future(self, company: demo.DemoSummary) -> None:
        for model, moment in ((Visit, "updated_at"), (Event, "at"), (Card, "updated_at"), (Attendance, "updated_at")):
            assert model.objects.aggregate(latest=Max(moment))["latest"] <= NOW
        assert not Visit.objects.filter(created_at__lt=F("card__created_at")).exists()
        assert not Visit.objects.filter(updated_at__lt=F("created_at")).exists()

    def test_every_booking_was_made_inside_the_booking_window(self, company: demo.DemoSummary) -> None:
        for asked_for, at in Visit.objects.values_list("preferred_date", "created_at"):
            assert timedelta(0) <= asked_for - moments.day_of(at) <= timedelta(days=30)

    def test_machines_that_are_gone_have_no_open_visits(self, company: demo.DemoSummary) -> None:
        gone = Card.objects.filter(Q(is_active=False) | ~Q(deleted_at=None))
        assert gone.count() >= 6
        assert not Visit.objects.open().filter(card__in=gone).exists()


class TestHistories:
    def test_every_record_has_one_that_begins_with_its_creation(self, company: demo.DemoSummary) -> None:
        for model, subject, first in (
            (Visit, "visit", "visit.booked"),
            (Card, "card", "card.created"),
            (User, "user", "user.created"),
            (Attendance, "attendance", "attendance.marked"),
            (Feedback, "feedback", "feedback.given"),
        ):
            firsts = Event.objects.filter(subject_type=subject).values("subject_id").annotate(first=Min("pk"))
            assert {int(row["subject_id"]) for row in firsts} == set(model.objects.values_list("pk", flat=True))
            begun = Event.objects.filter(pk__in=[row["first"] for row in firsts])
            assert set(begun.values_list("type", flat=True)) == {first}

    def test_the_states_of_a_history_follow_from_each_other_and_end_at_the_present_one(
        self, company: demo.DemoSummary
    ) -> None:
        present = dict(Visit.objects.values_list("pk", "status"))
        told: dict[int, str] = {}
        rows = Event.objects.filter(subject_type="visit").order_by("pk").values_list("subject_id", "before", "after")
        for subject, before, after in rows:
            if "status" in after:
                pk = int(subject)
                assert before.get("status") == told.get(pk)
                assert pk not in told or states.may_move(told[pk], after["status"])
                told[pk] = after["status"]
        assert told == present

    def test_no_trace_of_a_code_is_in_them(self, company: demo.DemoSummary) -> None:
        for before, after in Event.objects.filter(subject_type="visit").values_list("before", "after"):
            assert not [name for name in (*before, *after) if name.startswith("otp")]

    def test_they_are_in_the_order_of_time(self, company: demo.DemoSummary) -> None:
        times = list(Event.objects.order_by("pk").values_list("at", flat=True))
        assert times == sorted(times)


class TestNobodyIsBothered:
    def test_phone_numbers_are_taken_but_belong_to_nobody(self, company: demo.DemoSummary) -> None:
        phones = list(User.objects.exclude(phone=None).values_list("phone", flat=True))
        assert len(phones) > 300
        for phone in phones:
            number = phonenumbers.parse(phone)
            assert normal_phone(phone) == phone
            assert phonenumbers.is_possible_number(number)
            assert not phonenumbers.is_valid_number(number)

    def test_some_customers_have_no_phone(self, company: demo.DemoSummary) -> None:
        assert User.objects.filter(role=Role.CUSTOMER, phone=None).count() == 5

    def test_mail_addresses_are_of_the_reserved_domain(self, company: demo.DemoSummary) -> None:
        assert not User.objects.exclude(email="").exclude(email__endswith="@example.com").exists()

    def test_no_message_waits_to_be_sent(self, company: demo.DemoSummary) -> None:
        assert not Message.objects.exists()

    def test_only_those_of_the_printed_logins_and_the_workers_can_sign_in(self, company: demo.DemoSummary) -> None:
        usable = [user for user in User.objects.filter(is_active=True) if user.has_usable_password()]
        assert {user.phone for user in usable} == {login.phone for login in LOGINS}


class TestASecondTime:
    def test_it_changes_nothing_and_says_so(self, company: demo.DemoSummary) -> None:
        before = everything()
        again = demo.load(now=NOW + timedelta(days=3))
        assert not again.is_new
        assert "nothing changed" in str(again)
        assert again.counts == company.counts
        assert everything() == before


def everything() -> dict[str, Any]:
    """What is stored, without ids, hashes and digests."""
    return {
        "users": list(
            User.objects.order_by("pk").values_list("name", "phone", "role", "region", "is_active", "date_joined")
        ),
        "cards": list(Card.objects.order_by("pk").values_list("model", "customer__name", "region", "created_at")),
        "visits": list(
            Visit.objects.order_by("pk").values_list(
                "card__customer_name",
                "status",
                "day",
                "service_type",
                "description",
                "assigned_to__name",
                "scheduled_at",
                "amount_charged",
                "completed_at",
                "updated_at",
            )
        ),
        "entries": list(ServiceEntry.objects.order_by("pk").values_list("work_detail", "parts_replaced", "created_at")),
        "feedback": list(Feedback.objects.order_by("pk").values_list("rating", "comments", "created_at")),
        "attendance": list(Attendance.objects.order_by("pk").values_list("user__name", "date", "status")),
        "events": list(Event.objects.order_by("pk").values_list("type", "at", "actor__name")),
    }
