"""/api/my-tasks/: what the caller still has to do."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.academy.models import Client, Lead, Student, Task
from tandem.accounts.models import User
from tandem.common import moments
from tests.cast import Api, as_, member, person

pytestmark = pytest.mark.django_db
URL = "/api/my-tasks/"


def made(model: Any, name: str, **other: Any) -> Any:
    now = moments.now()
    return model.objects.create(name=name, created_at=now, updated_at=now, **other)


def client(name: str = "Acme") -> Client:
    return made(Client, name)


def lead(name: str, **other: Any) -> Lead:
    return made(Lead, name, stage="Prospecting", **other)


def task(owner: Client | Student | Lead, text: str, by: User, on: date | None = None, **other: Any) -> Task:
    entity = {Client: "client", Student: "service", Lead: "lead"}[type(owner)]
    return Task.objects.create(
        id=uuid.uuid4(),
        entity=entity,
        record=owner.pk,
        position=0,
        user=by,
        date_created=moments.now(),
        task=text,
        date=on,
        **other,
    )


@pytest.fixture
def omar() -> User:
    return person("omar")


def texts(api: Api, query: str = "") -> list[str]:
    return [row["task"] for row in api.get(f"{URL}?{query}").json()]


def test_it_shows_each_task_with_its_record() -> None:
    sales, acme, today = member("Sales"), client(), moments.today()
    me = User.objects.get(name="One of Sales")
    mine = task(acme, "Call", me, today - timedelta(days=1))
    assert sales.get(URL).json() == [
        {
            "id": str(mine.pk),
            "task": "Call",
            "date": (today - timedelta(days=1)).isoformat(),
            "completed": False,
            "date_created": moments.iso(mine.date_created),
            "user_id": me.pk,
            "user_name": "One of Sales",
            "overdue": True,
            "entity": "client",
            "record": str(acme.pk),
            "record_name": "Acme",
        }
    ]


def test_they_come_by_date_over_all_records_and_those_without_a_date_last() -> None:
    asha, me, today = as_("asha"), person("asha"), moments.today()
    acme = client()
    jane, deal = made(Student, "Jane", client=acme), lead("Deal")
    task(acme, "no day", me)
    task(jane, "tomorrow", me, today + timedelta(days=1))
    task(deal, "yesterday", me, today - timedelta(days=1))
    task(acme, "today", me, today)
    task(acme, "done", me, today, completed=True)
    assert texts(asha) == ["yesterday", "today", "tomorrow", "no day"]
    rows = asha.get(URL).json()
    assert [row["record_name"] for row in rows] == ["Deal", "Acme", "Jane", "Acme"]
    assert [row["overdue"] for row in rows] == [True, False, False, False]
    seen, url = [], f"{URL}?limit=1"
    while url:
        answer = asha.get(url)
        seen += answer.json()
        link = answer.headers.get("Link")
        url = link.removeprefix("<http://localhost").removesuffix('>; rel="next"') if link else None
    assert seen == rows, "a cursor passes over the missing date as well"


def test_filters() -> None:
    asha, me, today, acme = as_("asha"), person("asha"), moments.today(), client()
    for days in (-1, 0, 1):
        task(acme, str(days), me, today + timedelta(days=days))
    task(acme, "none", me)
    assert texts(asha, f"from={today}") == ["0", "1"]
    assert texts(asha, f"to={today}") == ["-1", "0"]
    assert texts(asha, f"from={today}&to={today}") == ["0"]
    assert texts(asha, "overdue=true") == ["-1"]
    assert texts(asha, "overdue=false") == ["0", "1", "none"]
    assert list(asha.get(f"{URL}?from=x&to=y&overdue=z").json()) == ["from", "to", "overdue"]
    assert asha.get(f"{URL}?page_size=3").json()["count"] == 4


def test_mine_are_those_i_wrote_and_those_of_leads_i_am_responsible_for(omar: User) -> None:
    asha, me, today = as_("asha"), person("asha"), moments.today()
    acme, mine, theirs = client(), lead("Mine", responsible=me), lead("Theirs", responsible=omar)
    task(acme, "a colleague's", omar)
    task(theirs, "a colleague's on their lead", omar)
    task(mine, "theirs on my lead", omar, today)
    task(theirs, "mine on their lead", me, today + timedelta(days=1))
    task(mine, "mine on my lead", me, today + timedelta(days=2))
    assert texts(asha) == ["theirs on my lead", "mine on their lead", "mine on my lead"]


def test_tasks_of_deleted_records_do_not_show() -> None:
    asha, me, acme, deal = as_("asha"), person("asha"), client(), lead("Deal", responsible=person("asha"))
    task(acme, "gone", me)
    task(deal, "gone too", me)
    assert len(texts(asha)) == 2
    Client.objects.update(deleted_at=moments.now())
    Lead.objects.update(deleted_at=moments.now())
    assert texts(asha) == []


def test_of_records_that_the_caller_may_not_see_nothing_shows() -> None:
    teacher = member("Instructors")
    me, acme = User.objects.get(name="One of Instructors"), client("Secret")
    task(acme, "on a client", me)
    task(made(Student, "Jane", client=acme), "on a student", me)
    task(lead("Hidden", responsible=me), "on a lead", me)
    assert texts(teacher) == ["on a student"]


def test_customers_and_workers_have_none() -> None:
    assert as_("omar").get(URL).json() == []
    assert as_("chitra").get(URL).status_code == 403
    assert as_("wasim").get(URL).status_code == 403


def test_it_costs_the_same_for_one_and_for_ten() -> None:
    asha, me, acme, counts = as_("asha"), person("asha"), client(), []
    for how_many in (1, 9):
        for n in range(how_many):
            task(acme, str(n), me)
        with CaptureQueriesContext(connection) as queries:
            asha.get(URL)
        counts.append(len(queries))
    assert counts == [2, 2], "who calls, and the list"
