"""Imports of clients, students and leads from CSV and XLSX: at once when they are small, else by the worker.

Each row goes through the checks and rules of an ordinary request, and has its own event; rows are taken in batches, so
that the number of statements does not grow with them (actions/together.py). Whatever can be checked is checked before a
transaction begins, so that a table with errors never keeps other writers waiting.

In the background a table is first read through without writing; when all of it is right it is written in one
transaction, together with the row that says so. With `partial` each batch is a transaction of its own, together with
the row that says how far it is: others write in between, and after a worker that was killed another one goes on there.
"""

from __future__ import annotations

import itertools
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Final, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.api.sheets import KINDS, Kind, Read, Rows, errors_of
from tandem.academy.rules.columns import Mapped, mapped
from tandem.accounts.access import caller
from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.errors import Invalid, Refusal
from tandem.common.inputs import Defaulting
from tandem.common.parsing import strict_json
from tandem.common.rendering import json_answer
from tandem.common.sheets import NotATable, Table
from tandem.jobs.models import Job
from tandem.jobs.runner import finish, go_on, put_aside, step

IN_THE_REQUEST: Final = 500  # rows
AT_ONCE: Final = 500  # rows of one batch, some hundred milliseconds of a transaction
MOST_TOLD: Final = 1000  # rows with errors in one report
# Rows of one transaction on SQLite, where nobody else can write meanwhile: ten seconds; others give up after twenty.
MOST_AT_ONCE_ON_SQLITE: Final = 20_000

_TOO_MANY_AT_ONCE: Final = (
    f"On SQLite more than {MOST_AT_ONCE_ON_SQLITE:,} rows in one go would keep others from writing for too long."
    " Send partial=true, or several files."
)

NumberedRow = tuple[int, Sequence[Any]]


class RowsRefused(Refusal):
    code = "rows_refused"
    message = "Some rows are wrong, so nothing was stored. Correct them, or send partial=true to store the others."


@extend_schema_field({"type": "string", "format": "binary"})
class TableField(serializers.Field[Any, Any, Any, Any]):
    """A CSV or XLSX file in a form; gives its content."""

    default_error_messages = {"not_a_file": "Send the table as a file, in a form (multipart/form-data)."}

    def to_internal_value(self, data: Any) -> bytes:
        if not isinstance(data, UploadedFile):
            self.fail("not_a_file")
        return cast(bytes, data.read())

    def to_representation(self, value: bytes) -> str:
        return ""


@extend_schema_field({"type": "string", "description": "A JSON object: header in the file → field."})
class MappingField(serializers.Field[Any, Any, Any, Any]):
    default_error_messages = {"invalid": "Expected a JSON object of texts: header in the file → field."}

    def to_internal_value(self, data: Any) -> dict[str, str | None]:
        try:
            read = strict_json(data)
        except (ValueError, TypeError):
            self.fail("invalid")
        if not isinstance(read, dict) or not all(isinstance(key, str | None) for key in read.values()):
            self.fail("invalid")
        return read

    def to_representation(self, value: Any) -> Any:
        return value


class ImportIn(Defaulting):
    defaults = ("mapping", "dry_run", "partial")

    file = TableField()
    mapping = MappingField(required=False, allow_null=True)
    dry_run = serializers.BooleanField(required=False, allow_null=True)
    partial = serializers.BooleanField(required=False, allow_null=True)  # type: ignore[assignment]  # DRF takes fields off the class


@dataclass
class Report:
    """What came of rows. errors: the first MOST_TOLD of `failed`."""

    created: int = 0
    updated: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    def take_back(self) -> None:
        """Nothing was stored, also of the rows that were right."""
        self.created = self.updated = 0

    def add(self, row: int, outcome: str | dict[str, Any]) -> None:
        """outcome: "created", "updated", or what is wrong with the row."""
        if isinstance(outcome, str):
            setattr(self, outcome, getattr(self, outcome) + 1)
            return
        self.failed += 1
        if len(self.errors) < MOST_TOLD:
            self.errors.append({"row": row, "errors": outcome})


_WHOLE = {"type": "integer"}
REPORT = {
    "type": "object",
    "properties": {
        "rows": _WHOLE,
        "created": _WHOLE,
        "updated": _WHOLE,
        "failed": _WHOLE,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"row": _WHOLE, "errors": {"type": "object", "additionalProperties": True}},
                "required": ["row", "errors"],
            },
        },
        "ignored_columns": {"type": "array", "items": {"type": "string"}},
        "dry_run": {"type": "boolean"},
        "partial": {"type": "boolean"},
        "job": {"type": ["string", "null"], "format": "uuid"},
        "url": {"type": "string", "description": "Where the job tells how far it is."},
    },
    "required": ["rows", "dry_run", "partial", "job"],
}


def import_of(kind: Kind) -> Any:
    right = kind.resource.right

    class Import(Endpoint):
        @operation(may("add", right), takes=ImportIn, gives=REPORT, also=[202], multipart=True, refuses=[RowsRefused])
        def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
            """Create records from a table, and change those whose `id` it holds; 202 with a job for many rows."""
            by, now = caller(request), moments.now()
            table = _table(body["file"])
            chosen = body.get("mapping") or {}
            meant = mapped(table.header, kind.columns(), chosen)
            rows = _counted(table)
            asked = {"dry_run": body.get("dry_run", False), "partial": body.get("partial", False)}
            if rows > MOST_AT_ONCE_ON_SQLITE and connection.vendor == "sqlite" and not any(asked.values()):
                raise Invalid.on("partial", _TOO_MANY_AT_ONCE)
            if rows > IN_THE_REQUEST:
                parameters = {"kind": kind.plural, "mapping": chosen, **asked}
                job = put_aside("import", parameters, content=body["file"], total=rows, by=by, now=now)
                url = f"/api/jobs/{job.pk}/"
                told = {"rows": rows, **asked, "job": str(job.pk), "url": url}
                return json_answer(told, status=202, headers={"Location": url})
            report = _done_at_once(_taker(kind, meant, by=by), table, **asked)
            is_refused = report.failed and not any(asked.values())
            if is_refused:
                report.take_back()
            told = {**_told(report, rows, meant), **asked, "job": None}
            if is_refused:
                raise RowsRefused(**told)
            return json_answer(told)

    return Import.as_view()


def run_job(job: Job) -> None:
    """Do an import that was put aside. The rights of whoever started it count as they are now."""
    kind, by = KINDS[job.parameters["kind"]], User.objects.get(pk=job.by_id)
    dry_run, partial = job.parameters["dry_run"], job.parameters["partial"]
    table = Table(bytes(job.content))
    try:
        if not by.is_active or not may("add", kind.resource.right).allows(by):
            raise Invalid.on("non_field_errors", "Whoever started this import may not create such records any more.")
        meant = mapped(table.header, kind.columns(), job.parameters["mapping"])
    except Invalid as refused:
        with transaction.atomic():
            finish(job, Job.Status.FAILED, {"errors": [{"row": 1, "errors": refused.fields}]}, now=moments.now())
        return
    taker = _taker(kind, meant, by=by)

    def told(report: Report) -> dict[str, Any]:
        return {**_told(report, job.total, meant), "dry_run": dry_run, "partial": partial}

    if partial and not dry_run:
        report = _stored_in_batches(job, taker, table)
        with transaction.atomic():
            finish(job, Job.Status.DONE, told(report), now=moments.now())
        return
    with tempfile.TemporaryFile(dir=settings.DATA_DIR) as drafts:
        report = _tried(job, taker, table, drafts)
        if not report.failed and not dry_run:
            report = _stored_at_once(job, taker, drafts, told)
    if report.failed and not dry_run:
        report.take_back()
        why = {"detail": RowsRefused.message, "code": RowsRefused.code}
        with transaction.atomic():
            finish(job, Job.Status.FAILED, {**told(report), **why}, now=moments.now())
    elif dry_run:
        with transaction.atomic():
            finish(job, Job.Status.DONE, told(report), now=moments.now())


def _done_at_once(taker: Rows, table: Table, *, dry_run: bool, partial: bool) -> Report:
    """Do an import within a request."""
    rows = taker.read(table.rows())
    tried = Report()
    _take(taker, rows, tried, keep=False)
    if dry_run or (tried.failed and not partial):
        return tried
    stored = Report()
    with transaction.atomic():
        _take(taker, rows, stored, keep=True)
        if stored.failed and not partial:  # what was right a moment ago is wrong now
            transaction.set_rollback(True)
    return stored


def _tried(job: Job, taker: Rows, table: Table, drafts: IO[bytes]) -> Report:
    """What would come of all rows; nothing is locked. Those that are right by themselves are left in `drafts`."""
    report = Report()
    done = 0
    for some in _in_portions(table.rows(), AT_ONCE):
        rows = taker.read(some)
        _take(taker, rows, report, keep=False)
        pickle.dump(rows, drafts, pickle.HIGHEST_PROTOCOL)
        done += len(some)
        step(job, done=done, now=moments.now())
    return report


def _stored_at_once(job: Job, taker: Rows, drafts: IO[bytes], told: Callable[[Report], dict[str, Any]]) -> Report:
    """Write all rows and the end of the job in one transaction; nothing when one of them has become wrong since.

    What a row says by itself was checked before; what it refers to is checked again, under the locks of the actions.
    """
    report = Report()
    drafts.seek(0)
    with transaction.atomic():
        while report.created + report.updated < job.total and not report.failed:
            _take(taker, pickle.load(drafts), report, keep=True)  # noqa: S301 - written above, in a file without a name
        if report.failed:
            transaction.set_rollback(True)
        else:
            finish(job, Job.Status.DONE, told(report), now=moments.now())
    return report


def _stored_in_batches(job: Job, taker: Rows, table: Table) -> Report:
    """Write the rows that are right, each batch in a transaction of its own; begins where an earlier worker ended."""
    report = Report(**job.state.get("report", {}))
    done = job.state.get("done", 0)
    for some in _in_portions(itertools.islice(table.rows(), done, None), AT_ONCE):
        rows = taker.read(some)
        done += len(some)
        with transaction.atomic():
            _take(taker, rows, report, keep=True)
            go_on(job, done=done, state={"done": done, "report": asdict(report)}, now=moments.now())
    return report


def _take(taker: Rows, rows: Sequence[Read], report: Report, *, keep: bool) -> None:
    """Take rows that were read, and report what comes of each. keep: see `Rows.write`."""
    outcomes = iter(taker.write([row.draft for row in rows if row.draft is not None], keep=keep))
    for row in rows:
        if row.errors is not None:
            report.add(row.number, row.errors)
            continue
        outcome = next(outcomes)
        report.add(row.number, outcome if isinstance(outcome, str) else errors_of(outcome))


def _taker(kind: Kind, meant: Mapped, *, by: User) -> Rows:
    may_change = "id" in (column.key for column in meant.at.values()) and may("change", kind.resource.right).allows(by)
    return Rows(kind, meant, by=by, may_change=may_change, now=moments.now())


def _told(report: Report, rows: int, meant: Mapped) -> dict[str, Any]:
    return {
        "rows": rows,
        "created": report.created,
        "updated": report.updated,
        "failed": report.failed,
        "errors": report.errors,
        "ignored_columns": list(meant.ignored),
    }


def _table(content: bytes) -> Table:
    try:
        return Table(content)
    except NotATable as refused:
        raise Invalid.on("file", str(refused)) from None


def _counted(table: Table) -> int:
    try:
        return table.count()
    except NotATable as refused:
        raise Invalid.on("file", str(refused)) from None


def _in_portions(rows: Iterator[NumberedRow], size: int) -> Iterator[list[NumberedRow]]:
    while some := list(itertools.islice(rows, size)):
        yield some
