"""A right to webhooks is no right to look at records: who does not see them has none told. Contract A §13.

Ines set up integrations once: she holds every right to webhooks, and sees no records at all.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from tandem.academy.models import Lead
from tandem.accounts.models import User
from tandem.common import moments
from tandem.webhooks.models import Delivery, Webhook
from tandem.webhooks.tests.hooks import hook
from tandem.webhooks.tests.receiving import Receiver
from tests.cast import Api, as_, card_of, newcomer, person, visit_to
from tests.database import everything
from tests.matrix.expectations import EXPECTED

pytestmark = pytest.mark.django_db

URL = "/api/webhooks/"
MODELS = ["Lead", "Client", "Service", "FollowUp", "Visit", "Card", "Feedback"]
VIEW_OF = {"Lead": "lead", "Client": "client", "Service": "service", "FollowUp": "followup"}
OF_WEBHOOKS = [f"{verb}_webhook" for verb in ("add", "change", "delete", "view")]
ELSEWHERE: dict[str, Any] = {"url": "https://elsewhere.example/", "headers": {}}


def holder(name: str, *rights: str, role: str = "office") -> User:
    """Somebody with every right to webhooks, and those."""
    user = newcomer(name, role=role)
    user.user_permissions.set(Permission.objects.filter(codename__in=[*OF_WEBHOOKS, *rights]))
    return user


@pytest.fixture
def ines() -> Api:
    return Api(holder("Ines"))


def told(webhook: Webhook, type: str, *, sequence: int = 1, status: str = "delivered") -> Delivery:
    now = moments.now()
    of = {"type": type, "record": "r", "body": '{"data":{"id":1}}', "next_attempt_at": now, "created_at": now}
    return Delivery.objects.create(webhook=webhook, sequence=sequence, status=status, **of)


@pytest.mark.parametrize("model", MODELS)
def test_who_does_not_see_the_records_makes_no_webhook_of_them(ines: Api, model: str) -> None:
    before = everything()
    answer = ines.post(URL, {"name": "n", "model": model, "url": "https://own.example/"})
    assert (answer.status_code, everything()) == (403, before)
    assert model in answer.json()["detail"]


@pytest.mark.parametrize("model", MODELS)
def test_who_sees_all_of_them_does(model: str) -> None:
    user = holder("Sees", f"view_{VIEW_OF[model]}") if model in VIEW_OF else person("asha")
    answer = Api(user).post(URL, {"name": "n", "model": model, "url": "https://own.example/"})
    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize("role", ["customer", "worker"])
@pytest.mark.parametrize("model", ["Visit", "Card", "Feedback"])
def test_who_sees_the_own_ones_only_does_not(role: str, model: str) -> None:
    """A customer sees visits, yet not those of others, which the webhook would tell of too."""
    answer = Api(holder("Own", role=role)).post(URL, {"name": "n", "model": model, "url": "https://own.example/"})
    assert (answer.status_code, Webhook.objects.count()) == (403, 0)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_sent_for_who_does_not_see_it(ines: Api, model: str, receiver: Receiver) -> None:
    visit_to(card_of(person("chitra")))
    webhook = hook(model, url=receiver.url)
    assert ines.post(f"{URL}{webhook.pk}/test/").status_code == 403
    assert (receiver.got, Delivery.objects.count()) == ([], 0)


CHANGES: dict[str, dict[str, Any]] = {
    "model": {"model": "Client"},
    "url": ELSEWHERE,
    "path": {"url": "https://receiver.example/{name}"},
    "headers": {"headers": {"X-Name": "{name}"}},
    "method": {"method": "PUT"},
    "conditions": {"conditions": [{"field": "stage", "operator": "=", "value": "New"}]},
    "condition_logic": {"condition_logic": "OR"},
    "events": {"events": ["created"]},
    "switched off on the way": {**ELSEWHERE, "is_active": False},
}


@pytest.mark.parametrize("write", ["patch", "put"])
@pytest.mark.parametrize("change", CHANGES)
def test_who_does_not_see_the_records_changes_nothing_that_is_told(ines: Api, change: str, write: str) -> None:
    webhook = hook()
    before = everything()
    answer = getattr(ines, write)(f"{URL}{webhook.pk}/", CHANGES[change])
    assert (answer.status_code, everything()) == (403, before)


def test_switching_off_and_renaming_are_left_to_whoever_may_change_webhooks(ines: Api) -> None:
    url = f"{URL}{hook(headers={'Authorization': 'Bearer token'}).pk}/"
    whole = ines.get(url).json()
    assert ines.patch(url, {"is_active": True, "name": "Renamed"}).status_code == 200
    off = ines.put(url, {**whole, "is_active": False})
    assert (off.status_code, off.json()["is_active"]) == (200, False)
    before = everything()
    on = ines.patch(url, {"is_active": True})
    assert (on.status_code, everything()) == (403, before)
    assert as_("asha").patch(url, {"is_active": True}).status_code == 200
    assert ines.delete(url).status_code == 204


def test_both_models_have_to_be_seen() -> None:
    sees_leads = Api(holder("Leads", "view_lead"))
    for old, new in (("Visit", "Lead"), ("Lead", "Visit")):
        webhook = hook(old)
        answer = sees_leads.patch(f"{URL}{webhook.pk}/", {"model": new})
        assert (answer.status_code, Webhook.objects.get(pk=webhook.pk).model) == (403, old)


@pytest.mark.parametrize("status", ["delivered", "held", "failed", "pending"])
def test_what_was_told_of_another_model_stays_where_it_went(status: str) -> None:
    """Bodies are kept: what a webhook of leads told of while it was one of visits must not go elsewhere."""
    sees_leads, webhook = Api(holder("Leads", "view_lead")), hook("Visit", is_active=False)
    one = told(webhook, "visit.booked", status=status)
    assert as_("asha").patch(f"{URL}{webhook.pk}/", {"model": "Lead"}).status_code == 200
    before, url = everything(), f"{URL}{webhook.pk}/"
    for answer in (
        sees_leads.patch(url, ELSEWHERE),
        sees_leads.patch(url, {"is_active": True}),
        sees_leads.post(f"{url}deliveries/{one.pk}/redeliver/"),
        sees_leads.post(f"{url}deliveries/redeliver/", {"from": "2025-01-01"}),
    ):
        assert (answer.status_code, everything()) == (403, before)
    told(hook(), "visit.booked", sequence=2)
    Delivery.objects.filter(pk=one.pk).delete()
    assert sees_leads.patch(url, {"is_active": True}).status_code == 200


def test_whatever_the_url_map_offers_is_looked_at_here(ines: Api) -> None:
    """A new way to have something sent has to say what who sees no records gets from it."""
    now = moments.now()
    Lead.objects.create(name="Jo", stage="New", created_at=now, updated_at=now)
    webhook, described = hook(), {"name": "n", "model": "Lead", "url": "https://x.example/"}
    one = told(webhook, "lead.created")
    lead = str(Lead.objects.get().pk)
    of = "api/webhooks/<uuid:pk>/"
    due: dict[tuple[str, str], list[tuple[Any, int]]] = {
        ("api/webhooks/", "GET"): [(None, 200)],
        ("api/webhooks/", "POST"): [(described, 403)],
        (of, "GET"): [(None, 200)],
        (of, "PUT"): [(ELSEWHERE, 403), ({"name": "Renamed"}, 200)],
        (of, "PATCH"): [(ELSEWHERE, 403), ({"is_active": False}, 200)],
        (f"{of}history/", "GET"): [(None, 200)],
        (f"{of}rotate-secret/", "POST"): [({}, 403)],
        (f"{of}deliveries/", "GET"): [(None, 200)],
        (f"{of}deliveries/redeliver/", "POST"): [({"from": "2025-01-01"}, 403)],
        (f"{of}deliveries/<uuid:delivery>/redeliver/", "POST"): [({}, 403)],
        (f"{of}test/", "POST"): [({}, 403)],
        ("api/webhooks/preview/", "POST"): [
            ({"webhook": str(webhook.pk), "record": lead}, 403),
            ({"webhook": described, "record": lead}, 403),
        ],
        (of, "DELETE"): [(None, 204)],
        (f"{of}restore/", "POST"): [({}, 403)],
    }
    offered = {(path, verb) for path, route in EXPECTED.items() if path.startswith(of[:13]) for verb in route.verbs}
    assert due.keys() == offered
    for (path, verb), tries in due.items():
        address = "/" + path.replace("<uuid:pk>", str(webhook.pk)).replace("<uuid:delivery>", str(one.pk))
        for body, status in tries:
            answer = getattr(ines, verb.lower())(address, *([] if body is None else [body]))
            assert answer.status_code == status, f"{verb} {path} {body}: {answer.content!r}"
