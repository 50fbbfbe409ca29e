"""The published schema against the product: requests made up from it, as three roles. QUALITY "Input".

No answer of 500 and above, and none that the schema does not describe. `make test` sends a short run, `make soak` a
long one of more than 20,000 requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tandem.config.wsgi import application
from tests.cast import Api, person
from tests.figures import figure
from tests.matrix.world import records

pytestmark = [
    pytest.mark.django_db,
    # What the tool itself warns about is not ours to fail on.
    pytest.mark.filterwarnings("ignore"),
]

A_FEW, MANY = 4, 45  # requests of one role to one operation
ROLES = ("asha", "chitra", "wasim")
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)

# Signing out, or giving away the own password, ends what the next request needs; these have tests of their own.
LEFT_OUT = r"/api/(auth/)?(logout|change-password)/|/change-password/$"


@pytest.fixture(autouse=True)
def connection_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A request that ends closes a connection inside of a transaction; the test's own transaction must survive it."""
    monkeypatch.setattr("tandem.config.wsgi.close_old_connections", lambda: None)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_as_published(role: str) -> None:
    assert _tried(role, examples=A_FEW) >= 670


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_as_published_in_the_long_run(role: str) -> None:
    assert _tried(role, examples=MANY) >= 7_000


def _tried(role: str, *, examples: int) -> int:
    """How many requests were sent as one role; fails with every operation that answered wrongly."""
    schema: Any = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application, headers={"Host": "localhost"})
    records()
    headers = {**Api(person(role)).headers, "Host": "localhost"}
    sent, wrong = 0, []
    for found in schema.exclude(path_regex=LEFT_OUT).get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def try_it(case: Any) -> None:
            nonlocal sent
            sent += 1
            # One request is one savepoint, so that what it wrote does not make the next one slower.
            with transaction.atomic():
                answer = case.call(headers=headers)
                transaction.set_rollback(True)
            case.validate_response(answer, checks=CHECKS, headers=headers)

        try:
            try_it()
        except (FailureGroup, Failure) as failed:
            wrong.append(f"{operation.label}: {failed}")
    figure(f"schemathesis: {sent} requests as {role}, {len(wrong)} operations with a wrong answer")
    assert not wrong, "\n\n".join(wrong)
    return sent
