"""Contract F §9: the reports and the export."""

from __future__ import annotations

import csv
import gc
import io
import tracemalloc
from datetime import date, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import FileResponse
from django.test.utils import CaptureQueriesContext

from tandem.common import moments, spreadsheet
from tandem.common.reading import listing
from tandem.fieldservice.models import Card, Visit
from tests.cast import ANONYMOUS, Api, as_, card_of, person, shown, visit_to

pytestmark = pytest.mark.django_db

TODAY = moments.today()
WARRANTY, UPCOMING, EXPORT = (
    f"/api/crm/{path}/" for path in ("reports/warranty", "reports/upcoming-services", "admin/export/services")
)


# --- reports/warranty/ -----------------------------------------------------------------------------------------------
def card(start: date | None, end: date | None, **other: Any) -> Card:
    address = {"region": "Madurai", "address": "12 MG Road", "city": "Madurai"}
    owner = person("chitra")
    return card_of(owner, **{**address, "warranty_start_date": start, "warranty_end_date": end, **other})


def free(on_card: Card, on: date, **other: Any) -> Visit:
    return visit_to(on_card, on=on, service_type="free", **other)


def row_of(one: Card, *, free_from: date | None, last: date | None = None, booked: Visit | None = None) -> dict:
    def day(value: date | None) -> str | None:
        return value.isoformat() if value else None

    return {
        "card_id": one.pk,
        "card_model": one.model,
        "customer_id": one.customer_id,
        "customer_name": one.customer_name,
        "customer_phone": one.customer.phone,
        "region": one.region,
        "address": one.address,
        "city": one.city,
        "warranty_start_date": day(one.warranty_start_date),
        "warranty_end_date": day(one.warranty_end_date),
        "free_from": day(free_from),
        "last_free_service_date": day(last),
        "booked_visit": booked.pk if booked else None,
    }


def report(month: str = "2026-03") -> list[dict]:
    answer = as_("asha").get(f"{WARRANTY}?month={month}")
    assert answer.status_code == 200, answer.content
    return answer.json()


YEAR = (date(2025, 9, 15), date(2026, 9, 14))


def test_it_lists_a_card_whose_free_visit_is_due_in_the_month() -> None:
    one = card(*YEAR)
    assert report() == [row_of(one, free_from=date(2026, 3, 1))]


@pytest.mark.parametrize(
    ("start", "end", "free_from", "why"),
    [
        (date(2026, 3, 31), date(2027, 3, 30), date(2026, 3, 31), "the warranty begins on the last day"),
        (date(2025, 3, 2), date(2026, 3, 1), date(2026, 3, 1), "it ends on the first day"),
        (date(2026, 4, 1), date(2027, 3, 31), None, "it begins a day later"),
        (date(2025, 3, 1), date(2026, 2, 28), None, "it ended the day before"),
        (None, date(2026, 9, 14), None, "no start"),
        (date(2025, 9, 15), None, None, "no end"),
    ],
)
def test_the_warranty_covers_a_day_of_the_month(
    start: date | None, end: date | None, free_from: date | None, why: str
) -> None:
    one = card(start, end)
    assert report() == ([row_of(one, free_from=free_from)] if free_from else []), why


@pytest.mark.parametrize(
    ("last", "free_from", "why"),
    [
        (date(2025, 11, 30), date(2026, 3, 1), "three months ended in February"),
        (date(2025, 12, 10), date(2026, 3, 10), "they end inside the month"),
        (date(2025, 12, 31), date(2026, 3, 31), "on its last day"),
        (date(2026, 1, 1), None, "a day after it"),
    ],
)
def test_three_months_lie_between_free_visits(last: date, free_from: date | None, why: str) -> None:
    one = card(*YEAR)
    free(one, last, status="completed", completed_on=last)
    assert report() == ([row_of(one, free_from=free_from, last=last)] if free_from else []), why


def test_a_later_free_visit_blocks_the_three_months_before_it() -> None:
    free(card(*YEAR), date(2026, 5, 20))
    assert report("2026-03") == []


@pytest.mark.parametrize("status", ["pending", "scheduled", "assigned", "in_progress", "completed"])
def test_a_card_whose_free_visit_is_booked_shows_that_visit(status: str) -> None:
    one = card(*YEAR)
    visit = free(one, date(2026, 3, 12), status=status)
    assert report() == [row_of(one, free_from=None, last=date(2026, 3, 12), booked=visit)]


def test_the_day_of_a_visit_is_the_completed_one_else_the_fixed_one() -> None:
    moved, done = card(*YEAR), card(*YEAR)
    visit = free(moved, date(2026, 2, 25), scheduled_on=date(2026, 3, 2), status="scheduled")
    free(done, date(2026, 3, 30), completed_on=date(2026, 4, 1), status="completed")
    assert report() == [row_of(moved, free_from=None, last=date(2026, 3, 2), booked=visit)]


def test_a_cancelled_visit_gives_the_entitlement_back() -> None:
    one = card(*YEAR)
    free(one, date(2026, 3, 12), status="cancelled")
    assert report() == [row_of(one, free_from=date(2026, 3, 1))]


def test_a_visit_that_is_charged_books_nothing() -> None:
    one = card(*YEAR)
    visit_to(one, on=date(2026, 3, 12))
    assert report() == [row_of(one, free_from=date(2026, 3, 1))]


def test_goodwill_is_shown_as_booked_but_takes_nothing_from_the_days_before() -> None:
    one, outside = card(*YEAR), card(None, None)
    visit = free(one, date(2026, 3, 12), service_type_forced=True)
    gift = free(outside, date(2026, 3, 13), service_type_forced=True)
    assert report() == [
        row_of(one, free_from=date(2026, 3, 1), last=date(2026, 3, 12), booked=visit),
        row_of(outside, free_from=None, last=date(2026, 3, 13), booked=gift),
    ]


def test_other_makes_and_deleted_cards_are_not_listed() -> None:
    card(*YEAR, card_type="om")
    card(*YEAR).mark_deleted(now=moments.now())
    assert report() == []


def test_any_day_of_a_month_counts_today_or_not() -> None:
    one = card(TODAY.replace(day=1) - timedelta(days=400), TODAY + timedelta(days=400))
    answer = as_("asha").get(WARRANTY)
    assert answer.json() == [row_of(one, free_from=TODAY.replace(day=1))]
    assert report(f"{TODAY:%Y-%m}") == answer.json()


def test_it_says_what_booking_says() -> None:
    """The report and a booking call one rule: the first day it names is booked free, the day before is not."""
    one = card(TODAY - timedelta(days=200), TODAY + timedelta(days=200))
    free(one, TODAY - timedelta(days=80), status="completed", completed_on=TODAY - timedelta(days=80))
    named = as_("asha").get(f"/api/crm/cards/{one.pk}/").json()["next_free_service_date"]
    (row,) = report(named[:7])
    assert row["free_from"] == named
    for day, expected in ((date.fromisoformat(named) - timedelta(days=1), "normal"), (named, "free")):
        booked = as_("asha").post("/api/crm/services/", {"card": one.pk, "preferred_date": str(day)})
        assert booked.json()["service_type"] == expected
    assert report(named[:7])[0]["booked_visit"] == booked.json()["id"]


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-00", "2026-3", "202603", "March", "2026-03-01", "0000-01", "٢٠٢٦-٠٣"]
)
def test_what_is_no_month_is_refused(month: str) -> None:
    answer = as_("asha").get(f"{WARRANTY}?month={month}")
    assert (answer.status_code, answer.json()) == (400, {"month": ["Month has wrong format. Use YYYY-MM."]})


def pages(api: Api, path: str) -> list[list[dict]]:
    found = []
    while path:
        answer = api.get(path)
        found.append(answer.json())
        path = answer["Link"].split(">")[0].strip("<").removeprefix("http://localhost") if "Link" in answer else ""
    return found


@pytest.mark.parametrize("portion", [3, 1001], ids=["many portions", "one portion"])
def test_the_report_pages_over_cards_that_the_rule_leaves_out(portion: int, settings, monkeypatch) -> None:
    settings.MAX_UNPAGED = 2
    monkeypatch.setattr(listing, "PORTION", portion)
    due = []
    for n in range(5):
        due.append(card(*YEAR).pk)
        for _ in range(n):
            free(card(*YEAR), date(2026, 2, 20), status="completed", completed_on=date(2026, 2, 20))
    api = as_("asha")
    found = pages(api, f"{WARRANTY}?month=2026-03")
    assert [[row["card_id"] for row in page] for page in found] == [due[:2], due[2:4], due[4:]]
    envelope = api.get(f"{WARRANTY}?month=2026-03&page=2&page_size=2").json()
    assert (envelope["count"], envelope["results"]) == (5, found[1])
    assert "page=3" in envelope["next"]
    assert api.get(f"{WARRANTY}?month=2026-03&page=3&page_size=2").json()["next"] is None


# --- reports/upcoming-services/ --------------------------------------------------------------------------------------
def test_it_lists_the_open_visits_of_thirty_days_by_day() -> None:
    machine = card_of(person("chitra"))
    last = visit_to(machine, on=TODAY + timedelta(days=30))
    fixed = visit_to(
        card_of(person("deepak")),
        on=TODAY - timedelta(days=9),
        scheduled_on=TODAY + timedelta(days=1),
        status="scheduled",
    )
    early = visit_to(card_of(person("deepak")), on=TODAY, status="assigned", assigned_to=person("wasim"))
    visit_to(machine, on=TODAY + timedelta(days=31))
    visit_to(machine, on=TODAY - timedelta(days=1))
    for status in ("completed", "cancelled"):
        visit_to(machine, on=TODAY, status=status)
    api = as_("asha")
    answer = api.get(UPCOMING)
    detail = [api.get(f"/api/crm/services/{visit.pk}/").json() for visit in (early, fixed, last)]
    for record in detail:
        del record["entries"], record["feedback"]
    assert (answer.status_code, answer.json()) == (200, detail)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?from=2026-03-10&to=2026-03-10", [10]),
        ("?from=2026-03-09&to=2026-03-11", [9, 10, 11]),
        ("?from=2026-03-10", [10, 11]),
        ("?from=2026-02-10", [9, 10, 11]),
        ("?from=2026-02-06", []),
    ],
    ids=["one day", "both ends inside", "30 days from there", "30 days to the 12th", "30 days to the 8th"],
)
def test_the_span_includes_both_ends(query: str, expected: list[int]) -> None:
    for day in (9, 10, 11):
        visit_to(card_of(person("chitra")), on=date(2026, 3, day))
    found = as_("asha").get(UPCOMING + query).json()
    assert [int(row["preferred_date"][-2:]) for row in found] == expected


@pytest.mark.parametrize("path", [UPCOMING, EXPORT])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=soon", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-03-02&to=2026-03-01", "from"),
        ("to=99999-01-01", "to"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(path: str, query: str, field: str) -> None:
    answer = as_("asha").get(f"{path}?{query}")
    assert (answer.status_code, list(answer.json())) == (400, [field])


@pytest.mark.parametrize("query", ["to=2020-01-01", "%3Fto=2020-01-01", "from=&to=2020-01-01"])
def test_an_end_before_today_is_refused_by_its_own_name(query: str) -> None:
    answer = as_("asha").get(f"{UPCOMING}?{query}")
    assert (answer.status_code, answer.json()) == (
        400,
        {"to": [f"The span runs backwards, from {moments.today()} to 2020-01-01."]},
    )


# --- admin/export/services/ ------------------------------------------------------------------------------------------
HEADER = (
    "id,card_id,card_model,customer_id,customer_name,customer_phone,region,service_type,status,visit_type,"
    "preferred_date,preferred_time,scheduled_at,assigned_to,assigned_to_name,amount_charged,completed_at,created_at"
)


def export(query: str = "") -> tuple[Any, list[list[str]]]:
    answer = as_("asha").get(EXPORT + query)
    assert answer.status_code == 200, answer.content
    header, *rows = csv.reader(io.StringIO(content_of(answer).decode("utf-8"), newline=""))
    assert ",".join(header) == HEADER
    return answer, rows


def content_of(answer: Any) -> bytes:
    return answer.getvalue() if answer.streaming else answer.content


def test_it_exports_every_visit_as_the_api_shows_it() -> None:
    chitra, wasim = person("chitra"), person("wasim")
    Card.objects.filter(pk=(machine := card_of(chitra)).pk).update(model="=1+1", region="@Madurai")
    moment = moments.now()
    done = visit_to(
        machine,
        on=date(2026, 3, 2),
        preferred_time=time(10),
        scheduled_on=date(2026, 3, 4),
        status="completed",
        service_type="free",
        assigned_to=wasim,
        amount_charged="120.5",
        completed_at=moment,
        completed_on=date(2026, 3, 4),
    )
    waiting = visit_to(machine, on=date(2026, 3, 3))
    answer, rows = export()
    who = [str(machine.pk), "'=1+1", str(chitra.pk), "Chitra", "+919000000002", "'@Madurai"]
    assert rows == [
        [
            *[str(waiting.pk), *who, "normal", "pending", "onsite", "2026-03-03", "", "", "", "", "0.00", ""],
            shown(waiting.created_at),
        ],
        [
            *[str(done.pk), *who, "free", "completed", "onsite", "2026-03-02", "10:00", "2026-03-04", str(wasim.pk)],
            *["Wasim", "120.50", shown(moment), shown(done.created_at)],
        ],
    ]
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="services-{TODAY}.csv"'


@pytest.mark.parametrize(
    ("query", "days", "filename"),
    [
        ("?from=2026-03-10&to=2026-03-11", ["10", "11"], "services-from-2026-03-10-to-2026-03-11.csv"),
        ("?from=2026-03-10", ["10", "11", "12"], "services-from-2026-03-10.csv"),
        ("?to=2026-03-10", ["09", "10"], "services-to-2026-03-10.csv"),
    ],
)
def test_the_export_takes_a_span_of_visit_days(query: str, days: list[str], filename: str) -> None:
    machine = card_of(person("chitra"))
    for day in (12, 10, 9):
        visit_to(machine, on=date(2026, 3, day))
    visit_to(machine, on=date(2026, 1, 1), scheduled_on=date(2026, 3, 11))
    answer, rows = export(query)
    assert [(row[12] or row[10])[-2:] for row in rows] == days
    assert answer["Content-Disposition"] == f'attachment; filename="{filename}"'


def book_many(how_many: int) -> None:
    machine, now = card_of(person("chitra")), moments.now()
    Visit.objects.bulk_create(
        Visit(
            card=machine,
            customer=machine.customer,
            preferred_date=date(2026, 1, 1) + timedelta(days=n % 300),
            status="completed",
            service_type="normal",
            description="x" * 100,
            requested_by=machine.customer,
            created_at=now,
            updated_at=now,
        )
        for n in range(how_many)
    )


def test_an_export_nine_times_as_large_needs_no_more_memory(monkeypatch) -> None:
    monkeypatch.setattr(spreadsheet, "IN_ONE_PIECE", 0)
    api = as_("asha")

    def peak() -> tuple[int, int]:
        gc.collect()
        tracemalloc.start()
        try:
            answer = api.get(EXPORT)
            assert isinstance(answer, FileResponse)
            lines = sum(block.count(b"\n") for block in answer)
            return lines - 1, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    api.get(EXPORT)
    book_many(800)
    few, memory_of_few = peak()
    book_many(6_400)
    many, memory_of_many = peak()
    assert (few, many) == (800, 7_200)
    # The rows themselves, all at once, are several MB more.
    assert memory_of_many < memory_of_few + 600_000, (memory_of_few, memory_of_many)


@pytest.mark.parametrize("query", ["", "?from=2026-01-01", "?from=2026-03-01&to=2026-03-31"])
def test_the_export_is_sorted_by_an_index_not_in_memory(query: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL sorts large results on disk by itself")
    with CaptureQueriesContext(connection) as seen:
        export(query)
    statement = next(one["sql"] for one in seen if "preferred_date" in one["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = [row[3] for row in cursor.fetchall()]
    assert any("visits_by_day" in step for step in plan), plan
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


# --- all three -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [f"{WARRANTY}?month=2026-03", f"{UPCOMING}?from=2026-03-01", EXPORT])
def test_each_costs_the_same_for_one_row_and_for_ten(path: str) -> None:
    api, counts = as_("asha"), []
    for rows in (1, 9):
        for _ in range(rows):
            free(card(*YEAR), date(2026, 3, 5))
        with CaptureQueriesContext(connection) as seen:
            assert api.get(path).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 3


@pytest.mark.parametrize("path", [WARRANTY, UPCOMING, EXPORT])
@pytest.mark.parametrize("name", ["chitra", "wasim", "omar"])
def test_only_admins_read_them(path: str, name: str) -> None:
    assert as_(name).get(path).status_code == 403
    assert ANONYMOUS.get(path).status_code == 401
