"""/api/leads/<id>/convert/: a lead becomes a client, a student and a seat."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Attribute, Client, EnrollmentDetail, Lead, Student
from tandem.academy.tests.leads import client, lead
from tandem.academy.tests.teaching import cohort, enrollment
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member, newcomer
from tests.database import everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def asha() -> Api:
    return as_("asha")


def url(of: Lead) -> str:
    return f"/api/leads/{of.pk}/convert/"


def attribute(entity: str, name: str, type: str = "text", **other: Any) -> Attribute:
    now = moments.now()
    values = {"entity": entity, "label": name.title(), "created_at": now, "updated_at": now}
    return Attribute.objects.create(name=name, type=type, **{**values, **other})


def student(name: str, of: Client, **other: Any) -> Student:
    now = moments.now()
    return Student.objects.create(name=name, client=of, created_at=now, updated_at=now, **other)


def test_it_works(asha: Api) -> None:
    one, into = lead("Jane Doe"), enrollment()
    body = {"client_name": "Acme Corp", "student_name": "Jane", "enrollment": str(into.pk)}
    answer = asha.post(url(one), body)
    assert answer.status_code == 200, answer.content
    made, taught, seat = Client.objects.get(), Student.objects.get(), EnrollmentDetail.objects.get()
    assert answer.json() == {
        "lead": str(one.pk),
        "client": str(made.pk),
        "client_name": "Acme Corp",
        "student": str(taught.pk),
        "student_name": "Jane",
        "enrollment": str(into.pk),
        "enrollment_detail": str(seat.pk),
        "duplicates": [],
        "dry_run": False,
    }
    assert (taught.client, taught.actual_cohort, taught.origin_cohort) == (made, into.cohort, into.cohort)
    assert (seat.student, seat.enrollment) == (taught, into)
    shown = asha.get(f"/api/leads/{one.pk}/").json()
    assert (shown["converted_to"], shown["converted_seat"]) == (str(taught.pk), str(seat.pk))
    assert (shown["possible_client"], shown["possible_client_name"]) == (str(made.pk), "Acme Corp")
    assert [event.type for event in Event.objects.order_by("id")] == [
        "client.created",
        "service.created",
        "enrollment_detail.created",
        "service.updated",
        "lead.updated",
    ]


def test_a_second_time_tells_the_same_and_makes_nothing(asha: Api) -> None:
    one, into = lead("Jane Doe"), enrollment()
    twin = client("Jane Doe")
    first = asha.post(url(one), {"enrollment": str(into.pk)})
    before = everything()
    assert [alike["id"] for alike in first.json()["duplicates"]] == [str(twin.pk)]
    for body in ({"enrollment": str(into.pk)}, {}, {"client_name": "Other"}):
        again = asha.post(url(one), body)
        assert (again.status_code, again.json()) == (200, first.json())
    assert asha.post(url(one), {"dry_run": True}).json() == {**first.json(), "dry_run": True}
    assert everything() == before


class TestWhatItBecameIsDeleted:
    """A second call does not tell ids that lead nowhere."""

    @pytest.fixture
    def done(self, asha: Api) -> dict[str, Any]:
        body = asha.post(url(lead("Jane")), {"enrollment": str(enrollment().pk)}).json()
        return {**body, "url": f"/api/leads/{body['lead']}/convert/"}

    def refused(self, asha: Api, done: dict[str, Any]) -> list[tuple[str, str]]:
        before = everything()
        for body in ({}, {"enrollment": done["enrollment"]}, {"client_name": "Other"}, {"dry_run": True}):
            answer = asha.post(done["url"], body)
            assert (answer.status_code, answer.json()["code"]) == (409, "converted_deleted")
        assert everything() == before
        return [(one["entity"], one["id"]) for one in answer.json()["restore"]]

    def restored(self, asha: Api, done: dict[str, Any], what: list[tuple[str, str]]) -> None:
        """What the refusal names, in its order, is what has to be restored."""
        for entity, pk in what:
            assert asha.post(f"/api/{entity}s/{pk}/restore/").status_code == 200
        again = asha.post(done["url"], {"enrollment": done["enrollment"]})
        assert (again.status_code, {**again.json(), "url": done["url"]}) == (200, done)

    def test_the_student(self, asha: Api, done: dict[str, Any]) -> None:
        asha.delete(f"/api/services/{done['student']}/")
        missing = self.refused(asha, done)
        assert missing == [("service", done["student"])]
        self.restored(asha, done, missing)

    def test_the_client_with_the_student(self, asha: Api, done: dict[str, Any]) -> None:
        asha.delete(f"/api/clients/{done['client']}/?cascade=true")
        missing = self.refused(asha, done)
        assert missing == [("client", done["client"])], "the student comes back with it"
        self.restored(asha, done, missing)

    def test_the_student_and_then_the_client(self, asha: Api, done: dict[str, Any]) -> None:
        asha.delete(f"/api/services/{done['student']}/")
        asha.delete(f"/api/clients/{done['client']}/")
        missing = self.refused(asha, done)
        assert missing == [("client", done["client"]), ("service", done["student"])]
        self.restored(asha, done, missing)

    def test_of_a_seat_that_is_gone_nothing_is_told(self, asha: Api, done: dict[str, Any]) -> None:
        asha.delete(f"/api/enrollment-details/{done['enrollment_detail']}/")
        shown = asha.post(done["url"], {}).json()
        assert (shown["student"], shown["enrollment"], shown["enrollment_detail"]) == (done["student"], None, None)


class TestASeatThatWasNotTaken:
    """A converted lead is not enrolled anew, so nobody is told that it was."""

    @pytest.mark.parametrize("field", ["cohort", "enrollment"])
    @pytest.mark.parametrize("first", ["nowhere", "elsewhere"])
    def test_is_refused(self, asha: Api, field: str, first: str) -> None:
        one, into = lead("Jane"), enrollment()
        body = {"enrollment": str(enrollment(cohort("Other")).pk)} if first == "elsewhere" else {}
        student = asha.post(url(one), body).json()["student"]
        named = {"cohort": str(into.cohort_id), "enrollment": str(into.pk)}[field]
        before = everything()
        refused = asha.post(url(one), {field: named})
        assert (refused.status_code, refused.json()["code"]) == (409, "converted_without_seat")
        assert refused.json()["student"] == student
        assert everything() == before

    def test_one_that_the_student_got_since_will_do(self, asha: Api) -> None:
        one, into = lead("Jane"), enrollment()
        student = asha.post(url(one), {}).json()["student"]
        body = {"student": student, "enrollment": str(into.pk)}
        seat = asha.post("/api/enrollment-details/", body).json()["id"]
        for named in ({"cohort": str(into.cohort_id)}, {"enrollment": str(into.pk)}):
            shown = asha.post(url(one), named)
            assert (shown.status_code, shown.json()["enrollment_detail"]) == (200, seat)
        assert asha.post(url(one), {}).json()["enrollment_detail"] is None

    @pytest.mark.parametrize("field", ["cohort", "enrollment"])
    def test_the_same_request_gets_the_same_answer_also_after_a_transfer(self, asha: Api, field: str) -> None:
        one, into, other = lead("Jane"), enrollment(), cohort("Other")
        body = {field: {"cohort": str(into.cohort_id), "enrollment": str(into.pk)}[field]}
        first = asha.post(url(one), body).json()
        wish = {"student": first["student"], "target_cohort": str(other.pk)}
        pk = asha.post("/api/transfer-requests/", wish).json()["id"]
        assert asha.post(f"/api/transfer-requests/{pk}/approve/").status_code == 200
        again = asha.post(url(one), body)
        assert (again.status_code, again.json()) == (200, first)


def test_names_come_from_the_lead(asha: Api) -> None:
    shown = asha.post(url(lead("Jane Doe")), {}).json()
    assert (shown["client_name"], shown["student_name"], shown["enrollment"]) == ("Jane Doe", "Jane Doe", None)


class TestClient:
    def test_a_named_one_is_taken(self, asha: Api) -> None:
        acme = client()
        shown = asha.post(url(lead("Jane", possible_client=client("Other"))), {"client": str(acme.pk)}).json()
        assert (shown["client"], shown["client_name"]) == (str(acme.pk), "Acme Corp")
        assert Client.objects.count() == 2

    def test_the_possible_one_of_the_lead_is_next(self, asha: Api) -> None:
        acme = client()
        assert asha.post(url(lead(possible_client=acme)), {}).json()["client"] == str(acme.pk)
        fresh = asha.post(url(lead(possible_client=acme)), {"client_name": "Fresh"}).json()
        assert (fresh["client"] != str(acme.pk), fresh["client_name"]) == (True, "Fresh")

    def test_a_deleted_one_is_refused_or_made_anew(self, asha: Api) -> None:
        gone = client("Gone", deleted_at=moments.now())
        one = lead("Jane", possible_client=gone)
        assert list(asha.post(url(one), {"client": str(gone.pk)}).json()) == ["client"]
        assert asha.post(url(one), {}).json()["client_name"] == "Jane"


@pytest.mark.parametrize("how", ["named", "possible"])
class TestAClientThatIsThere:
    """It is taken as it is: what a body says of it otherwise is not dropped silently."""

    @pytest.fixture
    def acme(self) -> Client:
        attribute("client", "phone")
        attribute("client", "size", "number")
        attribute("lead", "source")
        return client(attributes={"size": 25})

    def asked(self, how: str, acme: Client) -> tuple[Lead, dict[str, Any]]:
        if how == "named":
            return lead(attributes={"source": "Web"}), {"client": str(acme.pk)}
        return lead(attributes={"source": "Web"}, possible_client=acme), {}

    @pytest.mark.parametrize(
        ("attributes", "name"),
        [
            ({"phone": "1"}, "phone"),
            ({"size": 26}, "size"),
            ({"size": "many"}, "size"),
            ({"unheard_of": 1}, "unheard_of"),
            ({"phone": {"from": "source"}}, "phone"),
            ({"phone": {"from": "no_such"}}, "phone"),
        ],
    )
    def test_does_not_get_other_attributes(self, asha: Api, acme: Client, how: str, attributes: Any, name: str) -> None:
        one, body = self.asked(how, acme)
        before = everything()
        answer = asha.post(url(one), {**body, "client_attributes": attributes})
        assert (answer.status_code, list(answer.json())) == (400, ["client_attributes"])
        assert list(answer.json()["client_attributes"]) == [name]
        assert everything() == before

    @pytest.mark.parametrize(
        "said",
        [
            {"client_name": "", "client_attributes": {}},
            {"client_name": None, "client_attributes": None},
            {"client_attributes": {"phone": "", "size": None}},
            {"client_attributes": {"size": "25"}},
        ],
    )
    def test_may_be_told_what_it_is(self, asha: Api, acme: Client, how: str, said: dict[str, Any]) -> None:
        one, body = self.asked(how, acme)
        answer = asha.post(url(one), {**body, **said})
        assert (answer.status_code, answer.json()["client"]) == (200, str(acme.pk)), answer.content
        assert Client.objects.get().attributes == {"size": 25}


def test_a_client_that_is_named_keeps_its_name(asha: Api) -> None:
    acme, one = client(), lead()
    before = everything()
    refused = asha.post(url(one), {"client": str(acme.pk), "client_name": "Fresh"})
    assert (refused.status_code, refused.json()) == (
        400,
        {"client_name": ["This client exists and is not changed here. Leave this out, or change the client itself."]},
    )
    assert everything() == before
    same = asha.post(url(one), {"client": str(acme.pk), "client_name": " Acme Corp "})
    assert (same.status_code, Client.objects.count()) == (200, 1)


class TestSeat:
    def test_the_only_enrollment_of_a_cohort_is_taken(self, asha: Api) -> None:
        winter = cohort()
        assert list(asha.post(url(lead()), {"cohort": str(winter.pk)}).json()) == ["cohort"], "it has none"
        into = enrollment(winter)
        assert asha.post(url(lead()), {"cohort": str(winter.pk)}).json()["enrollment"] == str(into.pk)
        enrollment(winter, "UX")
        assert list(asha.post(url(lead()), {"cohort": str(winter.pk)}).json()) == ["cohort"], "which of two?"

    @pytest.mark.parametrize("field", ["enrollment", "cohort", "client"])
    def test_an_id_that_names_nothing_leaves_nothing_behind(self, asha: Api, field: str) -> None:
        one = lead()
        before = everything()
        for value in (str(uuid.uuid4()), "-"):
            answer = asha.post(url(one), {field: value})
            assert (answer.status_code, list(answer.json())) == (400, [field])
        assert everything() == before


class TestAttributes:
    def test_same_names_are_carried_and_others_mapped(self, asha: Api) -> None:
        for name in ("phone", "source", "gone"):
            attribute("lead", name)
        attribute("client", "phone")
        attribute("client", "origin")
        attribute("client", "gone")
        attribute("service", "program")
        Attribute.objects.filter(entity="lead", name="gone").update(deleted_at=moments.now())
        one = lead(attributes={"phone": "98765 43210", "source": "LinkedIn", "gone": "hidden"})
        body = {"client_attributes": {"origin": {"from": "source"}}, "service_attributes": {"program": "Full Stack"}}
        assert asha.post(url(one), body).status_code == 200
        assert Client.objects.get().attributes == {"phone": "98765 43210", "origin": "LinkedIn"}
        assert Student.objects.get().attributes == {"program": "Full Stack"}

    @pytest.mark.parametrize(
        ("body", "field", "name"),
        [
            ({"client_attributes": {"unheard_of": 1}}, "client_attributes", "unheard_of"),
            ({"service_attributes": {"size": "many"}}, "service_attributes", "size"),
            ({}, "service_attributes", "size"),
            ({"service_attributes": {"size": {"from": 1}}}, "service_attributes", "size"),
        ],
    )
    def test_what_is_wrong_is_told_of_its_field_and_leaves_nothing(
        self, asha: Api, body: Any, field: str, name: str
    ) -> None:
        attribute("service", "size", "number", is_required=True)
        one = lead()
        before = everything()
        answer = asha.post(url(one), body)
        assert answer.status_code == 400
        assert list(answer.json()) == [field]
        assert list(answer.json()[field]) == [name]
        assert everything() == before

    @pytest.mark.parametrize("entity", ["client", "service"])
    def test_a_source_that_is_no_attribute_of_leads_is_no_empty_value(self, asha: Api, entity: str) -> None:
        attribute(entity, "origin")
        one, field = lead(attributes={"gone": "hidden"}), f"{entity}_attributes"
        before = everything()
        for source in ("no_such", "gone"):
            answer = asha.post(url(one), {field: {"origin": {"from": source}}})
            why = f"Leads have no attribute `{source}`."
            assert (answer.status_code, answer.json()) == (400, {field: {"origin": [why]}})
        assert everything() == before
        attribute("lead", "source")
        assert asha.post(url(one), {field: {"origin": {"from": "source"}}}).status_code == 200


class TestDryRun:
    def test_it_writes_nothing_and_tells_what_would_be(self, asha: Api) -> None:
        one, into, acme = lead("Jane Doe"), enrollment(), client()
        before = everything()
        shown = asha.post(url(one), {"enrollment": str(into.pk), "dry_run": "true"}).json()
        assert everything() == before
        assert (shown["client"], shown["client_name"]) == (None, "Jane Doe")
        assert (shown["student"], shown["student_name"], shown["enrollment_detail"]) == (None, "Jane Doe", None)
        assert (shown["enrollment"], shown["dry_run"]) == (str(into.pk), True)
        assert asha.post(url(one), {"client": str(acme.pk), "dry_run": True}).json()["client"] == str(acme.pk)
        assert everything() == before

    def test_it_finds_duplicates_by_phone_mail_and_name(self, asha: Api) -> None:
        for name in ("phone", "email"):
            attribute("lead", name)
        attribute("client", "work__phone")
        attribute("client", "mail")
        attribute("service", "mobile", "number")
        acme = client("Acme", attributes={"work__phone": "+91 98765-43210"})
        mail = client("Mail & Co", attributes={"mail": "Jane@Example.org", "work__phone": "9876500010"})
        client("Other", attributes={"work__phone": "+91 98765-43211", "mail": "xjane@example.org"})
        client("Jane Doe", deleted_at=moments.now())
        same = student("JANE DOE", acme, attributes={"mobile": 9876543210})
        one = lead("Jane Doe", attributes={"phone": "09876543210", "email": "jane@example.org"})
        found = asha.post(url(one), {"dry_run": True}).json()["duplicates"]
        assert found == [
            {"entity": "client", "id": str(acme.pk), "name": "Acme", "by": ["phone"]},
            {"entity": "client", "id": str(mail.pk), "name": "Mail & Co", "by": ["email"]},
            {"entity": "service", "id": str(same.pk), "name": "JANE DOE", "by": ["phone", "name"]},
        ]

    def test_its_cost_does_not_grow_with_what_is_stored(self, asha: Api) -> None:
        one, counts = lead("Jane"), []
        for how_many in (1, 9):
            for n in range(how_many):
                student(str(n), client("Jane"))
            with CaptureQueriesContext(connection) as queries:
                asha.post(url(one), {"dry_run": True})
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert counts[0] <= 35


class TestRights:
    def test_who_sells_converts_and_the_others_do_not(self) -> None:
        one, into = lead(), enrollment()
        for group in ("Operations", "Instructors", "Teacher Assistant", "Management"):
            assert member(group).post(url(one), {}).status_code == 403, group
        for rights in (["change_lead"], ["add_client"], ["add_service", "add_client", "add_enrollmentdetail"]):
            api = member("Management", name=" ".join(rights), rights=rights)
            assert api.post(url(one), {}).status_code == 403, rights
        assert [model.objects.count() for model in (Client, Student, Event)] == [0, 0, 0]
        sales = member("Sales")
        assert sales.post("/api/services/", {"name": "Jane", "client": str(client().pk)}).status_code == 403
        done = sales.post(url(one), {"enrollment": str(into.pk)})
        assert (done.status_code, done.json()["enrollment"]) == (200, str(into.pk))
        assert sales.get(f"/api/services/{done.json()['student']}/").json()["actual_cohort"] == str(into.cohort_id)

    def test_duplicates_are_told_to_those_who_may_see_them(self) -> None:
        client("Jane")
        seller = newcomer("Seller", role="office")
        seller.user_permissions.set(Permission.objects.filter(codename__in=["change_lead", "add_client"]))
        assert Api(seller).post(url(lead("Jane")), {"dry_run": True}).json()["duplicates"] == []
        assert member("Sales").post(url(lead("Jane")), {"dry_run": True}).json()["duplicates"] != []


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ({"name": "DS  x"}, {"name": "DS  x"}),
        ({"name": "ds X"}, {"name": " DS   x"}),
        ({"name": "A", "attributes": {"phone": "981682304-9"}}, {"attributes": {"phone": "9816823049"}}),
        ({"name": "A", "attributes": {"phone": "+91 98168 2304 9"}}, {"attributes": {"phone": "09816823049"}}),
    ],
)
def test_spelling_hides_no_duplicate(asha: Api, stored: dict[str, Any], given: dict[str, Any]) -> None:
    attribute("client", "phone")
    attribute("lead", "phone")
    known = client(**stored)
    one = lead(**{"name": "Somebody", **given})
    shown = asha.post(url(one), {"dry_run": True}).json()
    assert [found["id"] for found in shown["duplicates"]] == [str(known.pk)]


def test_a_file_that_nobody_asked_for_does_not_stand_in_the_way(asha: Api) -> None:
    attribute("client", "pic", "file")
    attribute("lead", "pic", "file")
    one = lead(attributes={"pic": f"client/{uuid.uuid4()}/gone.png"})
    refused = asha.post(url(one), {"client_attributes": {"pic": {"from": "pic"}}})
    assert (refused.status_code, list(refused.json())) == (400, ["client_attributes"])
    assert asha.post(url(one), {}).status_code == 200
    assert Client.objects.get().attributes == {}
