"""Whatever changes a record over HTTP is noticed, and what is noticed is what a GET shows. CONTRACT §6.

Every write of the URL map is carried out as an admin. Before and after it, all records that webhooks may be told of
are compared: those that differ must have notices, and the newest notice of each must hold what the API shows then.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Client, Enrollment, FollowUp, Lead, Pipeline, Student
from tandem.common import moments
from tandem.common.endpoint import written
from tandem.fieldservice.models import Card, Feedback, Visit
from tandem.webhooks import registry
from tandem.webhooks.models import Notice
from tandem.webhooks.tests.hooks import hook, noticed
from tests.cast import as_, person
from tests.matrix.expectations import EXPECTED
from tests.matrix.world import OWN, records

pytestmark = pytest.mark.django_db

MODELS = {"lead": Lead, "client": Client, "service": Student, "follow_up": FollowUp}
MODELS |= {"visit": Visit, "card": Card, "feedback": Feedback}
ADDRESSES = {
    "lead": "/api/leads/{}/",
    "client": "/api/clients/{}/",
    "service": "/api/services/{}/",
    "visit": "/api/crm/services/{}/",
    "card": "/api/crm/cards/{}/",
}
WRITES = sorted(
    (path, verb)
    for path, route in EXPECTED.items()
    for verb, let in route.verbs.items()
    if verb != "GET" and "admin" in let.may and not path.startswith(("api/auth/", "api/webhooks/", "api/logout"))
)
# Readable names that ride along belong to another record, which tells of its own changes.
ALONG = re.compile(r"_(name|phone)$")


def told_of(subject: str) -> dict[str, dict[str, Any]]:
    """Every record of a kind as a GET shows it."""
    told = registry.by_subject(subject)
    assert told is not None
    live = (
        MODELS[subject].objects.filter(deleted_at=None)
        if subject not in ("visit", "feedback")
        else MODELS[subject].objects.all()
    )
    return {str(pk): json.loads(written(told.shows, pk)) for pk in live.values_list("pk", flat=True)}


def own_keys(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if not ALONG.search(name)}


@pytest.fixture
def everybody_listens() -> None:
    for model in registry.models():
        hook(model)


@pytest.mark.usefixtures("everybody_listens")
def test_every_write_tells_what_a_get_shows_and_none_changes_a_record_in_silence() -> None:
    asha, world = as_("asha"), records()
    silent, wrong, told = [], [], 0
    for path, verb in WRITES:
        route = EXPECTED[path]
        pk = world[route.noun][OWN] if route.noun else 0
        body = route.verbs[verb].body(pk) if verb != "DELETE" else {}
        named = {"pk": pk, "entity": "client", "student": world["student"][OWN]}
        address = "/" + re.sub(r"<\w+:(\w+)>", lambda match, named=named: str(named[match[1]]), path)
        with transaction.atomic():
            before = {subject: told_of(subject) for subject in MODELS}
            answer = asha.client.generic(
                verb, address, json.dumps(body), content_type="application/json", headers=asha.headers
            )
            assert answer.status_code < 500
            after = {subject: told_of(subject) for subject in MODELS}
            newest = {(one.type.partition(".")[0], one.record): one for one in Notice.objects.order_by("sequence")}
            for subject in MODELS:
                for key in before[subject].keys() | after[subject].keys():
                    old, new = before[subject].get(key, {}), after[subject].get(key, {})
                    notice = newest.get((subject, key))
                    if own_keys(old) != own_keys(new) and notice is None:
                        silent.append(f"{verb} {path}: {subject} {key}")
                    if notice is not None and json.loads(notice.data) != (new or old):
                        wrong.append(f"{verb} {path}: {subject} {key}: {notice.data} instead of {new or old}")
            for (subject, key), notice in newest.items():
                told += 1
                shown = asha.get(ADDRESSES[subject].format(key)) if subject in ADDRESSES else None
                if shown is not None and shown.status_code == 200:
                    data = json.loads(notice.data)
                    assert {name: shown.json()[name] for name in data} == data, f"{verb} {path}"
            transaction.set_rollback(True)
    assert (silent, wrong) == ([], [])
    assert told > 40, "too little was told to have been looked at"


def test_a_cascade_tells_of_every_student() -> None:
    hook("Client")
    hook("Service")
    asha = as_("asha")
    client = asha.post("/api/clients/", {"name": "Acme"}).json()["id"]
    students = [asha.post("/api/services/", {"name": name, "client": client}).json()["id"] for name in ("A", "B")]
    Notice.objects.all().delete()
    asha.delete(f"/api/clients/{client}/?cascade=true")
    told = noticed()
    assert sorted(told) == sorted([("client.deleted", client), *(("service.deleted", one) for one in students)])
    asha.post(f"/api/clients/{client}/restore/")
    assert sorted(noticed()[3:]) == sorted(
        [("client.restored", client), *(("service.restored", one) for one in students)]
    )


class TestFollowUpsOfAStudentWhoGoes:
    """They are 404 from then on, so whoever listens to them hears that they are gone, and that they are back."""

    def stored(self, students: int, each: int) -> tuple[str, list[str], list[str]]:
        """The ids of a client, its students and their follow-ups; one more follow-up was deleted before."""
        now = moments.now()
        made = {"created_at": now, "updated_at": now}
        client = Client.objects.create(name="Acme", **made)
        those = [Student.objects.create(name=str(n), client=client, **made) for n in range(students)]
        ups = [FollowUp.objects.create(student=one, user=person("asha"), **made) for one in those for _ in range(each)]
        FollowUp.objects.create(student=those[0], user=person("asha"), deleted_at=now, **made)
        return str(client.pk), [str(one.pk) for one in those], [str(one.pk) for one in ups]

    @pytest.mark.parametrize("with_client", [True, False])
    def test_all_of_them_are_told(self, with_client: bool) -> None:
        hook("FollowUp")
        asha = as_("asha")
        client, (student,), ups = self.stored(1, 2)
        one = f"/api/services/{student}/follow-ups/{ups[0]}/"
        before = asha.get(one).json()
        gone, back = (
            (f"/api/clients/{client}/?cascade=true", f"/api/clients/{client}/restore/")
            if with_client
            else (f"/api/services/{student}/", f"/api/services/{student}/restore/")
        )
        assert asha.delete(gone).status_code == 204
        assert asha.get(one).status_code == 404
        assert sorted(noticed()) == sorted(("follow_up.deleted", pk) for pk in ups)
        assert json.loads(Notice.objects.get(record=ups[0]).data) == before
        Notice.objects.all().delete()
        assert asha.post(back).status_code == 200
        assert sorted(noticed()) == sorted(("follow_up.restored", pk) for pk in ups)
        assert asha.get(one).json() == before
        assert len(asha.get(f"/api/services/{student}/follow-ups/").json()) == 2, "who was deleted before stays deleted"

    def test_the_number_of_statements_does_not_grow(self) -> None:
        for model in ("Client", "Service", "FollowUp"):
            hook(model)
        asha, counts = as_("asha"), []
        for students, each in ((1, 1), (5, 4)):
            client, _, _ = self.stored(students, each)
            Notice.objects.all().delete()
            with CaptureQueriesContext(connection) as queries:
                asha.delete(f"/api/clients/{client}/?cascade=true")
            assert Notice.objects.count() == 1 + students + students * each
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_what_fails_tells_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hook("FollowUp")
        client, (student,), ups = self.stored(1, 2)
        monkeypatch.setattr("tandem.academy.actions.clients.delete_record", _fail)
        with pytest.raises(ZeroDivisionError):
            as_("asha").delete(f"/api/clients/{client}/?cascade=true")
        assert noticed() == []
        assert FollowUp.objects.live().filter(student=student).count() == len(ups)


def _fail(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError


def test_a_renamed_stage_tells_of_its_leads_with_a_fixed_number_of_statements(django_assert_num_queries: Any) -> None:
    hook("Lead")
    asha = as_("asha")

    def renamed(count: int) -> int:
        pipeline = asha.post("/api/pipelines/", {"name": "P", "stages": [{"name": "Old"}]}).json()
        now = moments.now()
        of = {"pipeline_id": pipeline["id"], "stage": "Old", "created_at": now, "updated_at": now}
        leads = [Lead.objects.create(name=str(n), **of) for n in range(count)]
        Notice.objects.all().delete()
        stages = [{**pipeline["stages"][0], "name": "New"}]
        with CaptureQueriesContext(connection) as queries:
            assert asha.patch(f"/api/pipelines/{pipeline['id']}/", {"stages": stages}).status_code == 200
        assert sorted(noticed()) == sorted(("lead.updated", str(lead.pk)) for lead in leads)
        data = [json.loads(text) for text in Notice.objects.values_list("data", flat=True)]
        assert [one["stage"] for one in data] == ["New"] * count
        assert set(Notice.objects.values_list("previous__stage", flat=True)) == {"Old"}
        return len(queries)

    assert renamed(2) == renamed(40)


def test_a_first_enrollment_tells_of_its_student() -> None:
    hook("Service")
    asha, now = as_("asha"), moments.now()
    made = {"created_at": now, "updated_at": now}
    student = Student.objects.create(name="Jane", client=Client.objects.create(name="Acme", **made), **made)
    cohort = asha.post("/api/cohorts/", {"name_cohort": "Winter"}).json()["id"]
    enrollment = asha.post("/api/enrollments/", {"cohort": cohort, "pathway_name": "Web"}).json()["id"]
    asha.post("/api/enrollment-details/", {"student": str(student.pk), "enrollment": enrollment})
    notice = Notice.objects.get()
    assert (notice.type, notice.record) == ("service.updated", str(student.pk))
    assert (json.loads(notice.data)["actual_cohort"], notice.previous["actual_cohort"]) == (cohort, None)
    assert Enrollment.objects.count() == 1


def test_a_converted_lead_tells_of_all_that_it_became() -> None:
    for model in ("Lead", "Client", "Service"):
        hook(model)
    asha, now = as_("asha"), moments.now()
    lead = Lead.objects.create(name="Jo", stage="New", created_at=now, updated_at=now)
    body = asha.post(f"/api/leads/{lead.pk}/convert/").json()
    assert [type for type, _ in noticed()] == ["client.created", "service.created", "lead.updated"], body


def test_reassigning_tells_of_every_lead() -> None:
    hook("Lead")
    now = moments.now()
    made = {"stage": "New", "responsible": person("omar"), "created_at": now, "updated_at": now}
    for name in ("A", "B"):
        Lead.objects.create(name=name, **made)
    as_("asha").post("/api/leads/reassign/", {"from_user": person("omar").pk, "to_user": person("asha").pk})
    data = [json.loads(text) for text in Notice.objects.values_list("data", flat=True)]
    assert [one["responsible"] for one in data] == [person("asha").pk] * 2


def test_a_pipeline_that_is_deleted_tells_of_the_leads_that_move() -> None:
    hook("Lead")
    asha, now = as_("asha"), moments.now()
    old, new = (asha.post("/api/pipelines/", {"name": name, "stages": [{"name": "One"}]}).json() for name in "PQ")
    made = {"pipeline_id": old["id"], "stage": "One", "created_at": now, "updated_at": now}
    lead = Lead.objects.create(name="Jo", **made)
    asha.delete(f"/api/pipelines/{old['id']}/?move_to={new['id']}")
    assert noticed() == [("lead.updated", str(lead.pk))]
    assert Pipeline.objects.live().count() == 1
