"""Cells that a spreadsheet would run, and files of any size."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator

import pytest
from django.http import FileResponse

from tandem.common import spreadsheet
from tandem.common.spreadsheet import csv_answer, safe_cell, write_csv


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("=1+1", "a formula"),
        ('=HYPERLINK("http://x","y")', "a link that sends data away"),
        ("=cmd|' /C calc'!A0", "starts a program"),
        ("+1+1", "a formula without its equals sign"),
        ("-2+3", "the same"),
        ("-", "what follows may be joined to it"),
        ("@SUM(A1)", "Lotus spelling"),
        ("\t=1+1", "TAB is dropped"),
        ("\tplain", "TAB, whatever follows"),
        ("\r=1+1", "CR is dropped"),
        ("\n=1+1", "LF is dropped"),
        ("＝1+1", "full-width equals"),
        ("＋1+1", "full-width plus"),
        ("－2+3", "full-width minus"),
        ("＠SUM(A1)", "full-width at"),
        ("﹦1+1", "small equals"),
        ("  =1+1", "blanks are dropped"),
        ("\u00a0=1+1", "a no-break space too"),
        ("\ufeff=1+1", "a byte-order mark too"),
        ("\u200b=1+1", "a zero-width space too"),
        ("+91 98765 43210; =1", "no plain phone"),
        ("+1-1", "arithmetic"),
        ("-1e3", "not plain"),
        ("+919876543210\n=1+1", "a phone and more"),
        ("＋919876543210", "full-width, so no plain number"),
        ("+१२३", "digits that are not ASCII"),
    ],
)
def test_what_would_run_gets_a_quote_in_front(text: str, why: str) -> None:
    assert safe_cell(text) == f"'{text}", why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing"),
        ("   ", "blanks"),
        ("Ramesh", "a name"),
        ("a=b", "not in front"),
        ("1-2", "begins with a digit"),
        ("user@example.com", "not in front"),
        ("'=1+1", "safe already"),
        ("+919876543210", "a phone"),
        ("-5", "a number"),
        ("-120.00", "an amount"),
        ("+1,234.50", "an amount with separators"),
        ("2025-12-18T10:00:00Z", "a moment"),
        ("குமார்", "another script"),
        ("é", "an accent"),
    ],
)
def test_what_cannot_run_stays_as_it_is(text: str, why: str) -> None:
    assert safe_cell(text) == text, why


def test_a_file_reads_back_as_it_was_written() -> None:
    rows = [[1, "a,b", 'say "hi"'], [None, "two\nlines", "முருகன்"], [2.5, "=1", "cr\rin"]]
    file = io.BytesIO()
    write_csv(file, ["id", "one", "two"], rows)
    text = file.getvalue().decode("utf-8")
    assert text.startswith("id,one,two\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["id", "one", "two"],
        ["1", "a,b", 'say "hi"'],
        ["", "two\nlines", "முருகன்"],
        ["2.5", "'=1", "cr\rin"],
    ]


@pytest.mark.parametrize("in_one_piece", [10**6, 0], ids=["small", "large"])
def test_an_answer_says_what_it_is_and_how_long(in_one_piece: int, monkeypatch) -> None:
    monkeypatch.setattr(spreadsheet, "IN_ONE_PIECE", in_one_piece)
    answer = csv_answer("visits.csv", ["id"], [[1], [2]])
    body = answer.getvalue() if isinstance(answer, FileResponse) else answer.content
    assert isinstance(answer, FileResponse) == (in_one_piece == 0)
    assert body == b"id\r\n1\r\n2\r\n"
    if isinstance(answer, FileResponse):
        assert answer["Content-Length"] == str(len(body))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="visits.csv"'


def test_what_breaks_in_the_middle_gives_no_file_at_all(monkeypatch) -> None:
    monkeypatch.setattr(spreadsheet, "IN_ONE_PIECE", 0)

    def rows() -> Iterator[list[int]]:
        yield [1]
        raise ConnectionError("the database went away")

    with pytest.raises(ConnectionError):
        csv_answer("visits.csv", ["id"], rows())


def test_ten_times_the_rows_need_no_more_memory(monkeypatch) -> None:
    monkeypatch.setattr(spreadsheet, "IN_ONE_PIECE", 0)

    def peak(how_many: int) -> int:
        tracemalloc.start()
        try:
            answer = csv_answer("visits.csv", ["id", "text"], ([n, "x" * 200] for n in range(how_many)))
            assert sum(map(len, answer)) > how_many * 200
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(2_000), peak(20_000)
    assert many < 1.5 * few, (few, many)
