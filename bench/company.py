"""The data that all contestants serve: one company, the same in every run, on both databases.

    python -m bench.company build FILE    makes it in a new SQLite file; kept between runs by `databases.sqlite_company`
    python -m bench.company copy FILE     copies that file into the PostgreSQL database of DATABASE_URL
    python -m bench.company grow COUNT    makes a company that only sells, of so many leads, in an empty PostgreSQL
                                          database, that of DATABASE_URL
    python -m bench.company credential    prints a fresh token of the caller for `Authorization: Bearer`

The first half of the cards is read and never written; visits are booked on the second half, so what is read stays the
same however much was written. New leads enter a stage that no measured list shows. All visits lie in the past, on the
1st to 28th of a month: that keeps the free-visit rule simple enough for the yardstick that has to say it in SQL.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from bench import leads
from bench.leads import Leads

CUSTOMERS, WORKERS, CARDS, VISITS = 5_000, 40, 20_000, 100_000
CALLER_ID, FIRST_WORKER, FIRST_CUSTOMER = 1, 2, 2 + WORKERS
LEADS = Leads(100_000, busy=CALLER_ID, first_seller=FIRST_CUSTOMER + CUSTOMERS)
READ_CARDS = (1, CARDS // 2)
BOOKED_CARDS = (CARDS // 2 + 1, CARDS)
READ_VISITS = (1, VISITS)
KEY = "be" * 20  # the caller's key for `Authorization: Token`
SELLER_KEY = "5e" * 20  # that of the first seller, in a company that only sells

_MODELS = ("AquaPure X1", "AquaPure X2", "Purosoft 15", "KlearWater Mini")
_REGIONS = ("Madurai", "Rajapalayam", "Sivakasi", "Theni")
_CREATED = "2025-01-01 04:30:00"


def build() -> None:
    from django.core.management import call_command
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    call_command("migrate", interactive=False, verbosity=0)
    chance = random.Random(7)
    with transaction.atomic():
        _insert("accounts.User", _people(LEADS))
        _insert("accounts.AccessKey", _keys({CALLER_ID: KEY}))
        _insert("authtoken.Token", [{"key": KEY, "user_id": CALLER_ID, "created": _CREATED}])
        _insert("fieldservice.Card", _cards(chance))
        visits = list(_visits(chance))
        _insert("fieldservice.Visit", visits)
        _insert("fieldservice.ServiceEntry", _entries(visits))
        _insert("fieldservice.Feedback", _feedback(visits))
        for name, rows in _selling(LEADS):
            _insert(name, rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Past the models, which would take minutes for so many rows; only a new column's default is asked of them."""
    from django.apps import apps
    from django.db import connection

    model = apps.get_model(name)
    filled = _filled(model, rows)
    first = next(filled)
    columns, marks = ", ".join(f'"{column}"' for column in first), ", ".join(["%s"] * len(first))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({marks})",
            [tuple(first.values()), *(tuple(row.values()) for row in filled)],
        )


def _filled(model: Any, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows with the defaults of the columns that they lack, all in the same order."""
    from django.db import connection

    stored = [field for field in model._meta.concrete_fields if not field.generated]
    defaults = {field.column: field.get_db_prep_save(field.get_default(), connection) for field in stored}
    if defaults[model._meta.pk.column] is None:  # the database counts
        del defaults[model._meta.pk.column]
    return ({**defaults, **row} for row in rows)


def _selling(company: Leads) -> Iterator[tuple[str, Iterable[dict[str, Any]]]]:
    """Table → rows of the half of the company that sells, but for its people."""
    yield "academy.Pipeline", leads.pipelines(made_by=company.busy)
    yield "academy.Stage", leads.stages()
    yield "academy.Attribute", leads.definitions()
    yield "academy.Lead", company.rows()
    yield "academy.Task", company.tasks()
    yield "academy.Note", company.notes()


def _people(selling: Leads) -> Iterator[dict[str, Any]]:
    named = [(CALLER_ID, "admin", "Asha")]
    named += [(FIRST_WORKER + n, "worker", f"Worker {n}") for n in range(WORKERS)]
    named += [(FIRST_CUSTOMER + n, "customer", f"Customer {n}") for n in range(CUSTOMERS)]
    named += [(selling.first_seller, "admin", "Seller 0")]
    named += [(selling.first_seller + n, "office", f"Seller {n}") for n in range(1, selling.sellers)]
    for pk, role, name in named:
        yield {
            "id": pk,
            "role": role,
            "name": name,
            "username": f"user{pk}",
            "phone": f"+9190{pk:08d}",
            "password": "!",
            "date_joined": _CREATED,
        }


def _keys(people: dict[int, str]) -> Iterator[dict[str, Any]]:
    from tandem.accounts.tokens import digest_of

    for pk, key in people.items():
        yield {"digest": digest_of(key), "user_id": pk, "created_at": _CREATED}


def _cards(chance: random.Random) -> Iterator[dict[str, Any]]:
    for pk in range(1, CARDS + 1):
        customer = pk % CUSTOMERS
        yield {
            "id": pk,
            "model": chance.choice(_MODELS),
            "customer_id": FIRST_CUSTOMER + customer,
            "customer_name": f"Customer {customer}",
            "region": chance.choice(_REGIONS),
            "address": f"{pk} MG Road",
            "city": "Madurai",
            "postal_code": "625001",
            "date_of_installation": "2025-01-01",
            "warranty_start_date": "2025-01-01",
            "warranty_end_date": "2032-12-31",
            "created_at": _CREATED,
            "updated_at": _CREATED,
        }


def _visits(chance: random.Random) -> Iterator[dict[str, Any]]:
    for pk in range(1, VISITS + 1):
        nth, card = divmod(pk - 1, CARDS)
        on, done, free = f"2025-{1 + 2 * nth:02d}-{chance.randint(1, 28):02d}", pk % 10 != 0, nth % 2 == 0
        yield {
            "id": pk,
            "card_id": 1 + card,
            "customer_id": FIRST_CUSTOMER + (1 + card) % CUSTOMERS,
            "description": "Not dispensing water",
            "service_type": "free" if free else "normal",
            "service_type_reason": "By the rule.",
            "status": "completed" if done else "cancelled",
            "preferred_date": on,
            "scheduled_at": f"{on} 05:30:00",
            "scheduled_on": on,
            "scheduled_has_time": bool(pk % 2),
            "assigned_to_id": FIRST_WORKER + chance.randrange(WORKERS),
            "requested_by_id": CALLER_ID,
            "amount_charged": 0 if free else 120,
            "completed_at": f"{on} 06:30:00" if done else None,
            "completed_on": on if done else None,
            "cancelled_at": None if done else f"{on} 05:00:00",
            "created_at": f"{on} 04:30:00",
            "updated_at": f"{on} 06:30:00",
        }


def _entries(visits: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    part = {"code": "V-10", "name": "Valve", "qty": 1, "price": "120.00", "serial_number": "SN-1"}
    for visit in visits:
        if visit["status"] == "completed":
            yield {
                "visit_id": visit["id"],
                "performed_by_id": visit["assigned_to_id"],
                "work_detail": "Replaced valve, cleaned filter",
                "parts_replaced": json.dumps([part]),
                "amount_charged": visit["amount_charged"],
                "created_at": visit["completed_at"],
            }


def _feedback(visits: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for visit in visits:
        if visit["status"] == "completed" and visit["id"] % 3 == 0:
            yield {
                "visit_id": visit["id"],
                "rating": 1 + visit["id"] % 5,
                "comments": "Great",
                "created_at": visit["completed_at"],
            }


def copy(source: str) -> None:
    """Fill a migrated PostgreSQL database with the rows of the SQLite file."""
    from django.apps import apps
    from django.core.management import call_command
    from django.core.management.color import no_style
    from django.db import connection

    call_command("migrate", interactive=False, verbosity=0)
    ours = [apps.get_model(name) for name in _TABLES]
    with sqlite3.connect(source) as kept, connection.cursor() as cursor:
        with _bare(cursor, ours):
            for model in ours:
                columns = [field.column for field in model._meta.concrete_fields if not field.generated]
                listed = ", ".join(f'"{column}"' for column in columns)
                _copied(cursor, model, columns, kept.execute(f"SELECT {listed} FROM {model._meta.db_table}"))
        for statement in connection.ops.sequence_reset_sql(no_style(), ours):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def grow(count: int) -> None:
    """Fill an empty PostgreSQL database with so many leads and whom they need; a million in about a minute."""
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", interactive=False, verbosity=0)
    company = Leads(count, busy=CALLER_ID, first_seller=LEADS.first_seller)
    keys = _keys({CALLER_ID: KEY, company.first_seller: SELLER_KEY})
    tables = [("accounts.User", _people(company)), ("accounts.AccessKey", keys), *_selling(company)]
    with connection.cursor() as cursor:
        with _bare(cursor, [apps.get_model(name) for name, _ in tables]):
            for name, rows in tables:
                model = apps.get_model(name)
                filled = _filled(model, rows)
                first = next(filled)
                lines = (tuple(row.values()) for row in chain([first], filled))
                _copied(cursor, model, list(first), lines)
        cursor.execute("VACUUM ANALYZE")


@contextmanager
def _bare(cursor: Any, models: Sequence[Any]) -> Iterator[None]:
    """These tables without indexes and foreign keys, which are made anew afterwards: a fraction of the time."""
    tables = [model._meta.db_table for model in models]
    cursor.execute(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid = ANY(%s::text[]::regclass[])",
        [tables],
    )
    foreign = cursor.fetchall()
    cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i"
        " WHERE indrelid = ANY(%s::text[]::regclass[])"
        " AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        [tables],
    )
    indexes = cursor.fetchall()
    for table, name, _ in foreign:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    cursor.execute("SET maintenance_work_mem TO '512MB'")
    for _, definition in indexes:
        cursor.execute(definition)
    for table, name, definition in foreign:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _copied(cursor: Any, model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    cursor.execute("SET timezone TO 'UTC'")  # SQLite's moments are UTC texts without an offset
    listed = ", ".join(f'"{column}"' for column in columns)
    with cursor.copy(f"COPY {model._meta.db_table} ({listed}) FROM STDIN") as target:
        for row in rows:
            target.write_row(row)


_TABLES = (
    "accounts.User",
    "accounts.AccessKey",
    "authtoken.Token",
    "fieldservice.Card",
    "fieldservice.Visit",
    "fieldservice.ServiceEntry",
    "fieldservice.Feedback",
    "academy.Pipeline",
    "academy.Stage",
    "academy.Attribute",
    "academy.Lead",
    "academy.Task",
    "academy.Note",
)


def credential() -> str:
    from tandem.accounts.models import User
    from tandem.accounts.tokens import open_session
    from tandem.common import moments

    return open_session(User.objects.get(pk=CALLER_ID), now=moments.now()).access


def main() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.idiomatic.settings"
    django.setup()
    match sys.argv[1:]:
        case ["build"]:
            build()
        case ["copy", source]:
            copy(source)
        case ["grow", count]:
            grow(int(count))
        case ["credential"]:
            print(credential())
        case wrong:
            raise SystemExit(f"bench.company: what is {wrong}?")


if __name__ == "__main__":
    main()
