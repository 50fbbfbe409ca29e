"""Which conditions may be asked, and for which records they hold. CONTRACT §6."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.webhooks.rules.conditions import (
    AND,
    OPERATORS,
    OR,
    Condition,
    Kind,
    WrongCondition,
    checked,
    fires,
    verdicts,
)

ZONE = ZoneInfo("Asia/Kolkata")
FIELDS = {
    "stage": Kind.ANY,
    "name": Kind.ANY,
    "responsible": Kind.NUMBER,
    "amount": Kind.NUMBER,
    "created_at": Kind.DATE,
    "day": Kind.DATE,
    "is_open": Kind.BOOLEAN,
    "list_of_tasks": Kind.ANY,
}
ATTRIBUTES = {"size": Kind.NUMBER, "industry": Kind.ANY, "vip": Kind.BOOLEAN, "since": Kind.DATE, "tags": Kind.ANY}
RECORD = {
    "stage": "Moodle",
    "name": "Acme Corp",
    "responsible": 7,
    "amount": "120.00",
    "created_at": "2025-12-17T20:00:00Z",  # the 18th in the site's zone
    "day": "2025-12-18",
    "is_open": True,
    "empty": "",
    "list_of_tasks": [{"task": "Call"}],
    "attributes": {
        "size": 25,
        "industry": "Tech",
        "vip": False,
        "since": "2025-01-20",
        "tags": ["a", "b"],
        "one": ["a"],
    },
}


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected", "reason"),
    [
        ("stage", "=", "Moodle", True, "the same text"),
        ("self.stage", "=", "Moodle", True, "self. in front means the same"),
        ("stage", "=", " Moodle ", True, "blanks around a typed value do not count"),
        ("stage", "=", "moodle", False, "upper and lower case differ"),
        ("stage", "!=", "Moodle", False, ""),
        ("stage", "!=", "New", True, ""),
        ("name", ">", "Abc", True, "text is compared as text"),
        ("name", "<", "Abc", False, ""),
        ("responsible", "=", "7", True, "values arrive as text"),
        ("responsible", "=", "7.0", True, "as numbers they are the same"),
        ("responsible", ">", "10", False, "7 > 10 is false, as text it would be true"),
        ("responsible", ">=", 7, True, ""),
        ("responsible", "<=", "6", False, ""),
        ("amount", ">", "99", True, "money is shown as text and compared as a number"),
        ("amount", "=", "120", True, ""),
        ("attributes.size", ">", "9", True, "25 > 9 is true, as text it would be false"),
        ("attributes.size", "<", "abc", False, "what is no number is never less"),
        ("attributes.size", "!=", "abc", True, "and never equal"),
        ("attributes.vip", "=", "false", True, "booleans arrive as text"),
        ("attributes.vip", "=", "False", True, ""),
        ("attributes.vip", "!=", "true", True, ""),
        ("is_open", "=", True, True, ""),
        ("is_open", "=", "1", True, ""),
        ("day", ">", "2025-12-09", True, ""),
        ("day", "=", "2025-12-18T09:00:00+05:30", True, "of a moment, its day"),
        ("created_at", "=", "2025-12-18", True, "of a moment, the site's day"),
        ("created_at", "<", "2025-12-18", False, ""),
        ("created_at", "<", "2025-12-18T01:31", True, "without an offset it is the site's time"),
        ("created_at", ">", "2025-12-18T01:31", False, ""),
        ("attributes.since", ">=", "2025-01-20", True, ""),
        ("attributes.since", ">", "2025-01-20", False, ""),
        ("stage", "in", "New, Moodle", True, "comma text, trimmed"),
        ("stage", "in", ["New", "Moodle"], True, "or a list"),
        ("stage", "in", "New,Won", False, ""),
        ("stage", "in", "", False, "nothing is in nothing"),
        ("responsible", "in", "5, 7", True, ""),
        ("attributes.size", "in", [24, 25], True, ""),
        ("name", "contains", "Corp", True, "a part of a text"),
        ("name", "contains", "corp", False, ""),
        ("attributes.tags", "contains", "a", True, "an item of a list"),
        ("attributes.tags", "contains", "c", False, ""),
        ("attributes.tags", "=", "a", False, "there is another one beside it"),
        ("attributes.one", "=", "a", True, "the only one"),
        ("list_of_tasks", "contains", "Call", False, "items that are objects are no values"),
        ("attributes.gone", "=", "x", False, "a missing value: only != is true"),
        ("attributes.gone", "=", "", False, ""),
        ("attributes.gone", "!=", "x", True, ""),
        ("attributes.gone", "<", "x", False, ""),
        ("attributes.gone", "in", "x,", False, ""),
        ("attributes.gone", "contains", "", False, ""),
        ("empty", "=", "", False, "an empty text is a missing value"),
        ("empty", "!=", "", True, ""),
    ],
)
def test_whether_a_condition_holds(field: str, operator: str, value: Any, expected: bool, reason: str) -> None:
    judged = verdicts([Condition(field, operator, value)], RECORD, fields=FIELDS, zone=ZONE)
    assert judged[0].holds is expected, reason


@pytest.mark.parametrize(
    ("stages", "logic", "expected"),
    [
        ([], AND, True),
        ([], OR, True),
        (["Moodle", "Moodle"], AND, True),
        (["Moodle", "New"], AND, False),
        (["Moodle", "New"], OR, True),
        (["New", "Won"], OR, False),
    ],
)
def test_all_or_any_of_them_and_always_without_any(stages: list[str], logic: str, expected: bool) -> None:
    rows = [Condition("stage", "=", stage) for stage in stages]
    assert fires(verdicts(rows, RECORD, fields=FIELDS, zone=ZONE), logic) is expected


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"field": "nothing", "operator": "=", "value": "x"}, "conditions[0].field: "),
        ({"field": "attributes.nothing", "operator": "=", "value": "x"}, "conditions[0].field: "),
        ({"field": "attributes", "operator": "=", "value": "x"}, "conditions[0].field: "),
        ({"field": "stage.__class__", "operator": "=", "value": "x"}, "conditions[0].field: "),
        ({"field": 7, "operator": "=", "value": "x"}, "conditions[0].field: "),
        ({"field": "stage"}, "conditions[0].value: "),
        ({"field": "stage", "operator": "~", "value": "x"}, "conditions[0].operator: "),
        ({"field": "stage", "operator": ["="], "value": "x"}, "conditions[0].operator: "),
        ({"field": "stage", "operator": "=", "value": {"a": 1}}, "conditions[0].value: "),
        ({"field": "stage", "operator": "=", "value": ["a"]}, "conditions[0].value: "),
        ({"field": "stage", "operator": "=", "value": "x" * 2001}, "conditions[0].value: "),
        ({"field": "responsible", "operator": ">", "value": "many"}, "conditions[0].value: "),
        ({"field": "responsible", "operator": "in", "value": "1,many"}, "conditions[0].value: "),
        ({"field": "created_at", "operator": ">", "value": "soon"}, "conditions[0].value: "),
        ({"field": "attributes.vip", "operator": "=", "value": "perhaps"}, "conditions[0].value: "),
        ("stage = Moodle", "conditions[0]: "),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_place(row: Any, place: str) -> None:
    with pytest.raises(WrongCondition) as refused:
        checked([row], fields=FIELDS, attributes=ATTRIBUTES)
    assert str(refused.value).startswith(place)


def test_rows_with_an_empty_field_are_dropped_and_the_others_keep_their_numbers() -> None:
    rows = [
        {"field": "", "operator": "=", "value": ""},
        {"field": " ", "operator": "?"},
        {"field": "x", "operator": "="},
    ]
    with pytest.raises(WrongCondition, match=r"conditions\[2\]\.field"):
        checked(rows, fields=FIELDS, attributes=ATTRIBUTES)
    assert checked(rows[:2], fields=FIELDS, attributes=ATTRIBUTES) == []


def test_what_is_kept_is_what_was_sent() -> None:
    row = {"field": " self.attributes.size ", "operator": "IN", "value": [1, "2"], "extra": 1}
    assert checked([row], fields=FIELDS, attributes=ATTRIBUTES) == [Condition("self.attributes.size", "in", [1, "2"])]


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.dates().map(str)
_SCALARS |= st.datetimes().map(str) | st.sampled_from(["0001-01-01", "9999-12-31T23:59:59Z", "NaN", "1e999999", "-"])
_VALUES = _SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), _SCALARS, max_size=2)


@given(found=_VALUES, operator=st.sampled_from(OPERATORS), value=_VALUES, kind=st.sampled_from(Kind))
def test_judging_never_fails(found: Any, operator: str, value: Any, kind: Kind) -> None:
    judged = verdicts([Condition("x", operator, value)], {"x": found}, fields={"x": kind}, zone=ZONE)
    assert judged[0].holds in (True, False)
