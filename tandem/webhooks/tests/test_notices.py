"""The outbox of webhooks: what is left in the transaction of a change, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction

from tandem.academy.models import Lead
from tandem.common import moments
from tandem.webhooks.actions import fan_out
from tandem.webhooks.models import Delivery, Notice, Webhook
from tandem.webhooks.tests.hooks import hook, noticed
from tests.cast import as_, card_of, person, visit_to

pytestmark = pytest.mark.django_db


def lead(**other: Any) -> Lead:
    now = moments.now()
    return Lead.objects.create(**{"name": "Jo", "stage": "New", "created_at": now, "updated_at": now, **other})


def spread() -> list[Delivery]:
    while fan_out.fan_out(now=moments.now()):
        pass
    return list(Delivery.objects.order_by("sequence", "webhook__created_at"))


def test_a_change_leaves_a_notice_of_the_record_as_it_is_then() -> None:
    webhook, asha = hook(), as_("asha")
    one = lead()
    asha.patch(f"/api/leads/{one.pk}/", {"name": "Joe"})
    shown = asha.get(f"/api/leads/{one.pk}/").json()
    notice = Notice.objects.get()
    assert json.loads(notice.data) == shown
    assert (notice.type, notice.kind, notice.model, notice.record) == ("lead.updated", "updated", "Lead", str(one.pk))
    assert (notice.previous, notice.webhooks) == ({"name": "Jo"}, [str(webhook.pk)])


def test_a_change_that_is_rolled_back_leaves_nothing() -> None:
    hook()
    asha, one = as_("asha"), lead()
    with transaction.atomic():
        asha.patch(f"/api/leads/{one.pk}/", {"name": "Joe"})
        assert noticed() == [("lead.updated", str(one.pk))]
        transaction.set_rollback(True)
    assert noticed() == []


def test_a_change_that_changes_nothing_leaves_nothing() -> None:
    hook()
    as_("asha").patch(f"/api/leads/{lead().pk}/", {"name": "Jo"})
    assert noticed() == []


@pytest.mark.parametrize(
    "other", [{"is_active": False}, {"model": "Client"}, {"events": ["created", "deleted"]}], ids=str
)
def test_nobody_listens_nothing_is_left(other: dict[str, Any]) -> None:
    hook(**other)
    as_("asha").patch(f"/api/leads/{lead().pk}/", {"name": "Joe"})
    assert noticed() == []


def test_without_a_webhook_a_change_costs_one_small_query_more(django_assert_num_queries: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    asha, one = as_("asha"), lead()
    asha.patch(f"/api/leads/{one.pk}/", {"name": "first"})
    with CaptureQueriesContext(connection) as queries:
        asha.patch(f"/api/leads/{one.pk}/", {"name": "second"})
    assert [query["sql"] for query in queries if "webhooks_" in query["sql"]] == [
        next(query["sql"] for query in queries if "webhooks_webhook" in query["sql"])
    ]


def test_restored_goes_to_those_who_listen_to_created() -> None:
    asha, one = as_("asha"), lead()
    hears, deaf = hook(events=["created"]), hook(events=["updated", "deleted"])
    asha.delete(f"/api/leads/{one.pk}/")
    asha.post(f"/api/leads/{one.pk}/restore/")
    notices = list(Notice.objects.order_by("sequence"))
    assert [(notice.type, notice.webhooks) for notice in notices] == [
        ("lead.deleted", [str(deaf.pk)]),
        ("lead.restored", [str(hears.pk)]),
    ]


def test_of_a_deleted_record_its_last_state_is_told() -> None:
    hook()
    asha, one = as_("asha"), lead()
    before = asha.get(f"/api/leads/{one.pk}/").json()
    asha.delete(f"/api/leads/{one.pk}/")
    assert json.loads(Notice.objects.get().data) == before


def test_visits_keep_their_own_types_and_tell_no_code() -> None:
    hook("Visit", events=["updated"])
    visit = visit_to(card_of(person("chitra")), status="assigned", assigned_to=person("wasim"))
    as_("wasim").post(f"/api/crm/services/{visit.pk}/request_otp/")
    as_("wasim").post(f"/api/crm/services/{visit.pk}/verify_otp/", {"otp": "wrong1"})
    notice = Notice.objects.get()
    visit.refresh_from_db()
    assert notice.type == "visit.code_requested"
    assert visit.otp_hash
    assert visit.otp_hash not in notice.data + json.dumps(notice.previous)
    assert "otp_hash" not in notice.data + json.dumps(notice.previous)


def test_of_a_notice_each_webhook_gets_one_delivery() -> None:
    first, second = hook(), hook()
    one = lead()
    as_("asha").patch(f"/api/leads/{one.pk}/", {"name": "Joe"})
    notice = Notice.objects.get()
    made = spread()
    assert Notice.objects.count() == 0
    assert [(row.webhook_id, row.sequence, row.status) for row in made] == [
        (first.pk, notice.pk, "pending"),
        (second.pk, notice.pk, "pending"),
    ]
    assert json.loads(made[0].body) == {
        "id": str(made[0].pk),
        "type": "lead.updated",
        "timestamp": moments.iso(notice.at),
        "sequence": notice.pk,
        "model": "Lead",
        "data": as_("asha").get(f"/api/leads/{one.pk}/").json(),
        "previous": {"name": "Jo"},
    }


def test_the_number_of_statements_does_not_grow_with_notices_and_webhooks(django_assert_num_queries: Any) -> None:
    hook()
    asha, one = as_("asha"), lead()
    asha.patch(f"/api/leads/{one.pk}/", {"name": "a"})
    with django_assert_num_queries(7):  # two of them the transaction's
        fan_out.fan_out(now=moments.now())
    for _ in range(4):
        hook()
    for n in range(9):
        asha.patch(f"/api/leads/{one.pk}/", {"name": str(n)})
    with django_assert_num_queries(7):
        fan_out.fan_out(now=moments.now())
    assert Delivery.objects.count() == 1 + 9 * 5
    with django_assert_num_queries(1):
        fan_out.fan_out(now=moments.now())


def test_conditions_are_judged_on_the_record_of_the_notice() -> None:
    asha, one = as_("asha"), lead()
    won = hook(conditions=[{"field": "stage", "operator": "=", "value": "Won"}])
    asha.patch(f"/api/leads/{one.pk}/", {"stage": "Won"})
    asha.patch(f"/api/leads/{one.pk}/", {"stage": "Lost"})
    assert [(row.webhook_id, json.loads(row.body)["data"]["stage"]) for row in spread()] == [(won.pk, "Won")]


def test_what_happened_before_a_webhook_was_there_is_not_told_to_it() -> None:
    first, asha, one = hook(), as_("asha"), lead()
    asha.patch(f"/api/leads/{one.pk}/", {"name": "Joe"})
    hook()
    assert [row.webhook_id for row in spread()] == [first.pk]


def test_what_happened_before_it_was_switched_off_is_held() -> None:
    webhook, asha, one = hook(), as_("asha"), lead()
    asha.patch(f"/api/leads/{one.pk}/", {"name": "Joe"})
    asha.patch(f"/api/webhooks/{webhook.pk}/", {"is_active": False})
    asha.patch(f"/api/leads/{one.pk}/", {"name": "Jack"})
    assert [row.status for row in spread()] == ["held"]
    asha.patch(f"/api/webhooks/{webhook.pk}/", {"is_active": True})
    assert [row.status for row in spread()] == ["pending"]


def test_a_webhook_that_moved_to_another_model_is_told_nothing_of_the_old_one() -> None:
    webhook, asha, one = hook(), as_("asha"), lead()
    asha.patch(f"/api/leads/{one.pk}/", {"name": "Joe"})
    Webhook.objects.filter(pk=webhook.pk).update(model="Client")
    assert spread() == []
    assert Notice.objects.count() == 0
