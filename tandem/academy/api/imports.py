"""Imports of clients, students and leads from CSV and XLSX: at once when they are small, else by the worker.

Each row goes through the check and the action of an ordinary request. In the background a table is tried first, in
small transactions that are rolled back, so that a table with errors never keeps other writers waiting; only then all of
it is written, in one transaction, together with the row that says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from tandem.academy.access import may
from tandem.academy.api.sheets import KINDS, Kind, Rows, errors_of
from tandem.academy.rules.columns import Mapped, mapped
from tandem.accounts.access import caller
from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.errors import Invalid, Refusal
from tandem.common.inputs import Input
from tandem.common.parsing import strict_json
from tandem.common.rendering import json_answer
from tandem.common.sheets import NotATable, Table
from tandem.jobs.models import Job
from tandem.jobs.runner import finish, put_aside, step

IN_THE_REQUEST: Final = 500  # rows
TRIED_AT_ONCE: Final = 100  # rows of one transaction, some hundred milliseconds
MOST_TOLD: Final = 1000  # rows with errors in one report

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


class ImportIn(Input):
    file = TableField()
    mapping = MappingField(required=False)
    dry_run = serializers.BooleanField(required=False)
    partial = serializers.BooleanField(required=False)  # type: ignore[assignment]  # DRF takes fields off the class


@dataclass
class Report:
    """What came of rows. errors: the first MOST_TOLD of `failed`."""

    created: int = 0
    updated: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    def add_error(self, row: int, errors: dict[str, Any]) -> None:
        self.failed += 1
        if len(self.errors) < MOST_TOLD:
            self.errors.append({"row": row, "errors": errors})


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
    },
    "required": ["rows", "dry_run", "partial", "job"],
}


def import_of(kind: Kind) -> Any:
    right = kind.resource.right

    class Import(Endpoint):
        @operation(may("add", right), takes=ImportIn, gives=REPORT, multipart=True, refuses=[RowsRefused])
        def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
            """Create records from a table, and change those whose `id` it holds; 202 with a job for many rows."""
            by, now = caller(request), moments.now()
            table = _table(body["file"])
            chosen = body.get("mapping") or {}
            meant = mapped(table.header, kind.columns(), chosen)
            rows = _counted(table)
            asked = {"dry_run": body.get("dry_run", False), "partial": body.get("partial", False)}
            if rows > IN_THE_REQUEST:
                parameters = {"kind": kind.plural, "mapping": chosen, **asked}
                job = put_aside("import", parameters, content=body["file"], total=rows, by=by, now=now)
                url = f"/api/jobs/{job.pk}/"
                told = {"rows": rows, **asked, "job": str(job.pk), "url": url}
                return json_answer(told, status=202, headers={"Location": url})
            taker = _taker(kind, meant, by=by)
            report = attempt(taker, table.rows(), keep=not asked["dry_run"], partial=asked["partial"])
            told = {**_told(report, rows, meant), **asked, "job": None}
            if report.failed and not any(asked.values()):
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

    def end(report: Report) -> None:
        stored = not report.failed or dry_run or partial
        told = {**_told(report, job.total, meant), "dry_run": dry_run, "partial": partial}
        if not stored:
            told |= {"detail": RowsRefused.message, "code": RowsRefused.code}
        finish(job, Job.Status.DONE if stored else Job.Status.FAILED, told, now=moments.now())

    tried, wrong = _tried(job, taker, table)
    if not dry_run and (partial or not tried.failed):
        good = (row for row in table.rows() if row[0] not in wrong)
        written = attempt(taker, good, keep=True, partial=partial, told=tried if partial else Report(), end=end)
        if not written.failed or partial:
            return
        tried = written  # what was right in the trial has become wrong since, and nothing of it is stored
    with transaction.atomic():
        end(tried)


def _tried(job: Job, taker: Rows, table: Table) -> tuple[Report, set[int]]:
    """What would come of all rows, and the numbers of those that would fail."""
    report, wrong = Report(), set[int]()
    done = 0
    for some in _in_portions(table.rows(), TRIED_AT_ONCE):
        attempt(taker, some, keep=False, partial=True, told=report, failing=wrong.add)
        done += len(some)
        step(job, done=done, now=moments.now())
    return report, wrong


def attempt(
    taker: Rows,
    rows: Iterable[NumberedRow],
    *,
    keep: bool,
    partial: bool,
    told: Report | None = None,
    failing: Callable[[int], None] = lambda number: None,
    end: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Take rows in one transaction, which is rolled back unless they are to be kept.

    keep: False only tries them. partial: rows that fail do not keep the others from being stored.
    told: a report to go on with; of the rows that are stored only those of this call are counted.
    failing: hears the numbers of rows that fail. end: what belongs into the same transaction.
    """
    report = told or Report()
    if keep:
        report.created = report.updated = 0
    with transaction.atomic():
        for number, row in rows:
            try:
                with transaction.atomic():
                    outcome = taker.take(row)
            except (Refusal, ValidationError) as refused:
                report.add_error(number, errors_of(refused))
                failing(number)
                continue
            setattr(report, outcome, getattr(report, outcome) + 1)
        if keep and (partial or not report.failed):
            end(report)
        else:
            transaction.set_rollback(True)
    return report


def _taker(kind: Kind, meant: Mapped, *, by: User) -> Rows:
    may_change = "id" in (column.key for column in meant.at.values()) and may("change", kind.resource.right).allows(by)
    return Rows(kind, meant.at, by=by, may_change=may_change, now=moments.now())


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
