"""The support site: staff look at everything, nobody writes but through an action, and no secret is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.views.defaults import permission_denied

from tandem.accounts.models import AccessKey, RefreshSession, User
from tandem.accounts.tokens import open_key, open_session
from tandem.common import moments
from tandem.common.models import PeriodicJob
from tandem.events.admin import PageWithHistory
from tandem.events.models import Event
from tandem.events.record import record
from tandem.fieldservice.actions.cards import delete_card
from tandem.fieldservice.models import Attendance, Card, Feedback, ServiceEntry, Visit
from tandem.sms.models import Message
from tandem.sms.outbox import queue_message
from tandem.webhooks.actions.switching import switch_off
from tandem.webhooks.models import Delivery, Webhook
from tandem.webhooks.tests.hooks import hook
from tests.cast import PASSWORD, card_of, newcomer, person, visit_to

pytestmark = pytest.mark.django_db

PAGES = list(admin.site._registry.values())
SITE = "/admin/"
PART = {"code": "V01", "name": "Valve", "qty": 1, "price": "320.00", "serial_number": "V01-7"}


def name_of(page: Any) -> str:
    """page: one of the site, or its model."""
    options = getattr(page, "opts", None) or page._meta
    return f"{options.app_label}_{options.model_name}"


def listing(page: Any) -> str:
    return reverse(f"admin:{name_of(page)}_changelist")


def detail(record: Any, page: str = "change") -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_{page}", args=[record.pk])


def browser(name: str | None, **options: Any) -> Client:
    client = Client(HTTP_HOST="localhost", **options)
    if name is not None:
        client.force_login(person(name), backend="tandem.accounts.backends.Accounts")
    return client


def fill(number: int) -> Visit:
    """One more row in every table of the site, each with people of its own where it has people."""
    now, today = moments.now(), moments.today()
    customer = newcomer(f"Customer{number}")
    worker = newcomer(f"Worker{number}", role="worker")
    visit = visit_to(card_of(customer), assigned_to=worker, status="completed", otp_hash=f"secretdigest{number:052d}")
    ServiceEntry.objects.create(
        visit=visit, performed_by=worker, work_detail="Cleaned", parts_replaced=[PART], created_at=now
    )
    Feedback.objects.create(visit=visit, rating=4, comments="Good", created_at=now)
    Attendance.objects.create(
        user=worker, date=today, status="present", marked_by=person("asha"), created_at=now, updated_at=now
    )
    record("visit.booked", subject=visit, actor=customer, at=now, after={"status": "pending"}, description="Leaks")
    queue_message(to="+915000000001", text=f"secretcode{number}", purpose="otp", now=now)
    PeriodicJob.objects.create(name=f"job {number}")
    _tell(number)
    open_key(worker, now=now)
    open_session(worker, now=now)
    return visit


def _tell(number: int) -> None:
    now = moments.now()
    headers = {"Authorization": f"secretheader{number}"}
    webhook = hook(url=f"https://receiver{number}.example/", headers=headers, is_active=False)
    tried = {"at": moments.iso(now), "status_code": 200, "error": "", "duration_ms": 5, "answer": "secretanswer"}
    told = {"type": "lead.updated", "record": "r", "body": '{"data":{"name":"secretbody"}}', "tried": [tried]}
    Delivery.objects.create(webhook=webhook, sequence=number, next_attempt_at=now, created_at=now, **told)


def everything() -> dict[str, list[Any]]:
    """All rows of all tables but those of browser sessions, to see that a request has changed nothing."""
    kept = [model for model in apps.get_models() if model._meta.label != "sessions.Session"]
    return {model._meta.label: list(model._default_manager.order_by("pk").values_list()) for model in kept}


class TestPages:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_staff_see_list_and_detail(self, page: Any) -> None:
        fill(1)
        client = browser("asha")
        assert client.get(listing(page)).status_code == 200
        row = page.model._default_manager.order_by("pk").first()
        assert client.get(detail(row)).status_code == 200

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_a_record_is_named_and_has_a_history_where_there_is_one(self, page: Any) -> None:
        fill(1)
        row = page.model._default_manager.order_by("pk").first()
        shown = browser("asha").get(detail(row)).content.decode()
        assert " object (" not in shown
        assert (detail(row, "history") in shown) == isinstance(page, PageWithHistory)

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    @pytest.mark.parametrize("name", ["chitra", "wasim", "omar", None])
    def test_nobody_else_gets_in(self, name: str | None, page: Any) -> None:
        fill(1)
        client = browser(name)
        row = page.model._default_manager.order_by("pk").first()
        for path in (SITE, listing(page), detail(row), detail(row, "history"), detail(row, "delete")):
            answer = client.get(path)
            assert answer.status_code == 302
            assert answer["Location"].startswith("/admin/login/")

    def test_an_admin_who_was_deactivated_is_out_at_once(self) -> None:
        client = browser("asha")
        User.objects.filter(pk=person("asha").pk).update(is_active=False)
        assert client.get(SITE).status_code == 302

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_a_list_costs_as_many_queries_for_ten_rows_as_for_one(self, page: Any) -> None:
        client = browser("asha")
        fill(0)
        client.get(listing(page))
        with CaptureQueriesContext(connection) as one:
            client.get(listing(page))
        for number in range(1, 10):
            fill(number)
        with CaptureQueriesContext(connection) as ten:
            assert client.get(listing(page)).status_code == 200
        assert len(ten) == len(one)

    def test_a_detail_page_costs_as_many_queries_for_ten_inner_rows_as_for_one(self) -> None:
        client = browser("asha")
        visit = fill(0)
        for inner in (visit, visit.card):
            client.get(detail(inner))
            with CaptureQueriesContext(connection) as one:
                client.get(detail(inner))
            for number in range(9):
                worker = newcomer(f"Inner{number}{inner._meta.model_name}", role="worker")
                visit_to(visit.card, assigned_to=worker, status="completed")
                ServiceEntry.objects.create(visit=visit, performed_by=worker, created_at=moments.now())
                record("visit.updated", subject=visit, actor=worker, at=moments.now())
            with CaptureQueriesContext(connection) as ten:
                client.get(detail(inner))
            assert len(ten) == len(one)

    @pytest.mark.parametrize(
        ("page", "query", "found"),
        [
            (Visit, "q=Customer3", 1),
            (Visit, "status=completed&service_type=normal", 5),
            (Visit, "status=pending", 0),
            (Visit, "day_from=2020-01-01&day_to=2020-02-01", 0),
            (Visit, "worker=0", 0),
            (Visit, "worker=x", 5),
            (User, "q=worker2", 1),
            (User, "role=worker", 5),
            (Card, "deleted=yes", 0),
            (Card, "deleted=no&q=aquapure", 5),
            (Event, "subject_type=visit", 5),
            (Message, "q=5000000001", 5),
            (Attendance, "status=absent", 0),
            (Feedback, "rating=4", 5),
            (ServiceEntry, "q=cleaned", 5),
        ],
    )
    def test_lists_are_searched_and_filtered(self, page: Any, query: str, found: int) -> None:
        for number in range(5):
            fill(number)
        answer = browser("asha").get(f"{listing(page)}?{query}")
        assert answer.status_code == 200
        assert answer.context["cl"].result_count == found

    def test_the_history_of_a_record_is_on_its_page_and_one_click_away(self) -> None:
        visit = fill(1)
        client = browser("asha")
        shown = client.get(detail(visit)).content.decode()
        assert "visit.booked" in shown
        assert "Leaks" in shown
        assert "Customer1" in shown
        answer = client.get(detail(visit, "history"), follow=True)
        assert answer.context["cl"].result_count == Event.objects.filter(subject_id=str(visit.pk)).count() == 1

    def test_every_page_says_which_fields_it_shows(self) -> None:
        assert all(page.fields or page.fieldsets for page in PAGES)


class TestFirstPage:
    def figures(self) -> dict[str, int]:
        context = browser("asha").get(SITE).context
        counts = {worry["name"]: worry["count"] for worry in context["worries"]}
        return {**counts, **{day["name"]: day["total"] for day in context["days"]}}

    def test_an_empty_company_has_no_worries(self) -> None:
        assert set(self.figures().values()) == {0}

    def test_it_counts_what_needs_eyes(self) -> None:
        now, today = moments.now(), moments.today()
        card, wasim = card_of(person("chitra")), person("wasim")
        visit_to(card, on=today - timedelta(days=2))
        visit_to(card, on=today)
        visit_to(card_of(person("chitra")), on=today, assigned_to=wasim, status="assigned")
        visit_to(card, on=today + timedelta(days=1))
        visit_to(card, on=today, status="completed")
        Attendance.objects.create(
            user=wasim, date=today, status="absent", marked_by=wasim, created_at=now, updated_at=now
        )
        queue_message(to="+915000000001", text="x", purpose="otp", now=now)
        Message.objects.update(status="failed")
        PeriodicJob.objects.create(name="tidy", last_error="no disk")
        switch_off(hook(), "The receiver does not answer.", now=now)
        assert self.figures() == {
            "Visits: today": 3,
            "Visits: tomorrow": 1,
            "Overdue visits": 1,
            "Visits without a worker": 2,
            "Visits of absent workers": 1,
            "Text messages that failed": 1,
            "Webhooks that were switched off": 1,
            "Periodic jobs in trouble": 1,
        }


class TestSecrets:
    def test_no_page_shows_one(self) -> None:
        visit = fill(1)
        client = browser("asha")
        secrets = [
            PASSWORD,
            "secretcode",
            "secretheader",
            "secretanswer",
            "secretbody",
            Webhook.objects.get().secrets(now=moments.now())[0],
            Webhook.objects.get().sealed_secret,
            visit.otp_hash,
            AccessKey.objects.get().digest,
            RefreshSession.objects.get().jti,
            *(user.password for user in User.objects.all()),
            "argon2",
        ]
        assert Message.objects.get().sealed_text
        for page in PAGES:
            rows = list(page.model._default_manager.all()[:20])
            for path in [listing(page), *(detail(row) for row in rows)]:
                shown = client.get(path).content.decode()
                assert [secret for secret in secrets if secret in shown] == []


# Their forms grant rights, by actions; see accounts/tests/test_admin.py.
GRANTING = ("accounts_user", "auth_group")


class TestNothingIsWrittenThroughTheOrm:
    @pytest.mark.parametrize("page", [page for page in PAGES if name_of(page) not in GRANTING], ids=name_of)
    def test_posts_to_their_forms_change_nothing(self, page: Any) -> None:
        fill(1)
        client = browser("asha")
        row = page.model._default_manager.order_by("pk").first()
        fields = {field.name: "1" for field in page.model._meta.fields}
        before = everything()
        for path in (detail(row), detail(row, "delete"), reverse(f"admin:{name_of(page)}_add")):
            assert client.post(path, {**fields, "post": "yes"}).status_code == 403
        client.post(listing(page), {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"})
        client.post(listing(page), {"_save": "Save", "form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1"})
        assert everything() == before

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_nothing_is_deleted(self, page: Any) -> None:
        fill(1)
        client = browser("asha")
        row = page.model._default_manager.order_by("pk").first()
        before = everything()
        assert client.post(detail(row, "delete"), {"post": "yes"}).status_code == 403
        client.post(listing(page), {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"})
        assert everything() == before

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_there_are_no_actions_on_lists(self, page: Any) -> None:
        answer = browser("asha").get(listing(page))
        assert not answer.context["cl"].model_admin.get_actions(answer.wsgi_request)


CONFIRMED = {"_form_submitted": "True"}


class TestButtons:
    def press(self, record: Any, button: str, client: Client | None = None, **fields: str) -> Any:
        path = reverse(f"admin:{name_of_button(record, button)}", args=[record.pk])
        return (client or browser("asha")).post(path, {**CONFIRMED, **fields})

    def test_deactivating_ends_sessions_and_is_recorded(self) -> None:
        worker = person("wasim")
        epoch = worker.session_epoch
        answer = self.press(worker, "deactivate")
        assert answer["HX-Redirect"] == detail(worker)
        worker.refresh_from_db()
        assert not worker.is_active
        assert worker.session_epoch > epoch
        event = Event.objects.get()
        assert (event.type, event.actor, event.subject_id) == ("user.deactivated", person("asha"), str(worker.pk))

    def test_reactivating(self) -> None:
        worker = person("wasim", is_active=False)
        self.press(worker, "reactivate")
        worker.refresh_from_db()
        assert worker.is_active

    def test_the_last_admin_stays_and_is_told_why(self) -> None:
        client = browser("asha")
        self.press(person("asha"), "deactivate", client)
        assert person("asha").is_active
        assert "last active admin" in client.get(detail(person("asha"))).content.decode()

    def test_restoring_a_machine(self) -> None:
        card = card_of(person("chitra"))
        delete_card(card, by=person("asha"), now=moments.now())
        self.press(card, "restore")
        card.refresh_from_db()
        assert card.deleted_at is None
        assert Event.objects.order_by("-pk")[0].type == "card.restored"

    def test_cancelling_a_visit_needs_a_reason(self) -> None:
        visit = visit_to(card_of(person("chitra")))
        assert "This field is required" in self.press(visit, "cancel").content.decode()
        visit.refresh_from_db()
        assert visit.status == "pending"
        self.press(visit, "cancel", reason="Booked twice")
        visit.refresh_from_db()
        assert (visit.status, visit.cancel_reason) == ("cancelled", "Booked twice")
        assert Event.objects.get().type == "visit.cancelled"

    def test_only_asking_changes_nothing(self) -> None:
        visit = visit_to(card_of(person("chitra")))
        card = card_of(person("deepak"), deleted_at=moments.now())
        worker = person("wasim")
        client = browser("asha")
        before = everything()
        for record_, button in ((visit, "cancel"), (card, "restore"), (worker, "deactivate")):
            path = reverse(f"admin:{name_of_button(record_, button)}", args=[record_.pk])
            assert client.get(path, {**CONFIRMED, "reason": "x"}).status_code == 200
        assert everything() == before

    def test_they_are_there_only_where_they_make_sense(self) -> None:
        visit = visit_to(card_of(person("chitra")), status="completed")
        for record_, button in ((visit, "cancel"), (visit.card, "restore"), (person("wasim"), "reactivate")):
            assert self.press(record_, button, reason="x").status_code == 403

    def test_nobody_else_can_press_them(self) -> None:
        visit = visit_to(card_of(person("chitra")))
        for name in ("chitra", "wasim", "omar", None):
            answer = self.press(visit, "cancel", browser(name), reason="x")
            assert answer.status_code == 302
        visit.refresh_from_db()
        assert visit.status == "pending"

    def test_another_site_cannot_press_them(self) -> None:
        worker = person("wasim")
        answer = self.press(worker, "deactivate", browser("asha", enforce_csrf_checks=True))
        assert answer.status_code == 403
        worker.refresh_from_db()
        assert worker.is_active


def name_of_button(record: Any, button: str) -> str:
    return f"{record._meta.app_label}_{record._meta.model_name}_{button}"


class TestRefusals:
    """What a browser is shown when there is nothing to show. No query: the database may be what is wrong."""

    def test_an_address_without_a_page_leads_back(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            answer = Client(HTTP_HOST="localhost").get("/nowhere/")
        assert answer.status_code == 404
        _leads_back(answer, "There is nothing at this address")

    def test_a_form_from_elsewhere_leads_back(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            answer = Client(HTTP_HOST="localhost", enforce_csrf_checks=True).post("/admin/login/", {"username": "asha"})
        assert answer.status_code == 403
        _leads_back(answer, "This form could not be taken")

    def test_a_page_for_others_leads_back(self, rf: Any, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            answer = permission_denied(rf.get("/admin/"), PermissionDenied())
        assert answer.status_code == 403
        _leads_back(answer, "This is not for you to see")

    def test_the_icon_is_our_own(self) -> None:
        shown = Client(HTTP_HOST="localhost").get("/admin/login/").content.decode()
        assert 'href="/static/tandem/favicon.svg"' in shown
        assert finders.find("tandem/favicon.svg")


def _leads_back(answer: Any, heading: str) -> None:
    shown = answer.content.decode()
    assert f"<h1>{heading}</h1>" in shown
    assert '<a href="/admin/">' in shown
    assert "http://" not in shown
    assert "https://" not in shown
