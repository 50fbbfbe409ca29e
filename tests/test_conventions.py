"""What holds on every endpoint, tried on all of them. CONTRACT §2."""

from __future__ import annotations

import re

import pytest

from tests.cast import as_
from tests.matrix.expectations import EXPECTED
from tests.matrix.test_matrix import VERBS

pytestmark = pytest.mark.django_db


def address(path: str) -> str:
    """An address of the path, of no record in particular."""
    some = {"uuid": "8d7c2f5e-0000-4000-8000-000000000000", "int": "1", "slug": "client"}
    return "/" + re.sub(r"<(\w+):\w+>", lambda match: some[match[1]], path)


def test_who_tries_a_method_that_is_not_there_is_told_which_ones_are() -> None:
    asha, wrong = as_("asha"), []
    for path, route in EXPECTED.items():
        allowed = [verb for verb in ("GET", "HEAD", *VERBS[1:]) if verb.replace("HEAD", "GET") in route.verbs]
        for verb in ("BREW", "OPTIONS", "TRACE", *(verb for verb in VERBS if verb not in route.verbs)):
            answer = asha.client.generic(verb, address(path), headers=asha.headers)
            told = answer.headers.get("Allow", "nothing")
            if (answer.status_code, told) != (405, ", ".join(allowed)):
                wrong.append(f"{verb} {path}: {answer.status_code}, {told} instead of {', '.join(allowed)}")
    assert not wrong, "\n".join(wrong)
