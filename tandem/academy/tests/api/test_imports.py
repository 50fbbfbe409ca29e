"""/api/{clients,services,leads}/import/ and /export/, and the jobs of large imports."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from openpyxl import Workbook, load_workbook

from tandem.academy.api import exports, imports
from tandem.academy.models import Client, Entity, Lead, Note, Pipeline, Stage, StageChange, Student, Task
from tandem.academy.tests.api.test_clients import attribute, member
from tandem.academy.tests.api.test_files import picture
from tandem.academy.tests.leads import client, lead
from tandem.common import moments, queue
from tandem.config.worker import do_import, turns
from tandem.events.models import Event
from tandem.jobs import runner
from tandem.jobs.models import Job
from tests.cast import ANONYMOUS, Api, as_, newcomer, person
from tests.database import everything

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]
URL = "/api/clients/"


def as_csv(rows: list[list[Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode()


def as_xlsx(rows: list[list[Any]]) -> bytes:
    book, written = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(written)
    return written.getvalue()


def send(api: Api, content: bytes, kind: str = "clients", **fields: Any) -> Any:
    return api.upload(f"/api/{kind}/import/", {"file": SimpleUploadedFile("table.bin", content), **fields})


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def work() -> int:
    """What the worker does in one round."""
    return sum(turn() for turn in [*turns(), do_import])


def hashes() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in (Client, Student, Lead, Task, Note, Event)}


EVERY_TYPE = {
    "a_text": (
        "text",
        ["=1+1", "'=x", "007", " spaced ", "+919876543210", "-", 'Zoë, "Q"', "line\r\nbreak", "_x000B_"],
    ),
    "a_textarea": ("textarea", ["multi\nline", "@SUM(A1)", "''", "\x0b", "TRUE", "1.0", "[1]", "＝x", "\ttab"]),
    "a_number": ("number", [25, -3, 2.5, 0, 1e-7, 123456789012345, -0.1, 1, 2]),
    "a_date": ("date", ["2025-01-31"] * 9),
    "a_boolean": ("boolean", [True, False] * 4 + [True]),
    "a_list": ("list", ["gold", ["gold", "a,b;c"], "[odd", '"odd', ["silver"], "a,b;c", "gold", "=g", ["=g", "[odd"]]),
    "a_file": ("file", [None] * 9),  # the test uploads one
}


def define_every_type(entity: str) -> None:
    for name, (type, _) in EVERY_TYPE.items():
        options = ["gold", "silver", "a,b;c", "[odd", '"odd', "=g"] if type == "list" else []
        attribute(name, type, entity=entity, label=name.replace("_", " ").title(), list_values=options)


class TestRoundTrip:
    @pytest.mark.parametrize("format", ["csv", "xlsx"])
    @pytest.mark.parametrize("kind", ["clients", "services", "leads"])
    def test_export_and_import_lose_nothing(self, kind: str, format: str) -> None:
        asha = as_("asha")
        entity = {"clients": Entity.CLIENT, "services": Entity.STUDENT, "leads": Entity.LEAD}[kind]
        define_every_type(entity.value)
        owner = asha.post(URL, {"name": "=Owner"}).json()
        pipeline = asha.post("/api/pipelines/", {"name": "Sales", "stages": [{"name": "New"}, {"name": "Won"}]}).json()
        own: dict[str, Any] = {"clients": {}, "services": {"client": owner["id"]}}.get(
            kind,
            {
                "responsible": person("omar").pk,
                "pipeline": pipeline["id"],
                "stage": "Won",
                "possible_client": owner["id"],
                "moodle_course_id": "007",
            },
        )
        keeper = client("Keeper") if kind == "leads" else lead("Keeper")
        url = asha.upload(f"{URL if kind == 'leads' else '/api/leads/'}{keeper.pk}/files/", {"file": picture()})
        a_file = {"a_file": url.json()["url"]}
        for n in range(9):
            made = asha.post(
                f"/api/{kind}/",
                {
                    "name": ["=cmd()", "Plain", "'quoted"][n % 3] + str(n),
                    "attributes": {name: values[n] for name, (_, values) in EVERY_TYPE.items()} | a_file,
                    "list_of_tasks": [{"task": f"Call {n}", "date": "2025-01-20", "completed": True}, {"task": "=x"}],
                    "list_of_notes": [{"note": "Hello,\nworld", "date": "2025-01-20T10:00:00Z"}],
                    **own,
                },
            )
            assert made.status_code == 201, made.content
        asha.post(f"/api/{kind}/", {"name": "Bare", **({"client": owner["id"]} if kind == "services" else {})})
        before = shown(asha, kind)
        file = body_of(asha.get(f"/api/{kind}/export/?format={format}"))

        again = send(asha, file, kind)
        assert again.json() == {**again.json(), "rows": len(before), "updated": len(before), "created": 0, "failed": 0}
        assert again.json()["ignored_columns"] == []
        assert [{**row, "updated_at": ""} for row in shown(asha, kind)] == [{**row, "updated_at": ""} for row in before]

        StageChange.objects.exclude(lead=keeper.pk).delete()
        for model in (Task, Note, Lead, Student):
            model._default_manager.exclude(pk=keeper.pk).delete()
        if kind == "clients":
            Client.objects.all().delete()
        fresh = send(asha, file, kind)
        assert (fresh.status_code, fresh.json()["created"]) == (200, len(before)), fresh.content
        assert sorted(map(comparable, shown(asha, kind))) == sorted(map(comparable, before))


def shown(api: Api, kind: str) -> list[Any]:
    return api.get(f"/api/{kind}/").json()


def comparable(record: dict[str, Any]) -> str:
    """What a record says, without what is made anew with it."""
    items = ("list_of_tasks", "list_of_notes")
    fresh = ("id", "created_at", "updated_at", "date_created")
    kept = {key: value for key, value in record.items() if key not in (*fresh, *items)}
    lists = {
        key: [{name: value for name, value in item.items() if name not in fresh} for item in record[key]]
        for key in items
    }
    return json.dumps({**kept, **lists}, sort_keys=True)


class TestImport:
    @pytest.mark.parametrize("make", [as_csv, as_xlsx, lambda rows: b"\xef\xbb\xbf" + as_csv(rows, ";")])
    def test_headers_may_be_keys_names_or_labels_in_any_case(self, make: Any) -> None:
        attribute("company_size", "number", label="Company Size")
        attribute("tier", "list", label="Tier", list_values=["gold"])
        content = make([["NAME", "company  size", "attributes.tier", "Colour"], ["Acme", "25", "gold", "red"], ["B"]])
        answer = send(member("Sales"), content)
        assert answer.json() == {
            "rows": 2,
            "created": 2,
            "updated": 0,
            "failed": 0,
            "errors": [],
            "ignored_columns": ["Colour"],
            "dry_run": False,
            "partial": False,
            "job": None,
        }
        acme = Client.objects.get(name="Acme")
        assert acme.attributes == {"company_size": 25, "tier": "gold"}
        assert Event.objects.filter(type="client.created").count() == 2

    def test_a_header_that_two_attributes_are_called_by_is_not_dropped(self) -> None:
        attribute("home", label="Phone")
        attribute("work", label="PHONE")
        asha = as_("asha")
        before = everything()
        answer = send(asha, as_csv([["name", "phone"], ["Acme", "98765 43210"]]))
        why = "is the label of attributes.home, attributes.work. Name the column by the key that is meant."
        assert (answer.status_code, answer.json()) == (400, {"file": [f'"phone" {why}']})
        content = as_csv([["name", "Tel"], ["Acme", "98765 43210"]])
        answer = send(asha, content, mapping='{"Tel": "Phone"}')
        assert (answer.status_code, answer.json()) == (400, {"mapping": [f'"Phone" {why}']})
        assert everything() == before

    def test_a_header_that_two_attributes_are_called_by_may_be_told(self) -> None:
        attribute("home", label="Phone")
        attribute("work", label="Phone")
        content = as_csv([["name", "Phone"], ["Acme", "98765 43210"]])
        assert send(as_("asha"), content, mapping='{"Phone": null}').status_code == 200
        assert send(as_("asha"), content, mapping='{"Phone": "attributes.work"}').status_code == 200
        assert [row["attributes"] for row in as_("asha").get(URL).json()] == [{"work": "98765 43210"}, {}]

    def test_a_name_wins_over_the_label_of_another(self) -> None:
        attribute("work", label="Home")
        attribute("home", label="Work")
        attribute("other", label="work")
        answer = send(as_("asha"), as_csv([["name", "Work", "Home"], ["Acme", "1", "2"]]))
        assert answer.status_code == 200, answer.content
        assert Client.objects.get().attributes == {"work": "1", "home": "2"}

    def test_a_mapping_says_what_other_headers_mean(self) -> None:
        attribute("size", "number")
        content = as_csv([["Firma", "Größe", "size"], ["Acme", "7", "9"]])
        mapping = json.dumps({"firma": "name", "Größe": "attributes.size", "size": None})
        assert send(as_("asha"), content, mapping=mapping).json()["created"] == 1
        assert Client.objects.get().attributes == {"size": 7}

    @pytest.mark.parametrize(
        ("mapping", "field"),
        [
            ('{"Firma": "no_such_field"}', "mapping"),
            ('{"No such header": "name"}', "mapping"),
            ('["name"]', "mapping"),
            ("{", "mapping"),
            ('{"Firma": "name", "Other": "name"}', "file"),
        ],
    )
    def test_a_wrong_mapping_is_refused(self, mapping: str, field: str) -> None:
        answer = send(as_("asha"), as_csv([["Firma", "Other"], ["Acme", "B"]]), mapping=mapping)
        assert (answer.status_code, list(answer.json())) == (400, [field])
        assert not Client.objects.exists()

    def rows_with_errors(self) -> bytes:
        attribute("size", "number")
        return as_csv([["id", "name", "size"], ["", "Good", "1"], ["", "", "2"], [], ["x", "C", ""], ["", "D", "many"]])

    errors = [
        {"row": 3, "errors": {"name": ["This cell is empty, and a value is needed."]}},
        {"row": 5, "errors": {"id": ["Must be a valid UUID."]}},
        {"row": 6, "errors": {"attributes": {"size": ["This must be a number."]}}},
    ]

    def test_one_wrong_row_stops_all(self) -> None:
        content, before = self.rows_with_errors(), hashes()
        answer = send(as_("asha"), content)
        assert answer.status_code == 400
        assert answer.json() == {
            "detail": imports.RowsRefused.message,
            "code": "rows_refused",
            "rows": 4,
            "created": 0,
            "updated": 0,
            "failed": 3,
            "errors": self.errors,
            "ignored_columns": [],
            "dry_run": False,
            "partial": False,
            "job": None,
        }
        assert hashes() == before

    def test_partial_stores_the_good_rows(self) -> None:
        answer = send(as_("asha"), self.rows_with_errors(), partial="true")
        assert (answer.status_code, answer.json()["created"], answer.json()["errors"]) == (200, 1, self.errors)
        assert [client.name for client in Client.objects.all()] == ["Good"]

    def test_a_dry_run_tells_the_same_and_writes_nothing(self) -> None:
        content, before = self.rows_with_errors(), hashes()
        answer = send(as_("asha"), content, dry_run="true")
        assert (answer.status_code, answer.json()["created"], answer.json()["errors"]) == (200, 1, self.errors)
        assert hashes() == before

    @pytest.mark.parametrize(
        "make", [as_csv, lambda rows: as_csv(rows, ";"), as_xlsx], ids=["CSV", "semicolons", "XLSX"]
    )
    def test_a_row_with_more_cells_than_the_header_is_wrong(self, make: Any) -> None:
        rows = [["name", "stage"], ["A", "New"], ["B", "New", "x"], ["C"], ["D", "New", "", "y", "", 7, ""]]
        answer = send(as_("asha"), make(rows), "leads", partial="true").json()
        says = "This row has {} more than the header, which names 2."
        assert [(one["row"], list(one["errors"])) for one in answer["errors"]] == [
            (n, ["non_field_errors"]) for n in (3, 5)
        ]
        for one, cells in zip(answer["errors"], ("1 cell", "4 cells"), strict=True):
            assert one["errors"]["non_field_errors"][0].startswith(says.format(cells))
        assert sorted(Lead.objects.values_list("name", flat=True)) == ["A", "C"]

    def test_empty_cells_behind_the_last_header_are_no_error(self) -> None:
        content = b"name,stage,,\r\nA,New,,\r\nB,New,, ,,\r\nC,,,\r\n"
        assert send(as_("asha"), content, "leads").json()["created"] == 3
        refused = send(as_("asha"), b"name,,\nA,,\nB,,x\n").json()
        assert [one["row"] for one in refused["errors"]] == [3], "a column without a header is no column"

    def test_an_id_changes_that_record_and_absent_columns_stay(self) -> None:
        attribute("size", "number")
        asha = as_("asha")
        made = asha.post(URL, {"name": "Old", "attributes": {"size": 3}, "list_of_tasks": [{"task": "Call"}]}).json()
        answer = send(asha, as_csv([["id", "name"], [made["id"].upper(), "New"], [str(uuid4()), "Other"]]))
        assert (answer.json()["updated"], answer.json()["created"]) == (1, 1)
        assert asha.get(f"{URL}{made['id']}/").json() == {
            **made,
            "name": "New",
            "updated_at": asha.get(f"{URL}{made['id']}/").json()["updated_at"],
        }

    def test_a_deleted_record_is_not_changed(self) -> None:
        asha = as_("asha")
        made = asha.post(URL, {"name": "Old"}).json()
        asha.delete(f"{URL}{made['id']}/")
        answer = send(asha, as_csv([["id", "name"], [made["id"], "New"]]))
        assert list(answer.json()["errors"][0]["errors"]) == ["id"]

    def test_names_stand_for_ids(self) -> None:
        asha = as_("asha")
        one, two, three = (asha.post(URL, {"name": name}).json()["id"] for name in ("Acme", "Twin", "Twin"))
        rows = [["name", "client", "client_name"], ["A", "", "Acme"], ["B", two, "Twin"]]
        assert send(asha, as_csv(rows), "services").json()["created"] == 2
        assert {str(student.client_id) for student in Student.objects.all()} == {one, two}
        wrong = send(
            asha,
            as_csv([rows[0], ["C", "", "Twin"], ["D", "", "Nobody"], ["E", three, "Acme"], ["F", "", ""]]),
            "services",
        ).json()["errors"]
        assert [list(error["errors"]) for error in wrong] == [["client_name"], ["client_name"], ["client"], ["client"]]

    def test_leads_know_people_and_pipelines_by_name(self) -> None:
        asha, omar = as_("asha"), person("omar")
        asha.post("/api/pipelines/", {"name": "Sales", "stages": [{"name": "New"}, {"name": "Won"}]})
        rows = [["name", "responsible_username", "pipeline_name", "stage"], ["A", "OMAR", "sales", "won"]]
        assert send(asha, as_csv(rows), "leads").json()["created"] == 1
        lead = Lead.objects.get()
        assert (lead.responsible, lead.pipeline, lead.stage) == (omar, Pipeline.objects.get(), "Won")
        assert StageChange.objects.count() == 1
        bad = send(asha, as_csv([rows[0], ["B", "omar", "sales", "Lost"], ["C", "chitra?", "", ""]]), "leads").json()
        assert [list(error["errors"]) for error in bad["errors"]] == [["stage"], ["responsible_username"]]
        assert Stage.objects.count() == 2

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\n\n",
            b"\x89PNG\r\n\x1a\n\x00\x00",
            b'name\n"open',
            b"PK\x03\x04 no archive",
            as_csv([["name"]]) + b"x" * (10 * 1024 * 1024),
            as_csv([[f"c{n}" for n in range(301)], ["x"]]),
            as_csv([["name", "Name"], ["a", "b"]]),
        ],
        ids=["empty", "blank", "picture", "open quote", "half XLSX", "11 MB", "301 columns", "twice"],
    )
    def test_what_is_no_table_is_refused(self, content: bytes) -> None:
        answer = send(as_("asha"), content)
        assert (answer.status_code, list(answer.json())) == (400, ["file"])

    def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(self) -> None:
        written = io.BytesIO()
        good = zipfile.ZipFile(io.BytesIO(as_xlsx([["name"], ["A"]])))
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as bomb:
            for part in good.namelist():
                bomb.writestr(part, good.read(part))
            with bomb.open("xl/media/x.xml", "w") as entry:
                for _ in range(210):
                    entry.write(b"\0" * 1024 * 1024)
        assert len(written.getvalue()) < 1024 * 1024
        answer = send(as_("asha"), written.getvalue())
        assert answer.status_code == 400
        assert "once it is unpacked" in answer.json()["file"][0]

    def test_rights(self) -> None:
        content = as_csv([["name"], ["Acme"]])
        assert send(ANONYMOUS, content).status_code == 401
        for api in (member("Management"), as_("chitra"), as_("wasim")):
            assert send(api, content).status_code == 403
        sales = member("Sales")
        assert send(sales, content, "services").status_code == 403
        assert sales.get("/api/clients/export/").status_code == 200
        assert as_("wasim").get("/api/clients/export/").status_code == 403
        assert not Client.objects.exclude(name="Acme").exists()

    def test_to_change_needs_the_right_to_change(self) -> None:
        adder = newcomer("Adder", role="office")
        adder.user_permissions.add(Permission.objects.get(codename="add_client"))
        made = as_("asha").post(URL, {"name": "Old"}).json()
        answer = send(Api(adder), as_csv([["id", "name"], [made["id"], "New"], ["", "Fresh"]]), partial="true").json()
        assert (answer["created"], [list(one["errors"]) for one in answer["errors"]]) == (1, [["id"]])
        assert Client.objects.get(pk=made["id"]).name == "Old"


class TestExport:
    def test_the_columns_and_a_row(self) -> None:
        attribute("size", "number")
        asha = as_("asha")
        made = asha.post(URL, {"name": "=Acme", "attributes": {"size": 2}}).json()
        answer = asha.get(f"{URL}export/")
        assert answer["Content-Disposition"] == f'attachment; filename="clients-{moments.today()}.csv"'
        by, at = made["created_by"], made["created_at"]
        assert body_of(answer).decode() == (
            "id,name,attributes.size,list_of_tasks,list_of_notes,created_by,created_by_name,created_at,updated_at\r\n"
            f"{made['id']},'=Acme,2,,,{by},Asha,{at},{at}\r\n"
        )

    def test_filters_are_those_of_the_list(self) -> None:
        attribute("size", "number")
        asha = as_("asha")
        for name, size in (("A", 1), ("B", 2)):
            asha.post(URL, {"name": name, "attributes": {"size": size}})
        for query, names in {"name=a": ["A"], "attributes.size=2": ["B"], "page_size=1&cursor=x": ["B", "A"]}.items():
            table = csv.DictReader(io.StringIO(body_of(asha.get(f"{URL}export/?{query}")).decode()))
            assert [row["name"] for row in table] == names
        assert asha.get(f"{URL}export/?attributes.size=x").status_code == 400
        assert asha.get(f"{URL}export/?format=pdf").json() == {"format": ["Choose one of: csv, xlsx."]}

    def test_more_rows_than_one_query_reads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exports, "_AT_ONCE", 2)
        asha = as_("asha")
        for n in range(5):
            asha.post(URL, {"name": str(n)})
        book = load_workbook(io.BytesIO(body_of(asha.get(f"{URL}export/?%3Fformat=+xlsx"))), read_only=True)
        names = [row[1] for row in book.worksheets[0].iter_rows(values_only=True)]
        assert names == ["name", "4", "3", "2", "1", "0"]

    def test_a_text_that_xlsx_cannot_hold_is_told(self) -> None:
        asha = as_("asha")
        asha.post(URL, {"name": "A", "list_of_notes": [{"note": "x" * 19_000}] * 2})
        answer = asha.get(f"{URL}export/?format=xlsx")
        assert (answer.status_code, answer.json()["code"]) == (422, "cell_too_long")
        assert asha.get(f"{URL}export/?format=csv").status_code == 200


def many(rows: int, *, bad: tuple[int, ...] = ()) -> bytes:
    return as_csv([["name"], *([("" if n in bad else f"Client {n}")] for n in range(rows))]).replace(b'""', b" ")


class Killed(BaseException):
    pass


def dying_in_batch(which: int, *, error: type[BaseException] = Killed) -> type[imports.Rows]:
    """Takes rows as the product does, until in the middle of writing this batch."""

    class Dying(imports.Rows):
        written = 0

        def write(self, drafts: Any, *, keep: bool) -> Any:
            outcomes = super().write(drafts, keep=keep)
            self.written += keep
            if self.written == which:
                raise error
            return outcomes

    return Dying


class TestInTheBackground:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imports, "IN_THE_REQUEST", 10)
        monkeypatch.setattr(imports, "AT_ONCE", 4)

    def test_many_rows_become_a_job(self) -> None:
        asha = as_("asha")
        answer = send(asha, many(11))
        assert answer.status_code == 202
        told = answer.json()
        assert told == {"rows": 11, "dry_run": False, "partial": False, "job": told["job"], "url": answer["Location"]}
        waiting = asha.get(told["url"]).json()
        assert (waiting["status"], waiting["done"], waiting["total"], waiting["result"]) == ("pending", 0, 11, None)
        assert not Client.objects.exists()
        assert work() >= 1
        done = asha.get(told["url"]).json()
        assert (done["status"], done["done"], done["result"]["created"]) == ("done", 11, 11)
        assert Client.objects.count() == 11
        assert bytes(Job.objects.get().content) == b"", "the file is gone"
        assert work() == 0

    def test_a_table_that_would_lock_sqlite_for_long_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imports, "MOST_AT_ONCE_ON_SQLITE", 20)
        asha, is_sqlite = as_("asha"), connection.vendor == "sqlite"
        answer = send(asha, many(21))
        assert answer.status_code == (400 if is_sqlite else 202)
        if is_sqlite:
            assert list(answer.json()) == ["partial"]
            assert not Job.objects.exists()
        for fields in ({"partial": "true"}, {"dry_run": "true"}):
            assert send(asha, many(21), **fields).status_code == 202
        assert send(asha, many(20)).status_code == 202

    @pytest.mark.parametrize(
        ("fields", "status", "told", "created"),
        [({}, "failed", 0, 0), ({"partial": "true"}, "done", 10, 10), ({"dry_run": "true"}, "done", 10, 0)],
    )
    def test_wrong_rows(self, fields: dict[str, str], status: str, told: int, created: int) -> None:
        asha = as_("asha")
        content = as_csv([["name", "id"], *([f"C{n}", "x" if n in (1, 11) else ""] for n in range(12))])
        url = send(asha, content, **fields).json()["url"]
        work()
        done = asha.get(url).json()
        assert done["status"] == status
        assert [one["row"] for one in done["result"]["errors"]] == [3, 13]
        assert [done["result"][key] for key in ("rows", "created", "failed")] == [12, told, 2]
        assert Client.objects.count() == created
        assert Event.objects.filter(type="client.created").count() == created

    def test_a_killed_worker_leaves_nothing_and_its_successor_does_it_all(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asha = as_("asha")
        url = send(asha, many(12)).json()["url"]
        monkeypatch.setattr(imports, "Rows", dying_in_batch(3))
        kinds = {"import": imports.run_job}
        with pytest.raises(Killed):
            runner.run_next(kinds)
        assert not Client.objects.exists()
        monkeypatch.undo()
        assert asha.get(url).json()["status"] == "running"
        assert runner.run_next(kinds) == 0, "the lease holds"
        later = moments.now() + runner.LEASE + timedelta(minutes=1)
        assert runner.run_next(kinds, clock=lambda: later) == 1
        assert asha.get(url).json()["status"] == "done"
        assert Client.objects.count() == 12

    def test_a_partial_import_goes_on_where_a_killed_worker_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asha = as_("asha")
        content = as_csv([["name", "id"], *([f"C{n}", "x" if n in (1, 11) else ""] for n in range(12))])
        url = send(asha, content, partial="true").json()["url"]
        with monkeypatch.context() as patch:
            patch.setattr(imports, "Rows", dying_in_batch(3))
            with pytest.raises(Killed):
                runner.run_next({"import": imports.run_job})
        waiting = asha.get(url).json()
        assert (waiting["status"], waiting["done"], waiting["result"]) == ("running", 8, None)
        assert Client.objects.count() == 7, "two batches, without the wrong row, are there to stay"
        later = moments.now() + runner.LEASE + timedelta(minutes=1)
        assert runner.run_next({"import": imports.run_job}, clock=lambda: later) == 1
        done = asha.get(url).json()
        assert (done["status"], done["result"]["created"], done["result"]["failed"]) == ("done", 10, 2)
        assert [one["row"] for one in done["result"]["errors"]] == [3, 13]
        assert sorted(Client.objects.values_list("name", flat=True)) == sorted(
            f"C{n}" for n in range(12) if n not in (1, 11)
        )

    def test_of_two_workers_on_a_partial_import_one_writes_each_batch(self) -> None:
        send(as_("asha"), many(12), partial="true")
        rows = Job.objects.all()
        [slow] = queue.claim(rows, now=moments.now(), lease=runner.LEASE)
        [quick] = queue.claim(rows, now=moments.now() + timedelta(hours=1), lease=runner.LEASE)
        with pytest.raises(runner.ClaimLost):
            imports.run_job(slow)
        assert not Client.objects.exists()
        imports.run_job(quick)
        assert Client.objects.count() == 12

    def test_a_partial_import_that_comes_to_no_end_tells_what_is_stored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asha = as_("asha")
        url = send(asha, many(12), partial="true").json()["url"]
        monkeypatch.setattr(imports, "Rows", dying_in_batch(3, error=RuntimeError))
        assert work() >= 1
        done = asha.get(url).json()
        assert (done["status"], done["result"]["detail"], done["result"]["created"]) == (
            "failed",
            "Something went wrong.",
            8,
        )
        assert Client.objects.count() == 8

    def test_what_has_become_wrong_since_it_was_checked_stops_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asha = as_("asha")
        pipeline = asha.post("/api/pipelines/", {"name": "Sales", "stages": [{"name": "New"}, {"name": "Won"}]}).json()
        content = as_csv([["name", "pipeline", "stage"], *([f"L{n}", pipeline["id"], "Won"] for n in range(12))])
        url = send(asha, content, "leads").json()["url"]
        checked = imports._tried

        def and_then_edited(*given: Any) -> Any:
            report = checked(*given)
            asha.patch(f"/api/pipelines/{pipeline['id']}/", {"stages": [{"name": "New"}]})
            return report

        monkeypatch.setattr(imports, "_tried", and_then_edited)
        work()
        done = asha.get(url).json()
        assert (done["status"], done["result"]["code"], done["result"]["failed"]) == ("failed", "rows_refused", 4)
        assert list(done["result"]["errors"][0]["errors"]) == ["stage"]
        assert not Lead.objects.exists()

    def test_a_worker_that_was_taken_over_writes_nothing(self) -> None:
        send(as_("asha"), many(12))
        rows = Job.objects.all()
        [slow] = queue.claim(rows, now=moments.now(), lease=runner.LEASE)
        [quick] = queue.claim(rows, now=moments.now() + timedelta(hours=1), lease=runner.LEASE)
        with pytest.raises(runner.ClaimLost):
            imports.run_job(slow)
        assert not Client.objects.exists()
        imports.run_job(quick)
        assert Client.objects.count() == 12

    def test_a_job_that_kills_its_workers_is_given_up(self) -> None:
        asha = as_("asha")
        url = send(asha, many(12)).json()["url"]
        Job.objects.update(attempts=runner.MOST_ATTEMPTS)
        work()
        assert (asha.get(url).json()["status"], Client.objects.count()) == ("failed", 0)

    def test_rights_count_as_they_are_when_it_runs(self) -> None:
        sales = member("Sales")
        url = send(sales, many(12)).json()["url"]
        Job.objects.get().by.groups.clear()
        work()
        assert (sales.get(url).json()["status"], Client.objects.count()) == ("failed", 0)

    def test_a_job_is_seen_by_its_owner_and_by_admins(self) -> None:
        url = send(member("Sales"), many(12)).json()["url"]
        assert as_("asha").get(url).status_code == 200
        assert as_("omar").get(url).status_code == 404
        assert ANONYMOUS.get(url).status_code == 401


def test_the_same_key_imports_once() -> None:
    asha = as_("asha")
    headers = {**asha.headers, "Idempotency-Key": "one"}
    for _ in range(2):
        file = SimpleUploadedFile("t.csv", as_csv([["name"], ["Acme"]]))
        answer = asha.client.post(f"{URL}import/", {"file": file}, headers=headers)
        assert answer.status_code == 200
    assert Client.objects.count() == 1


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_what_names_deleted_records_comes_back_as_it_was(format: str) -> None:
    asha = as_("asha")
    acme = asha.post(URL, {"name": "Acme"}).json()["id"]
    lead = asha.post("/api/leads/", {"name": "Ann", "possible_client": acme}).json()
    assert asha.delete(f"{URL}{acme}/").status_code == 204
    table = body_of(asha.get(f"/api/leads/export/?format={format}"))
    answer = send(asha, table, "leads")
    assert (answer.status_code, answer.json()["updated"]) == (200, 1), answer.content
    assert asha.get(f"/api/leads/{lead['id']}/").json()["possible_client"] == acme
    again = send(asha, table.replace(acme.encode(), b"") if format == "csv" else table, "leads")
    assert again.status_code == (400 if format == "csv" else 200), "by its name alone it is not there"


def test_deleted_records_are_exported_to_admins_who_ask_for_them() -> None:
    asha = as_("asha")
    live, gone = (asha.post("/api/leads/", {"name": name}).json()["id"] for name in ("Live", "Gone"))
    assert asha.delete(f"/api/leads/{gone}/").status_code == 204
    for query, there, missing in (("", live, gone), ("?deleted=true", gone, live), ("?deleted=0", live, gone)):
        table = body_of(asha.get(f"/api/leads/export/{query}")).decode()
        assert there in table, query
        assert missing not in table, query
    assert member("Sales").get("/api/leads/export/?deleted=true").status_code == 403
