"""`previous` holds what a GET showed before, of the fields that changed. CONTRACT §6."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Attribute, FollowUp, Lead
from tandem.academy.tests.api.test_files import made, picture
from tandem.academy.tests.api.test_imports import as_csv
from tandem.academy.tests.leads import client, pipeline
from tandem.common import moments
from tandem.files.keys import key_in
from tandem.webhooks.models import Notice
from tandem.webhooks.tests.hooks import hook
from tests.cast import Api, as_, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]

MODELS = {"clients": "Client", "services": "Service", "leads": "Lead"}
KINDS = list(MODELS)


@pytest.fixture
def asha() -> Api:
    return as_("asha")


@pytest.fixture
def stored(tmp_path: Any, settings: Any) -> None:
    options = settings.STORAGES["files"]["OPTIONS"] | {"location": tmp_path}
    settings.STORAGES = settings.STORAGES | {"files": {**settings.STORAGES["files"], "OPTIONS": options}}


def differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What a receiver who kept `before` finds different in `after`, with the values from before.

    Without names of other records that ride along, and the moment of the change. Of attributes those that differ.
    """
    names = [key for key in before if before[key] != after[key] and not key.endswith("_name") and key != "updated_at"]
    was = {name: before[name] for name in names}
    if "attributes" in was:
        old, new = before["attributes"], after["attributes"]
        was["attributes"] = {name: old.get(name) for name in {**old, **new} if old.get(name) != new.get(name)}
    return was


def told(asha: Api, url: str, change: Callable[[], Any]) -> dict[str, Any]:
    """Carry a change out and give the `previous` of its only notice, compared with what GET showed before and after."""
    Notice.objects.all().delete()
    before = asha.get(url).json()
    answer = change()
    assert answer.status_code in (200, 201), answer.content
    notice = Notice.objects.get()
    assert notice.previous == differing(before, asha.get(url).json())
    assert notice.previous, "something has changed"
    previous: dict[str, Any] = notice.previous
    return previous


def define(entity: str, name: str, type: str) -> None:
    now = moments.now()
    Attribute.objects.create(entity=entity, name=name, label=name, type=type, created_at=now, updated_at=now)


@pytest.mark.parametrize("kind", KINDS)
class TestFiles:
    def test_each_upload_and_deletion_tells_the_links_of_before(self, asha: Api, kind: str) -> None:
        hook(MODELS[kind])
        url, _ = made(kind)
        files, links = f"{url}files/", []
        for _ in range(3):
            previous = told(asha, url, lambda: asha.upload(files, {"file": picture()}))
            assert previous == {"list_of_images": links}
            links = asha.get(url).json()["list_of_images"]
        previous = told(asha, url, lambda: asha.delete(files, {"url": links[1]}))
        assert previous == {"list_of_images": links}

    def test_the_history_shows_links_too(self, asha: Api, kind: str) -> None:
        url, _ = made(kind)
        first = asha.upload(f"{url}files/", {"file": picture()}).json()["url"]
        second = asha.upload(f"{url}files/", {"file": picture()}).json()["url"]
        asha.delete(f"{url}files/", {"url": first})
        sides = [(one["before"], one["after"]) for one in asha.get(f"{url}history/").json()]
        steps = [[], [first], [first, second], [second]]
        assert sides[::-1] == [
            ({"list_of_images": before}, {"list_of_images": after}) for before, after in pairwise(steps)
        ]

    def test_an_attribute_that_holds_a_file_tells_its_link(self, asha: Api, kind: str) -> None:
        hook(MODELS[kind])
        for name, type in (("contract", "file"), ("note", "text")):
            define({"clients": "client", "services": "service", "leads": "lead"}[kind], name, type)
        url, _ = made(kind)
        first, second = (asha.upload(f"{url}files/", {"file": picture()}).json()["url"] for _ in range(2))
        looks_like_one = {"note": key_in(first)}
        told(asha, url, lambda: asha.patch(url, {"attributes": {"contract": first, **looks_like_one}}))
        previous = told(asha, url, lambda: asha.patch(url, {"attributes": {"contract": second, "note": "x"}}))
        assert previous == {"attributes": {"contract": first, **looks_like_one}}, "text is text, whatever it says"
        newest = asha.get(f"{url}history/").json()[0]
        assert newest["before"] == previous
        assert newest["after"] == {"attributes": {"contract": second, "note": "x"}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("items", "text"), [("task", "task"), ("note", "note")])
class TestItems:
    def test_every_change_tells_the_whole_list_of_before(self, asha: Api, kind: str, items: str, text: str) -> None:
        hook(MODELS[kind])
        url, _ = made(kind)
        key = f"list_of_{items}s"
        for n in range(4):
            told(asha, url, lambda n=n: asha.post(f"{url}add-{items}/", {text: f"number {n}"}))
        for place in (2, 0, -1):
            pk = asha.get(url).json()[key][place]["id"]
            told(asha, url, lambda pk=pk: asha.post(f"{url}update-{items}/", {"id": pk, text: "changed"}))
            told(asha, url, lambda pk=pk: asha.post(f"{url}delete-{items}/", {"id": pk}))
            told(asha, url, lambda: asha.post(f"{url}add-{items}/", {text: "one more"}))
        shown = asha.get(url).json()[key]
        told(asha, url, lambda: asha.put(url, {key: [*shown[:0:-1], {text: "fresh"}]}))
        previous = told(asha, url, lambda: asha.put(url, {key: []}))
        assert [item["user_name"] for item in previous[key]] == ["Asha"] * 4

    def test_the_history_keeps_the_item_that_changed(self, asha: Api, kind: str, items: str, text: str) -> None:
        url, _ = made(kind)
        key = f"list_of_{items}s"
        first = asha.post(f"{url}add-{items}/", {text: "first"}).json()[key][0]
        second = asha.post(f"{url}add-{items}/", {text: "second"}).json()[key][1]
        asha.post(f"{url}delete-{items}/", {"id": second["id"]})
        gone, added, *_ = asha.get(f"{url}history/").json()
        assert (added["before"], added["after"], added["facts"]) == ({key: []}, {key: [second]}, {})
        assert (gone["before"], gone["after"], gone["facts"]) == ({key: [second]}, {key: []}, {"place": 1})
        assert asha.get(url).json()[key] == [first]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_record_tells_its_items_as_they_are_shown(asha: Api, kind: str) -> None:
    body = {"name": "A", "list_of_tasks": [{"task": "Call"}], "list_of_notes": [{"note": "Met"}]}
    if kind == "services":
        body["client"] = str(client().pk)
    shown = asha.post(f"/api/{kind}/", body).json()
    after = asha.get(f"/api/{kind}/{shown['id']}/history/").json()[0]["after"]
    assert [after[key] for key in ("list_of_tasks", "list_of_notes")] == [
        shown["list_of_tasks"],
        shown["list_of_notes"],
    ]


class TestFields:
    def test_of_a_lead(self, asha: Api) -> None:
        hook("Lead")
        for name, type in (("size", "number"), ("since", "date"), ("tier", "text")):
            define("lead", name, type)
        url, _ = made("leads")
        full = {
            "name": "Full",
            "responsible": person("omar").pk,
            "pipeline": str(pipeline().pk),
            "stage": "Won",
            "possible_client": str(client().pk),
            "moodle_course_id": "7",
            "attributes": {"size": 2.5, "since": "2025-01-31", "tier": "gold"},
        }
        assert told(asha, url, lambda: asha.patch(url, full))["moodle_course_id"] is None
        empty = {
            **dict.fromkeys(full),
            "name": "Empty",
            "stage": "Lost",
            "attributes": dict.fromkeys(full["attributes"]),
        }
        assert told(asha, url, lambda: asha.patch(url, empty))["moodle_course_id"] == "7"
        newest, first, *_ = asha.get(f"{url}history/").json()
        assert (first["before"]["moodle_course_id"], newest["after"]["moodle_course_id"]) == (None, None)

    def test_of_an_imported_row(self, asha: Api) -> None:
        hook("Lead")
        url, record = made("leads")
        Lead.objects.filter(pk=record.pk).update(moodle_course_id="7")
        rows = [["id", "moodle_course_id", "list_of_tasks"], [str(record.pk), "", '[{"task": "Call"}]']]
        table = SimpleUploadedFile("t.csv", as_csv(rows))
        told(asha, url, lambda: asha.upload("/api/leads/import/", {"file": table}))

    def test_of_a_student_and_a_follow_up(self, asha: Api) -> None:
        hook("Service")
        hook("FollowUp")
        url, jane = made("services")
        told(asha, url, lambda: asha.patch(url, {"name": "Jo", "client": str(client("Other").pk)}))
        now = moments.now()
        up = FollowUp.objects.create(student=jane, user=person("asha"), created_at=now, updated_at=now)
        one = f"{url}follow-ups/{up.pk}/"
        for body in (
            {"comment": "Called", "follow_up_date": "2025-01-15T10:00:00Z"},
            {"comment": "", "follow_up_date": ""},
        ):
            told(asha, one, lambda body=body: asha.patch(one, body))


def test_many_that_change_at_once_cost_as_many_statements_as_two(asha: Api) -> None:
    hook("Lead")
    define("lead", "size", "number")
    counts = []
    for size, how_many in enumerate((2, 20)):
        leads = [made("leads")[1] for _ in range(how_many)]
        rows = [["id", "size"], *([str(one.pk), size + 1] for one in leads)]
        table = SimpleUploadedFile("t.csv", as_csv(rows))
        with CaptureQueriesContext(connection) as queries:
            assert asha.upload("/api/leads/import/", {"file": table}).json()["updated"] == how_many
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Notice.objects.count() == 22
