"""Placeholders in addresses and headers. CONTRACT §6 "Placeholders"."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.webhooks.rules.placeholders import PlaceholderInHost, check_place, filled_header, filled_url, names_in
from tandem.webhooks.rules.values import UnknownName, check_name

RECORD: dict[str, Any] = {
    "id": "8d7c2f5e",
    "name": "Acme & Söhne/2",
    "none": None,
    "up": "..",
    "dots": "a..b",
    "count": 3,
    "flag": True,
    "items": ["a", "b"],
    "lines": "a\r\nX-Evil: 1\x00",
    "template": "{id}",
    "attributes": {"industry": "IT", "size": 2.5},
}


@pytest.mark.parametrize(
    ("template", "expected", "reason"),
    [
        ("https://x.example/h/{id}", "https://x.example/h/8d7c2f5e", ""),
        ("https://x.example/h/{self.id}", "https://x.example/h/8d7c2f5e", "self. in front means the same"),
        ("https://x.example/{name}", "https://x.example/Acme%20%26%20S%C3%B6hne%2F2", "one piece of the path"),
        ("https://x.example/?q={name}&b=1", "https://x.example/?q=Acme%20%26%20S%C3%B6hne%2F2&b=1", "or of the query"),
        ("https://x.example/a/{up}/b", "https://x.example/a/%2E%2E/b", "does not climb"),
        ("https://x.example/a/{dots}/b", "https://x.example/a/a..b/b", ""),
        ("https://x.example/a/{none}/b", "https://x.example/a//b", "a missing value is the empty text"),
        ("https://x.example/{attributes.industry}", "https://x.example/IT", ""),
        ("https://x.example/{attributes.gone}", "https://x.example/", ""),
        ("https://x.example/{count}/{flag}", "https://x.example/3/true", "as JSON writes them"),
        ("https://x.example/{items}", "https://x.example/a%2Cb", ""),
        ("https://x.example/{template}", "https://x.example/%7Bid%7D", "what a record holds is no template"),
        ("https://x.example/{lines}", "https://x.example/a%0D%0AX-Evil%3A%201%00", ""),
    ],
)
def test_an_address_is_filled(template: str, expected: str, reason: str) -> None:
    assert filled_url(template, RECORD) == expected, reason


@pytest.mark.parametrize(
    ("template", "expected", "reason"),
    [
        ("{id}", "8d7c2f5e", ""),
        ("Bearer {attributes.size}", "Bearer 2.5", ""),
        ("{name}", "Acme & S%C3%B6hne/2", "ASCII stays as it is"),
        ("{lines}", "a X-Evil: 1 ", "no line break ever reaches a header"),
        ("{none}", "", ""),
        ("{}", "", "no name, no value"),
    ],
)
def test_a_header_is_filled(template: str, expected: str, reason: str) -> None:
    assert filled_header(template, RECORD) == expected, reason


@pytest.mark.parametrize(
    "url",
    [
        "https://{name}/x",
        "https://x.{name}.example/x",
        "https://x.example:{count}/x",
        "{name}://x.example/x",
        "https://{name}",
        "https://{name}?x",
        "https://{a/b}.example/x",
        "{url}",
        "https://x@{name}/",
    ],
)
def test_a_record_does_not_decide_where_it_goes(url: str) -> None:
    with pytest.raises(PlaceholderInHost):
        check_place(url)


@pytest.mark.parametrize(
    "url", ["https://x.example/{name}", "https://x.example?{name}", "http://x.example:80/a/{b}#{c}"]
)
def test_path_and_query_may_hold_placeholders(url: str) -> None:
    check_place(url)


@pytest.mark.parametrize(
    "name", ["nothing", "attributes", "attributes.nothing", "id.__class__", "", "self.", "attributes.a.b"]
)
def test_a_name_that_no_record_has_is_unknown(name: str) -> None:
    with pytest.raises(UnknownName):
        check_name(name, fields={"id", "attributes"}, attributes={"a"})


def test_names_are_found_in_their_order() -> None:
    assert names_in("/{a}/{self.b}?{attributes.c}") == ["a", "self.b", "attributes.c"]
