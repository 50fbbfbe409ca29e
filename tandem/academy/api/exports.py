"""Exports of clients, students and leads as CSV and XLSX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from django.http import HttpResponse

from tandem.academy.access import may
from tandem.academy.api.sheets import Kind, cells
from tandem.academy.rules.columns import Column
from tandem.accounts.access import ADMIN
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation, viewer_of
from tandem.common.errors import Invalid
from tandem.common.reading.listing import Listing, parameters_in, read_page, read_request
from tandem.common.reading.statement import from_replica
from tandem.common.spreadsheet import XLSX_TYPE, csv_answer, escaped_cell, xlsx_answer

_AT_ONCE = 500  # rows of one query; what is in memory
_PAGING = ("page", "page_size", "limit", "cursor")
_MEDIA = ("text/csv", XLSX_TYPE)
_FORMATS = {"type": "string", "enum": ["csv", "xlsx"]}


def export_of(kind: Kind) -> Any:
    class Export(Endpoint):
        @operation(
            may("view", kind.resource.right),
            gives={"type": "string"},
            media=_MEDIA,
            query={"format": _FORMATS},
            slow=True,
        )
        def get(self, request: Request) -> HttpResponse:
            """All records that the same filters list, as a table; `format` is csv or xlsx.

            `?deleted=true` (admins): the deleted ones.
            """
            given = parameters_in(request.query_params.dict())
            query = {name: text for name, text in given.items() if name not in _PAGING}
            wanted = query.pop("format", "csv").lower()
            if wanted not in ("csv", "xlsx"):
                raise Invalid.on("format", "Choose one of: csv, xlsx.")
            listing = self.chosen(request, kind.listing, kind.deleted, sees_deleted=ADMIN)
            read_request(listing, query)  # a wrong filter is told before a file is begun
            columns = kind.columns()
            rows = _rows(listing, request, query, columns, is_csv=wanted == "csv")
            answer = csv_answer if wanted == "csv" else xlsx_answer
            return answer(f"{kind.plural}-{moments.today()}.{wanted}", [column.key for column in columns], rows)

    return Export.as_view()


def _rows(
    listing: Listing, request: Request, query: dict[str, str], columns: list[Column], *, is_csv: bool
) -> Iterator[list[Any]]:
    cursor = None
    while True:
        asked = read_request(listing, {**query, "limit": str(_AT_ONCE), **({"cursor": cursor} if cursor else {})})
        with from_replica():
            page = read_page(listing, viewer_of(request), asked)
        for text in page.rows:
            yield [_safe(cell, is_csv) for cell in cells(orjson.loads(text), columns)]
        cursor = page.cursor
        if cursor is None:
            return


def _safe(cell: Any, is_csv: bool) -> Any:
    if isinstance(cell, str):
        return escaped_cell(cell)
    # XLSX has truth values of its own; Python's words for them are nobody's.
    return str(cell).lower() if is_csv and isinstance(cell, bool) else cell
