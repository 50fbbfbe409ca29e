"""The second yardstick, the limit: no framework, one statement per request that looks the key up and writes the JSON.

What no server in Python on this driver and this database can beat by much. It checks nothing of a body, decides nothing
(each visit is `normal`, a lead's stage is what the body says and not kept as history), writes no event and has no ETag,
request id or log line, and only the two filters of leads that are measured.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

_WHOLE_DAY = "day without a time"

# (key, source, kind) of every shown key. v visit, c card, u customer, w worker, e entry, p who did it, f feedback;
# l lead, r responsible, i pipeline, o possible client, b who made it, t task, n note.
_VISIT = [
    ("id", "v.id", ""),
    ("card", "v.card_id", ""),
    ("card_model", "c.model", ""),
    ("customer", "v.customer_id", ""),
    ("customer_name", "c.customer_name", ""),
    ("customer_phone", "u.phone", ""),
    ("description", "v.description", ""),
    ("service_type", "v.service_type", ""),
    ("service_type_reason", "v.service_type_reason", ""),
    ("status", "v.status", ""),
    ("visit_type", "v.visit_type", ""),
    ("preferred_date", "v.preferred_date", ""),
    ("preferred_time", "v.preferred_time", "clock"),
    ("scheduled_at", "v.scheduled_at", _WHOLE_DAY),
    ("assigned_to", "v.assigned_to_id", ""),
    ("assigned_to_name", "w.name", ""),
    ("assigned_to_phone", "w.phone", ""),
    ("requested_by", "v.requested_by_id", ""),
    ("amount_charged", "v.amount_charged", "money"),
    ("next_service_date", "v.next_service_date", ""),
    ("otp_requested_at", "v.otp_requested_at", "moment"),
    ("otp_expires_at", "v.otp_expires_at", "moment"),
    ("completed_at", "v.completed_at", "moment"),
    ("cancelled_at", "v.cancelled_at", "moment"),
    ("cancel_reason", "v.cancel_reason", ""),
    ("created_at", "v.created_at", "moment"),
    ("updated_at", "v.updated_at", "moment"),
]
_ENTRY = [
    ("id", "e.id", ""),
    ("service", "e.visit_id", ""),
    ("performed_by", "e.performed_by_id", ""),
    ("performed_by_name", "p.name", ""),
    ("work_detail", "e.work_detail", ""),
    ("parts_replaced", "e.parts_replaced", "json"),
    ("amount_charged", "e.amount_charged", "money"),
    ("next_service_date", "e.next_service_date", ""),
    ("created_at", "e.created_at", "moment"),
    ("image", "NULL", ""),  # a signed link, of which the benchmark's entries have none
]
_FEEDBACK = [
    ("id", "f.id", ""),
    ("service", "f.visit_id", ""),
    ("customer", "c.customer_id", ""),
    ("customer_name", "c.customer_name", ""),
    ("worker", "v.assigned_to_id", ""),
    ("worker_name", "w.name", ""),
    ("rating", "f.rating", ""),
    ("comments", "f.comments", ""),
    ("created_at", "f.created_at", "moment"),
]
_CARD = [
    ("id", "c.id", ""),
    ("model", "c.model", ""),
    ("customer", "c.customer_id", ""),
    ("customer_name", "c.customer_name", ""),
    ("customer_phone", "u.phone", ""),
    ("card_type", "c.card_type", ""),
    ("region", "c.region", ""),
    ("address", "c.address", ""),
    ("city", "c.city", ""),
    ("postal_code", "c.postal_code", ""),
    ("date_of_installation", "c.date_of_installation", ""),
    ("warranty_start_date", "c.warranty_start_date", ""),
    ("warranty_end_date", "c.warranty_end_date", ""),
    ("amc_start_date", "c.amc_start_date", ""),
    ("amc_end_date", "c.amc_end_date", ""),
    ("is_active", "c.is_active", "flag"),
    ("created_at", "c.created_at", "moment"),
    ("updated_at", "c.updated_at", "moment"),
]
_LEAD = [
    ("id", "l.id", "uuid"),
    ("name", "l.name", ""),
    ("responsible", "l.responsible_id", ""),
    ("responsible_name", "r.name", ""),
    ("pipeline", "l.pipeline_id", "uuid"),
    ("pipeline_name", "i.name", ""),
    ("stage", "l.stage", ""),
    ("possible_client", "l.possible_client_id", "uuid"),
    ("possible_client_name", "o.name", ""),
    ("moodle_course_id", "nullif(l.moodle_course_id, '')", ""),
    ("converted_to", "l.converted_to_id", "uuid"),
    ("converted_seat", "l.converted_seat_id", "uuid"),
    ("attributes", "l.attributes", "json"),
    ("list_of_images", "l.images", "json"),  # signed links, of which the benchmark's leads have none
    ("created_by", "l.created_by_id", ""),
    ("created_by_name", "b.name", ""),
    ("created_at", "l.created_at", "moment"),
    ("updated_at", "l.updated_at", "moment"),
]
_TASK = [
    ("id", "t.id", "uuid"),
    ("task", "t.task", ""),
    ("date", "t.date", ""),
    ("completed", "t.completed", "flag"),
    ("date_created", "t.date_created", "moment"),
    ("user_id", "t.user_id", ""),
    ("user_name", "p.name", ""),
]
_NOTE = [
    ("id", "n.id", "uuid"),
    ("note", "n.note", ""),
    ("date", "n.date", "moment"),
    ("date_created", "n.date_created", "moment"),
    ("user_id", "n.user_id", ""),
    ("user_name", "p.name", ""),
]
_OF_VISIT = """fieldservice_visit v JOIN fieldservice_card c ON c.id = v.card_id
    JOIN accounts_user u ON u.id = v.customer_id LEFT JOIN accounts_user w ON w.id = v.assigned_to_id"""
_OF_CARD = "fieldservice_card c JOIN accounts_user u ON u.id = c.customer_id"
_OF_ENTRY = "fieldservice_serviceentry e JOIN accounts_user p ON p.id = e.performed_by_id"
_OF_LEAD = """academy_lead l LEFT JOIN accounts_user r ON r.id = l.responsible_id
    LEFT JOIN academy_pipeline i ON i.id = l.pipeline_id LEFT JOIN academy_client o ON o.id = l.possible_client_id
    LEFT JOIN accounts_user b ON b.id = l.created_by_id"""
_JOINED_TO_LEAD = {
    "r": "accounts_user r WHERE r.id = {}.responsible_id",
    # Behind RETURNING SQLite forgets that the column is text, and compares ids of nothing but digits as numbers.
    "i": "academy_pipeline i WHERE i.id = CAST({}.pipeline_id AS TEXT)",
    "o": "academy_client o WHERE o.id = CAST({}.possible_client_id AS TEXT)",
    "b": "accounts_user b WHERE b.id = {}.created_by_id",
}
_KNOWN = """EXISTS (SELECT 1 FROM accounts_accesskey k JOIN accounts_user a ON a.id = k.user_id
    WHERE k.digest = {} AND a.is_active AND a.role = 'admin')"""
_FREE_VISITS = """SELECT max(coalesce(g.completed_on, g.day)) FROM fieldservice_visit g
    WHERE g.card_id = c.id AND g.service_type = 'free' AND g.status <> 'cancelled'"""

_BOOKED = "card_id, customer_id, description, preferred_date, requested_by_id, created_at, updated_at"
# The columns that must not be null, with what Tandem's model puts there.
_VISIT_DEFAULTS = {
    "service_type": "'normal'",
    "service_type_reason": "''",
    "service_type_forced": "false",
    "status": "'pending'",
    "visit_type": "'onsite'",
    "scheduled_has_time": "false",
    "amount_charged": "0",
    "cancel_reason": "''",
    "otp_hash": "''",
    "otp_tries": "0",
    "otp_codes_on_day": "0",
    "otp_guesses_on_day": "0",
}
_LEAD_COLUMNS = "id, name, pipeline_id, stage, responsible_id, attributes, moodle_course_id, images, created_by_id"
_CARD_BODY = ("model", "region", "address", "city", "postal_code", "date_of_installation", "warranty_start_date")
_CARD_BODY += ("warranty_end_date",)


class Dialect:
    """What differs between the two databases; `statements` puts the rest together."""

    mark: str

    def value(self, source: str, kind: str) -> str:
        raise NotImplementedError

    def row(self, pairs: Iterable[tuple[str, str]]) -> str:
        raise NotImplementedError

    def array(self, select: str, order: str) -> str:
        raise NotImplementedError

    def text(self, json: str) -> str:
        return json

    def has_attribute(self, name: str) -> str:
        """Whether a lead has the value of the parameter."""
        raise NotImplementedError

    def has_attribute_value(self, name: str, value: str) -> str:
        """The parameter for it."""
        raise NotImplementedError

    def later(self, day: str) -> str:
        """Three months after a day that lies on the 1st to 28th."""
        raise NotImplementedError

    greatest: str
    today: str

    def keys(self, shown: Iterable[tuple[str, str, str]]) -> list[tuple[str, str]]:
        return [(key, self.value(source, kind)) for key, source, kind in shown]

    def statements(self) -> dict[str, str]:
        mark, known = self.mark, _KNOWN.format(self.mark)
        entries = self.array(
            f"SELECT {self.row(self.keys(_ENTRY))} AS x FROM {_OF_ENTRY} WHERE e.visit_id = v.id", "e.id"
        )
        feedback = f"(SELECT {self.row(self.keys(_FEEDBACK))} FROM fieldservice_feedback f WHERE f.visit_id = v.id)"
        visit = self.keys(_VISIT)
        visit_of_card = self.row([*visit, ("entries", entries)])
        newest = self.array(
            f"SELECT {visit_of_card} AS x FROM fieldservice_visit v"
            " LEFT JOIN accounts_user w ON w.id = v.assigned_to_id WHERE v.card_id = c.id",
            "v.created_at DESC, v.id DESC LIMIT 20",
        )
        visits = self.array(
            f"SELECT {self.row(visit)} AS x FROM {_OF_VISIT} WHERE {known}",
            "v.schedule_key, v.created_at, v.id LIMIT 50",
        )
        cards = self.array(
            f"SELECT {self.row(self.keys(_CARD))} AS x FROM {_OF_CARD} WHERE c.deleted_at IS NULL AND {known}",
            "c.id LIMIT 50",
        )
        free_again = f"coalesce({self.later(f'({_FREE_VISITS})')}, c.warranty_start_date)"
        next_free = f"{self.greatest}({self.today}, c.warranty_start_date, {free_again})"
        card_detail = [
            *self.keys(_CARD),
            ("services_url", "'/api/crm/services/?card=' || c.id"),
            ("services", newest),
            ("next_free_service_date", next_free),
        ]
        visit_detail = self.row([*visit, ("entries", entries), ("feedback", feedback)])
        lead = self.row([*self.keys(_LEAD), *self.items_of_lead()])
        leads = self.array(
            f"SELECT {lead} AS x FROM {_OF_LEAD} WHERE l.deleted_at IS NULL AND lower(l.stage) = lower({mark})"
            f" AND {self.has_attribute('city')} AND {known}",
            "l.created_at DESC, l.id DESC LIMIT 50",
        )
        return {
            "lead": f"SELECT {self.text(lead)} FROM {_OF_LEAD}"
            f" WHERE l.id = {mark} AND l.deleted_at IS NULL AND {known}",
            "leads": f"SELECT {self.text(leads)}",
            "enter": self.entering(known),
            "visit": f"SELECT {self.text(visit_detail)} FROM {_OF_VISIT} WHERE v.id = {mark} AND {known}",
            "visits": f"SELECT {self.text(visits)}",
            "card": f"SELECT {self.text(self.row(card_detail))} FROM {_OF_CARD}"
            f" WHERE c.id = {mark} AND c.deleted_at IS NULL AND {known}",
            "cards": f"SELECT {self.text(cards)}",
            "book": self.booking(
                f"{_BOOKED}, {', '.join(_VISIT_DEFAULTS)}", ", ".join(_VISIT_DEFAULTS.values()), known
            ),
            "register": self.registering(
                f"{', '.join(_CARD_BODY)}, customer_id, customer_name, card_type, is_active, created_at, updated_at",
                ", ".join([mark] * len(_CARD_BODY)),
                known,
            ),
        }

    def items_of_lead(self) -> list[tuple[str, str]]:
        def listed(table: str, one: str, keys: Any) -> str:
            of_lead = f"{table} {one} LEFT JOIN accounts_user p ON p.id = {one}.user_id WHERE {one}.record = l.id"
            return self.array(f"SELECT {self.row(self.keys(keys))} AS x FROM {of_lead}", f"{one}.position, {one}.id")

        return [
            ("list_of_tasks", listed("academy_task", "t", _TASK)),
            ("list_of_notes", listed("academy_note", "n", _NOTE)),
        ]

    def entering(self, known: str) -> str:
        raise NotImplementedError

    def booking(self, columns: str, defaults: str, known: str) -> str:
        raise NotImplementedError

    def registering(self, columns: str, given: str, known: str) -> str:
        raise NotImplementedError


class PostgreSql(Dialect):
    mark = "%s"
    greatest, today = "greatest", "(now() AT TIME ZONE 'Asia/Kolkata')::date"

    def __init__(self, url: str) -> None:
        import psycopg

        self.connection = psycopg.connect(url, autocommit=True)
        # The plan for any city sorts all leads of one; the limit may know that ours is a common one.
        self.connection.execute("SET enable_bitmapscan TO off")
        self.cursor = self.connection.cursor(binary=False)

    def run(self, statement: str, parameters: Any, *, writes: bool = False) -> Any:
        return self.cursor.execute(statement, parameters, prepare=True).fetchone()

    def value(self, source: str, kind: str) -> str:
        utc = f"to_char({source} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        return {
            "moment": utc,
            "clock": f"to_char({source}, 'HH24:MI')",
            "money": f"{source}::text",
            _WHOLE_DAY: f"CASE WHEN v.scheduled_has_time THEN {utc} ELSE v.scheduled_on::text END",
        }.get(kind, source)

    def row(self, pairs: Iterable[tuple[str, str]]) -> str:
        listed = ", ".join(f'{value} AS "{key}"' for key, value in pairs)
        return f"(SELECT row_to_json(r) FROM (SELECT {listed}) r)"

    def array(self, select: str, order: str) -> str:
        return f"(SELECT coalesce(json_agg(x), '[]'::json) FROM ({select} ORDER BY {order}) rows)"

    def text(self, json: str) -> str:
        return f"{json}::text"

    def has_attribute(self, name: str) -> str:
        return "l.attributes @> %s::jsonb"

    def has_attribute_value(self, name: str, value: str) -> str:
        return json.dumps({name: value})

    def later(self, day: str) -> str:
        return f"({day} + interval '3 months')::date"

    def entering(self, known: str) -> str:
        return f"""WITH l AS (INSERT INTO academy_lead ({_LEAD_COLUMNS}, created_at, updated_at)
            SELECT %s::uuid, %s, %s::uuid, %s, %s::bigint, %s::jsonb, '', '[]', 1, now(), now()
            WHERE {known} RETURNING *)
            SELECT {self.text(self.row([*self.keys(_LEAD), *self.items_of_lead()]))}
            FROM {_OF_LEAD.replace("academy_lead l", "l")}"""

    def booking(self, columns: str, defaults: str, known: str) -> str:
        return f"""WITH v AS (INSERT INTO fieldservice_visit ({columns})
            SELECT c.id, c.customer_id, %s, %s::date, 1, now(), now(), {defaults} FROM fieldservice_card c
            WHERE c.id = %s AND c.deleted_at IS NULL AND {known} RETURNING *)
            SELECT {self.text(self.row(self.keys(_VISIT)))} FROM {_OF_VISIT.replace("fieldservice_visit v", "v")}"""

    def registering(self, columns: str, given: str, known: str) -> str:
        typed = ", ".join("%s::date" if name.endswith(("date", "installation")) else "%s" for name in _CARD_BODY)
        return f"""WITH c AS (INSERT INTO fieldservice_card ({columns})
            SELECT {typed}, o.id, o.name, 'normal', true, now(), now() FROM accounts_user o
            WHERE o.id = %s AND o.role = 'customer' AND {known} RETURNING *)
            SELECT {self.text(self.row(self.keys(_CARD)))} FROM {_OF_CARD.replace("fieldservice_card c", "c")}"""


class Sqlite(Dialect):
    mark = "?"
    greatest, today = "max", "date('now', '+330 minutes')"

    def __init__(self, file: str) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None, timeout=20, check_same_thread=False)
        self.connection.executescript("PRAGMA synchronous=FULL; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;")
        self.turn = os.open(f"{file}.writelock", os.O_RDWR | os.O_CREAT, 0o644)

    def run(self, statement: str, parameters: Any, *, writes: bool = False) -> Any:
        if not writes:
            return self.connection.execute(statement, parameters).fetchone()
        # Writers queue up as Tandem's do; SQLite's own way, to sleep and try again, is slower for everybody.
        fcntl.flock(self.turn, fcntl.LOCK_EX)
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            made = self.connection.execute(statement, parameters).fetchone()
            self.connection.execute("COMMIT")
            return made
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
            raise
        finally:
            fcntl.flock(self.turn, fcntl.LOCK_UN)

    def value(self, source: str, kind: str) -> str:
        utc = f"strftime('%Y-%m-%dT%H:%M:%SZ', {source})"
        return {
            "moment": utc,
            "clock": f"substr({source}, 1, 5)",
            "money": f"printf('%.2f', {source})",
            "json": f"json({source})",
            "flag": f"json(iif({source}, 'true', 'false'))",
            "uuid": f"substr({source}, 1, 8) || '-' || substr({source}, 9, 4) || '-' || substr({source}, 13, 4) || '-'"
            f" || substr({source}, 17, 4) || '-' || substr({source}, 21)",
            _WHOLE_DAY: f"iif(v.scheduled_has_time, {utc}, v.scheduled_on)",
        }.get(kind, source)

    def row(self, pairs: Iterable[tuple[str, str]]) -> str:
        return f"json_object({', '.join(f'{key!r}, {value}' for key, value in pairs)})"

    def array(self, select: str, order: str) -> str:
        return f"(SELECT json_group_array(json(x)) FROM ({select} ORDER BY {order}))"

    def has_attribute(self, name: str) -> str:
        return f"json_extract(l.attributes, '$.{name}') = ?"

    def has_attribute_value(self, name: str, value: str) -> str:
        return value

    def later(self, day: str) -> str:
        return f"date({day}, '+3 months')"

    def entering(self, known: str) -> str:
        table, shown = "academy_lead", []
        for key, source, kind in _LEAD:
            value, joined = self.value(source, kind), _JOINED_TO_LEAD.get(source[0])
            of_lead = value.replace("l.", f"{table}.")
            shown.append((key, f"(SELECT {value} FROM {joined.format(table)})" if joined else of_lead))
        empty = [("list_of_tasks", "json('[]')"), ("list_of_notes", "json('[]')")]
        return f"""INSERT INTO {table} ({_LEAD_COLUMNS}, created_at, updated_at)
            SELECT ?, ?, ?, ?, ?, ?, '', '[]', 1, ?, ? WHERE {known} RETURNING {self.row([*shown, *empty])}"""

    def booking(self, columns: str, defaults: str, known: str) -> str:
        table, shown = "fieldservice_visit", []
        for key, source, kind in _VISIT:
            value = self.value(source, kind)
            of_card = f"(SELECT {value} FROM {_OF_CARD} WHERE c.id = {table}.card_id)"
            shown.append(
                (
                    key,
                    of_card if source[0] in "cu" else "NULL" if source[0] == "w" else value.replace("v.", f"{table}."),
                )
            )
        return f"""INSERT INTO {table} ({columns})
            SELECT c.id, c.customer_id, ?, ?, 1, ?, ?, {defaults} FROM fieldservice_card c
            WHERE c.id = ? AND c.deleted_at IS NULL AND {known} RETURNING {self.row(shown)}"""

    def registering(self, columns: str, given: str, known: str) -> str:
        table, shown = "fieldservice_card", []
        for key, source, kind in _CARD:
            value = self.value(source, kind)
            customer = f"(SELECT {value} FROM accounts_user u WHERE u.id = {table}.customer_id)"
            shown.append((key, customer if source[0] == "u" else value.replace("c.", f"{table}.")))
        return f"""INSERT INTO {table} ({columns})
            SELECT {given}, o.id, o.name, 'normal', 1, ?, ? FROM accounts_user o
            WHERE o.id = ? AND o.role = 'customer' AND {known} RETURNING {self.row(shown)}"""


def _made() -> Callable[[dict[str, Any], Any], Any]:
    url = os.environ.get("DATABASE_URL", "")
    database: Any = PostgreSql(url) if url else Sqlite(os.path.join(os.environ["TANDEM_DATA_DIR"], "tandem.sqlite3"))
    sql = database.statements()

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        digest = hashlib.sha256(environ.get("HTTP_AUTHORIZATION", "")[6:].encode()).hexdigest()
        name, pk, *_ = environ["PATH_INFO"].removeprefix("/api/").removeprefix("crm/").split("/")
        one = {"services": "visit", "cards": "card", "leads": "lead"}[name]
        status = "200 OK"
        if environ["REQUEST_METHOD"] == "POST":
            body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            now = [] if url else [datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")] * 2
            if one == "visit":
                given = [body.get("description", ""), body["preferred_date"], *now, body["card"], digest]
                row = database.run(sql["book"], given, writes=True)
            elif one == "lead":
                given = [uuid4().hex, body["name"], body["pipeline"].replace("-", ""), body["stage"]]
                given += [body["responsible"], json.dumps(body["attributes"]), *now, digest]
                row = database.run(sql["enter"], given, writes=True)
            else:
                given = [*(body[key] for key in _CARD_BODY), *now, body["customer"], digest]
                row = database.run(sql["register"], given, writes=True)
            status = "201 Created"
        elif pk:
            row = database.run(sql[one], (pk.replace("-", "") if one == "lead" else int(pk), digest))
        elif one == "lead":
            asked = parse_qs(environ["QUERY_STRING"])
            city = database.has_attribute_value("city", asked["attributes.city"][0])
            row = database.run(sql["leads"], (asked["stage"][0], city, digest))
        else:
            row = database.run(sql[f"{one}s"], (digest,))
        if row is None:
            start_response("404 Not Found", [("Content-Type", "application/json"), ("Content-Length", "0")])
            return [b""]
        content = row[0].encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]

    return answer


application = _made()
