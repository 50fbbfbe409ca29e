from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from tandem.accounts.models import LoginFailures, User
from tandem.accounts.tests.conftest import Api
from tandem.accounts.throttle import (
    MOST_PER_ACCOUNT,
    MOST_PER_ADDRESS,
    WINDOW,
    TooManyTries,
    account_buckets,
    give_back,
    reserve_try,
)
from tandem.common.addresses import client_address, household
from tests.cast import PASSWORD

LOGIN = "/api/auth/login/"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@contextmanager
def refused() -> Iterator[None]:
    before = list(LoginFailures.objects.order_by("pk").values())
    with pytest.raises(TooManyTries):
        yield
    assert list(LoginFailures.objects.order_by("pk").values()) == before


def test_the_eleventh_guess_is_not_looked_at(anyone: Api, asha: User) -> None:
    for _ in range(MOST_PER_ACCOUNT):
        assert anyone.post(LOGIN, {"username": "asha", "password": "wrong"}).status_code == 401

    answer = anyone.post(LOGIN, {"username": "asha", "password": PASSWORD})

    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_tries"
    assert 1 <= int(answer["Retry-After"]) <= WINDOW.total_seconds()


def test_all_spellings_of_a_person_share_one_count(anyone: Api, asha: User) -> None:
    spellings = ["asha", "ASHA", "+919000000001", "09000000001", "90000 00001"]
    answers = [anyone.post(LOGIN, {"username": login, "password": "wrong"}) for login in spellings * 3]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 5


def test_unknown_accounts_are_refused_alike(anyone: Api) -> None:
    answers = [anyone.post(LOGIN, {"username": "nobody", "password": "wrong"}) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429]


def test_that_it_was_too_often_is_an_answer_that_a_key_keeps(anyone: Api, asha: User) -> None:
    for _ in range(10):
        anyone.post(LOGIN, {"username": "asha", "password": "wrong"})

    body = {"username": "asha", "password": "wrong"}
    first, again = (anyone.post(LOGIN, body, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert (first.status_code, again.status_code, again.content) == (429, 429, first.content)
    assert (again["Idempotent-Replayed"], again["Retry-After"]) == ("true", first["Retry-After"])


def test_the_owner_elsewhere_is_not_locked_out(anyone: Api, asha: User) -> None:
    for _ in range(11):
        anyone.post(LOGIN, {"username": "asha", "password": "wrong"})

    answer = anyone.client.post(
        LOGIN, {"username": "asha", "password": PASSWORD}, "application/json", REMOTE_ADDR="198.51.100.7"
    )

    assert answer.status_code == 200


def test_the_other_logins_count_too(anyone: Api, asha: User) -> None:
    """The key's login and the admin pages try the same passwords."""
    for _ in range(5):
        anyone.post("/api-token-auth/", {"username": "asha", "password": "wrong"})
        anyone.client.login(username="asha", password="wrong")  # from no address: counted apart

    assert LoginFailures.objects.filter(failures=5).count() == 4


def test_a_right_password_ends_the_run(anyone: Api, asha: User) -> None:
    for _ in range(2):
        for _ in range(9):
            assert anyone.post(LOGIN, {"username": "asha", "password": "wrong"}).status_code == 401
        assert anyone.post(LOGIN, {"username": "asha", "password": PASSWORD}).status_code == 200


def test_owning_one_account_does_not_reset_the_address() -> None:
    for n in range(MOST_PER_ADDRESS - 1):
        reserve_try(account_buckets(f"victim {n}", "192.0.2.1"), now=NOON)
    own = account_buckets("own", "192.0.2.1")
    reserve_try(own, now=NOON)
    give_back(own)

    reserve_try(account_buckets("victim", "192.0.2.1"), now=NOON)
    with refused():
        reserve_try(account_buckets("another victim", "192.0.2.1"), now=NOON)


def test_no_window_holds_more_than_the_limit() -> None:
    """However the tries are spread: what counts is any 15 minutes, not those of a clock."""
    tried: list[datetime] = []
    for seconds in range(0, 3 * 3600, 20):
        now = NOON + timedelta(seconds=seconds)
        try:
            reserve_try(account_buckets("asha", "192.0.2.1")[:1], now=now)
        except TooManyTries:
            continue
        tried.append(now)

    assert len(tried) > 5 * MOST_PER_ACCOUNT
    assert all(sum(start <= moment < start + WINDOW for moment in tried) <= MOST_PER_ACCOUNT for start in tried)


def test_it_says_when_to_come_back() -> None:
    buckets = account_buckets("asha", "192.0.2.1")
    for _ in range(MOST_PER_ACCOUNT):
        reserve_try(buckets, now=NOON)

    with pytest.raises(TooManyTries) as caught:
        reserve_try(buckets, now=NOON + timedelta(minutes=5))
    assert caught.value.retry_after == 600
    reserve_try(buckets, now=NOON + WINDOW)


def test_a_try_is_counted_by_one_conditional_update(asha: User) -> None:
    """Nothing is read before it is written, so guesses at the same time cannot all see the same count."""
    reserve_try(account_buckets("asha", "192.0.2.1"), now=NOON)
    with CaptureQueriesContext(connection) as queries:
        reserve_try(account_buckets("asha", "192.0.2.1"), now=NOON)

    statements = [query["sql"].split()[0] for query in queries if "loginfailures" in query["sql"]]
    assert statements == ["INSERT", "UPDATE"] * 2


def test_it_can_be_switched_off(settings) -> None:
    settings.LOGIN_THROTTLE = False
    for _ in range(MOST_PER_ACCOUNT + 1):
        reserve_try(account_buckets("asha", "192.0.2.1"), now=NOON)

    assert not LoginFailures.objects.exists()


def test_the_table_names_nobody() -> None:
    reserve_try(account_buckets("asha", "192.0.2.1"), now=NOON)

    assert all(re.fullmatch("[0-9a-f]{64}", row.bucket) for row in LoginFailures.objects.all())


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "nonsense", True),
    ],
)
def test_one_connection_is_one_household(first: str, second: str, same: bool) -> None:
    assert (household(first) == household(second)) is same


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "address", "why"),
    [
        ([], "192.0.2.1", "203.0.113.9", "192.0.2.1", "nobody is trusted"),
        (["10.0.0.0/8"], "192.0.2.1", "203.0.113.9", "192.0.2.1", "not through the proxy"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9", "203.0.113.9", "through the proxy"),
        (["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9", "the left is made up"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9", "through two"),
        (["10.0.0.0/8"], "10.0.0.1", "nonsense", "10.0.0.1", "what cannot be read"),
        (["10.0.0.0/8"], "10.0.0.1", "", "10.0.0.1", "none"),
        (["10.0.0.1"], "10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1", "with a port"),
        (["10.0.0.1"], "10.0.0.1", "203.0.113.9:4711", "203.0.113.9", "with a port"),
        ([], "", "203.0.113.9", "", "a Unix socket"),
    ],
)
def test_it_believes_trusted_proxies_only(
    settings, proxies: list[str], remote: str, forwarded: str, address: str, why: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded})

    assert client_address(request) == address, why
