"""An export of any size is made in the same memory."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
from django.http import FileResponse
from openpyxl import load_workbook

from tandem.academy.api import exports
from tandem.academy.models import Client, Lead, Note, Student, Task
from tandem.academy.tests.api.test_clients import attribute
from tandem.academy.tests.leads import client
from tandem.common import moments, spreadsheet
from tests.cast import as_, person

pytestmark = pytest.mark.django_db
ENTITIES = {"clients": "client", "services": "service", "leads": "lead"}


def make(kind: str, how_many: int, *, of: Client) -> None:
    """Records of a kind, each with attributes, a task and a note."""
    now, asha = moments.now(), person("asha")
    model: Any = {"clients": Client, "services": Student, "leads": Lead}[kind]
    own: dict[str, Any] = {"services": {"client": of}, "leads": {"possible_client": of, "stage": "New"}}.get(kind, {})
    stamps = {"created_at": now, "updated_at": now, "created_by": asha}
    made = model.objects.bulk_create(
        model(name=f"Number {n}", attributes={"city": f"City {n} " + "x" * 100, "size": n}, **own, **stamps)
        for n in range(how_many)
    )
    items = {"entity": ENTITIES[kind], "position": 0, "user": asha, "date_created": now}
    Task.objects.bulk_create(Task(record=one.pk, task=f"Call {one.name}", **items) for one in made)
    Note.objects.bulk_create(Note(record=one.pk, note=f"Met {one.name}", date=now, **items) for one in made)


@pytest.mark.parametrize("format", ["csv", "xlsx"])
@pytest.mark.parametrize("kind", ["clients", "services", "leads"])
def test_an_export_nine_times_as_large_needs_no_more_memory(
    kind: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "IN_ONE_PIECE", 0)
    monkeypatch.setattr(exports, "_AT_ONCE", 50)
    for name, type in (("city", "text"), ("size", "number")):
        attribute(name, type, entity=ENTITIES[kind])
    api, owner = as_("asha"), client("Owner")
    url = f"/api/{kind}/export/?format={format}&search=number"

    def peak() -> tuple[bytes, int]:
        tracemalloc.start()
        try:
            answer = api.get(url)
            assert isinstance(answer, FileResponse)
            taken = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return b"".join(answer), taken

    make(kind, 100, of=owner)
    api.get(url)
    few, memory_of_few = peak()
    make(kind, 800, of=owner)
    many, memory_of_many = peak()
    assert (rows_of(few, format), rows_of(many, format)) == (100, 900)
    assert memory_of_many < 1.3 * memory_of_few, (memory_of_few, memory_of_many)


def rows_of(content: bytes, format: str) -> int:
    if format == "csv":
        return content.count(b"\n") - 1
    sheet = load_workbook(io.BytesIO(content), read_only=True).worksheets[0]
    return sum(1 for _ in sheet.iter_rows()) - 1
