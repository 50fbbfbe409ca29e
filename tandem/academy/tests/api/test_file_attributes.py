"""Attributes of type file: a key is stored, a fresh link is shown. Contract A §1; CONTRACT §4, §5."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Attribute, Client, Lead
from tandem.academy.tests.api.test_files import made, picture
from tandem.academy.tests.leads import client, lead
from tandem.common import moments
from tandem.events.models import Event
from tandem.files.keys import key_in
from tests.cast import ANONYMOUS, Api, member, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]
NOWHERE = "8d7c2f5e-0000-4000-8000-000000000000"
KINDS = {"clients": "client", "services": "service", "leads": "lead"}
LATER = timedelta(days=30)  # when every link of today has expired


@pytest.fixture
def asha() -> Api:
    return Api(person("asha"), scheme="Token")  # unlike a session, a key is good for as long as a link has expired


def define(entity: str = "client", name: str = "contract") -> Attribute:
    now = moments.now()
    return Attribute.objects.create(entity=entity, name=name, label=name, type="file", created_at=now, updated_at=now)


def uploaded(api: Api, url: str) -> str:
    """The link to a new file of a record."""
    answer = api.upload(f"{url}files/", {"file": picture()})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["url"])


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = moments.now() + LATER
    monkeypatch.setattr(moments, "now", lambda: now)


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_stored_and_a_fresh_link_shown(kind: str, asha: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    define(KINDS[kind])
    url, record = made(kind)
    link = uploaded(asha, url)
    answer = asha.patch(url, {"attributes": {"contract": link}})
    assert (answer.status_code, answer.json()["attributes"]) == (200, {"contract": link})
    record.refresh_from_db()
    assert record.attributes == {"contract": key_in(link)} == {"contract": record.images[0]}

    later(monkeypatch)
    assert ANONYMOUS.get(link).status_code == 403
    fresh = asha.get(url).json()["attributes"]["contract"]
    assert fresh != link
    assert ANONYMOUS.get(fresh).status_code == 200
    listed = asha.get(f"/api/{kind}/").json()[0]
    table = next(csv.DictReader(io.StringIO(asha.get(f"/api/{kind}/export/").content.decode())))
    assert listed["attributes"]["contract"] == table["attributes.contract"] == fresh
    assert asha.patch(url, {"name": "New name"}).json()["attributes"] == {"contract": fresh}


def test_a_client_may_send_back_what_it_read_however_old(asha: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    define()
    url, _ = made("clients")
    asha.patch(url, {"attributes": {"contract": uploaded(asha, url)}})
    read = asha.get(url).json()
    events = Event.objects.count()
    later(monkeypatch)
    answer = asha.put(url, read)
    assert (answer.status_code, Event.objects.count()) == (200, events), "nothing has changed"
    assert ANONYMOUS.get(answer.json()["attributes"]["contract"]).status_code == 200


@pytest.mark.parametrize("form", ["link", "absolute link", "expired link", "key"])
def test_a_link_and_a_key_are_taken(asha: Api, form: str) -> None:
    define()
    url, record = made("clients")
    link = uploaded(asha, url)
    key = str(key_in(link))
    sent = {
        "link": link,
        "absolute link": f"https://crm.example.com{link}",
        "expired link": f"/api/files/{key}?expires=1&signature=x",
        "key": key,
    }[form]
    assert asha.patch(url, {"attributes": {"contract": sent}}).json()["attributes"] == {"contract": link}
    assert [row["id"] for row in asha.get(f"/api/clients/?attributes.contract={key}").json()] == [str(record.pk)]
    assert asha.get("/api/clients/?attributes.contract=nothing").status_code == 400


@pytest.mark.parametrize(
    "value",
    [
        "https://example.com/contract.pdf",
        "contract.pdf",
        "client/../../etc/passwd",
        f"/api/files/client/{NOWHERE}/{NOWHERE}.png",
        f"client/{NOWHERE}/{NOWHERE}.png",
        f"client/7/{NOWHERE}.png",
        f"entry/7/{NOWHERE}.png",
        f"follow_up/{NOWHERE}/{NOWHERE}.png",
        "http://[",
        7,
        {"url": "x"},
        ["x"],
    ],
)
def test_what_is_no_file_of_ours_is_refused_by_name(asha: Api, value: Any) -> None:
    define()
    url, record = made("clients")
    for answer in (
        asha.patch(url, {"attributes": {"contract": value}}),
        asha.post("/api/clients/", {"name": "B", "attributes": {"contract": value}}),
    ):
        assert (answer.status_code, list(answer.json()["attributes"])) == (400, ["contract"])
    record.refresh_from_db()
    assert (record.attributes, Client.objects.count()) == ({}, 1)


def test_a_file_that_was_deleted_or_whose_record_was_is_refused(
    asha: Api, django_capture_on_commit_callbacks: Any
) -> None:
    define()
    (url, _), (other, _) = made("clients"), made("leads")
    link, theirs = uploaded(asha, url), uploaded(asha, other)
    with django_capture_on_commit_callbacks(execute=True):
        asha.delete(f"{url}files/", {"url": link})
        asha.delete(other)
    for gone in (link, theirs):
        assert asha.patch(url, {"attributes": {"contract": gone}}).status_code == 400


def test_nobody_gets_a_link_to_what_they_may_not_see(asha: Api) -> None:
    define("follow_up")
    url, _ = made("services")
    (hidden, _), (seen, _) = made("leads"), made("services")
    lead_file, student_file = uploaded(asha, hidden), uploaded(asha, seen)
    instructor = member("Instructors")
    follow_ups = f"{url}follow-ups/"
    refused = instructor.post(follow_ups, {"comment": "x", "attributes": {"contract": lead_file}})
    assert (refused.status_code, list(refused.json()["attributes"])) == (400, ["contract"])
    taken = instructor.post(follow_ups, {"comment": "x", "attributes": {"contract": student_file}})
    assert (taken.status_code, taken.json()["attributes"]) == (201, {"contract": student_file})


def test_a_file_that_an_attribute_holds_is_not_deleted(asha: Api, django_capture_on_commit_callbacks: Any) -> None:
    attribute = define()
    url, _ = made("clients")
    link = uploaded(asha, url)
    asha.patch(url, {"attributes": {"contract": link}})
    holder = client("Holder", attributes={"contract": key_in(link)})
    with django_capture_on_commit_callbacks(execute=True):
        refused = asha.delete(f"{url}files/", {"url": link})
        assert (refused.status_code, refused.json()["code"], refused.json()["count"]) == (409, "file_in_use", 2)
    assert ANONYMOUS.get(link).status_code == 200
    asha.patch(url, {"attributes": {"contract": None}})
    assert asha.delete(f"{url}files/", {"url": link}).json()["count"] == 1
    holder.attributes, attribute.deleted_at = {}, moments.now()
    holder.save()
    attribute.save()
    with django_capture_on_commit_callbacks(execute=True):
        assert asha.delete(f"{url}files/", {"url": link}).json() == {"list_of_images": []}
    assert ANONYMOUS.get(link).status_code == 404


def test_a_converted_lead_hands_its_file_on(asha: Api) -> None:
    for entity in ("lead", "client", "service"):
        define(entity)
    url, _ = made("leads")
    link = uploaded(asha, url)
    asha.patch(url, {"attributes": {"contract": link}})
    done = asha.post(f"{url}convert/").json()
    for made_of_it in (f"/api/clients/{done['client']}/", f"/api/services/{done['student']}/"):
        assert asha.get(made_of_it).json()["attributes"] == {"contract": link}


def test_links_cost_no_query(asha: Api) -> None:
    define("lead")
    url, _ = made("leads")
    asha.patch(url, {"attributes": {"contract": uploaded(asha, url)}})
    asha.get("/api/leads/")
    with CaptureQueriesContext(connection) as before:
        asha.get("/api/leads/")
    Attribute.objects.all().delete()
    with CaptureQueriesContext(connection) as without:
        asha.get("/api/leads/")
    assert len(before) == len(without)


def test_without_file_attributes_no_row_is_parsed(asha: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    define("client")
    url = f"/api/services/{made('services')[1].pk}/follow-ups/"
    asha.post(url, {"comment": "x"})
    parsed: list[Any] = []
    monkeypatch.setattr("tandem.common.reading.answer.orjson.loads", parsed.append)
    assert asha.get(url).status_code == 200
    assert parsed == []
    define("follow_up")
    with pytest.raises(TypeError):
        asha.get(url)
    assert len(parsed) == 1, "now there are links to be made"


def test_links_that_older_versions_stored_become_keys(asha: Api) -> None:
    define()
    url, record = made("clients")
    link = uploaded(asha, url)
    outside = "https://example.com/old.pdf"
    Client.objects.filter(pk=record.pk).update(attributes={"contract": f"https://crm.example.com{link}"})
    other = client("Other", attributes={"contract": outside})
    lead("Without", attributes={"contract": link})
    import_module("tandem.academy.migrations.0005_files_by_key").keep_keys(apps, None)
    record.refresh_from_db()
    assert record.attributes == {"contract": key_in(link)}
    assert Lead.objects.get().attributes == {"contract": link}, "an attribute of clients only"
    read = asha.get(f"/api/clients/{other.pk}/").json()
    assert read["attributes"] == {"contract": outside}
    assert asha.put(f"/api/clients/{other.pk}/", read).status_code == 200
