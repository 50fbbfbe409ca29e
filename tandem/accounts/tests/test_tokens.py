"""Refresh tokens and the end of sessions, in both schemes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import jwt
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.accounts.models import AccessKey, RefreshSession, User
from tandem.accounts.tests.conftest import Api, bearer, with_key
from tandem.accounts.tokens import (
    BadToken,
    end_sessions,
    open_key,
    open_session,
    refresh_session,
)
from tandem.common import moments
from tests.cast import PASSWORD

REFRESH = "/api/auth/token/refresh/"
LOGOUT = "/api/auth/logout/"
BAD_TOKEN = {"detail": "This token is not valid, or not any more. Sign in again.", "code": "token_not_valid"}


def works(access: str) -> bool:
    return Api(f"Bearer {access}").get("/api/auth/me/").status_code == 200


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the clock stand some seconds ahead."""

    def shift(seconds: float) -> None:
        ahead = timedelta(seconds=seconds)
        monkeypatch.setattr(moments, "now", lambda: datetime.now(tz=moments.UTC) + ahead)

    return shift


def test_refreshing_answers_both_tokens(anyone: Api, chitra: User) -> None:
    first = open_session(chitra, now=moments.now())

    answer = anyone.post(REFRESH, {"refresh": first.refresh})

    assert answer.status_code == 200
    assert sorted(answer.json()) == ["access", "refresh"]
    assert answer.json()["refresh"] != first.refresh
    assert works(answer.json()["access"])
    assert anyone.post(REFRESH, {"refresh": answer.json()["refresh"]}).status_code == 200


def test_parallel_refreshes_all_get_a_pair_that_lasts(anyone: Api, chitra: User, later: Callable) -> None:
    first = open_session(chitra, now=moments.now())

    pairs = [anyone.post(REFRESH, {"refresh": first.refresh}).json() for _ in range(3)]

    assert len({pair["refresh"] for pair in pairs}) == 3
    later(120)
    for pair in pairs:
        assert anyone.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(1, 200), (59, 200), (62, 401), (86_400, 401)])
def test_a_rotated_token_works_for_a_minute(
    anyone: Api, chitra: User, later: Callable, seconds: int, status: int
) -> None:
    first = open_session(chitra, now=moments.now())
    anyone.post(REFRESH, {"refresh": first.refresh})

    later(seconds)
    answer = anyone.post(REFRESH, {"refresh": first.refresh})

    assert answer.status_code == status
    if status == 401:
        assert answer.json() == BAD_TOKEN


def test_using_the_grace_does_not_prolong_it(chitra: User) -> None:
    start = moments.now()
    first = open_session(chitra, now=start).refresh
    for seconds in (0, 40, 59):
        refresh_session(first, now=start + timedelta(seconds=seconds))

    with pytest.raises(BadToken):
        refresh_session(first, now=start + timedelta(seconds=61))


def test_the_rows_of_one_session_do_not_pile_up(chitra: User) -> None:
    start = moments.now() - timedelta(hours=10)
    token = open_session(chitra, now=start).refresh
    for hour in range(10):
        token = refresh_session(token, now=start + timedelta(hours=hour)).refresh

    assert RefreshSession.objects.filter(user=chitra).count() == 2


def test_refreshing_locks_the_user_first(chitra: User) -> None:
    """So that it cannot add a token while a password change is deleting them."""
    token = open_session(chitra, now=moments.now()).refresh
    with CaptureQueriesContext(connection) as queries:
        refresh_session(token, now=moments.now())

    statements = [query["sql"] for query in queries if "accounts_" in query["sql"]]
    assert '"accounts_user"' in statements[0]
    assert len(statements) == 5
    if connection.vendor == "postgresql":
        assert statements[0].endswith("FOR NO KEY UPDATE")


@pytest.mark.parametrize("body", [{}, {"refresh": ""}, {"refresh": None}, {"refresh": []}])
def test_a_missing_token_is_bad_input(anyone: Api, body: dict) -> None:
    answer = anyone.post(REFRESH, body)

    assert answer.status_code == 400
    assert list(answer.json()) == ["refresh"]


def test_an_access_token_does_not_refresh(anyone: Api, chitra: User) -> None:
    pair = open_session(chitra, now=moments.now())

    assert anyone.post(REFRESH, {"refresh": pair.access}).status_code == 401
    assert not works(pair.refresh)


def test_logging_out_ends_the_whole_family_and_no_other(anyone: Api, chitra: User) -> None:
    first = open_session(chitra, now=moments.now())
    second = anyone.post(REFRESH, {"refresh": first.refresh}).json()["refresh"]
    elsewhere = open_session(chitra, now=moments.now())

    answer = anyone.post(LOGOUT, {"refresh": first.refresh})

    assert (answer.status_code, answer.json()) == (200, {"detail": "Signed out."})
    assert anyone.post(REFRESH, {"refresh": first.refresh}).status_code == 401
    assert anyone.post(REFRESH, {"refresh": second}).status_code == 401
    assert anyone.post(REFRESH, {"refresh": elsewhere.refresh}).status_code == 200
    assert anyone.post(LOGOUT, {"refresh": first.refresh}).status_code == 200  # a repeated request


def test_logging_out_needs_a_token_of_ours(anyone: Api, chitra: User) -> None:
    answer = anyone.post(LOGOUT, {"refresh": "nonsense"})

    assert (answer.status_code, answer.json()) == (401, BAD_TOKEN)


def test_deleting_a_key_ends_that_key_only(chitra: User) -> None:
    here, elsewhere, session = with_key(chitra), with_key(chitra), bearer(chitra)

    assert here.post("/api/logout/").status_code == 200

    assert here.get("/api/me/").status_code == 401
    assert elsewhere.get("/api/me/").status_code == 200
    assert session.post("/api/logout/").status_code == 200
    assert session.get("/api/me/").status_code == 200
    assert AccessKey.objects.filter(user=chitra).count() == 1


def _deactivate(user: User, asha: User) -> None:
    answer = bearer(asha).patch(f"/api/auth/admin/users/{user.pk}/update/", {"is_active": False})
    assert answer.status_code == 200


def _reset_password(user: User, asha: User) -> None:
    path = f"/api/auth/admin/users/{user.pk}/change-password/"
    assert bearer(asha).post(path, {"new_password": "another-lantern-43"}).status_code == 200


def _change_password(user: User, asha: User) -> None:
    body = {"old_password": PASSWORD, "new_password": "another-lantern-43"}
    assert bearer(user).post("/api/auth/change-password/", body).status_code == 200


@pytest.mark.parametrize("cause", [_deactivate, _reset_password, _change_password])
def test_every_session_ends_at_once(anyone: Api, asha: User, chitra: User, cause: Callable) -> None:
    pair = open_session(chitra, now=moments.now())
    session, key = Api(f"Bearer {pair.access}"), with_key(chitra)

    cause(chitra, asha)

    for stale in (session, key):
        answer = stale.get("/api/auth/me/")
        assert (answer.status_code, answer.json()) == (401, BAD_TOKEN)
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert anyone.post(REFRESH, {"refresh": pair.refresh}).status_code == 401


def test_reactivating_revives_no_old_session(anyone: Api, asha: User, chitra: User) -> None:
    pair = open_session(chitra, now=moments.now())
    session, key = Api(f"Bearer {pair.access}"), with_key(chitra)
    _deactivate(chitra, asha)
    bearer(asha).patch(f"/api/auth/admin/users/{chitra.pk}/update/", {"is_active": True})

    assert session.get("/api/auth/me/").status_code == 401
    assert key.get("/api/auth/me/").status_code == 401
    assert anyone.post(REFRESH, {"refresh": pair.refresh}).status_code == 401
    assert anyone.post("/api/auth/login/", {"phone": chitra.phone, "password": PASSWORD}).status_code == 200


def test_no_credential_is_made_for_sessions_that_ended_meanwhile(chitra: User) -> None:
    """A login that read the user before a password change, and goes on after it."""
    stale = User.objects.get(pk=chitra.pk)
    end_sessions(chitra)

    with pytest.raises(BadToken):
        open_session(stale, now=moments.now())
    with pytest.raises(BadToken):
        open_key(stale, now=moments.now())
    assert not AccessKey.objects.exists()
    assert not RefreshSession.objects.exists()


def test_a_role_change_counts_on_the_next_request(asha: User, chitra: User, signed_in: Callable) -> None:
    api = signed_in(chitra)
    assert api.get("/api/auth/admin/users/").status_code == 403

    bearer(asha).patch(f"/api/auth/admin/users/{chitra.pk}/update/", {"role": "admin"})
    assert api.get("/api/auth/admin/users/").status_code == 200

    bearer(asha).patch(f"/api/auth/admin/users/{chitra.pk}/update/", {"role": "customer"})
    assert api.get("/api/auth/admin/users/").status_code == 403


def forged(user: User, **changed: object) -> str:
    claims = {
        "token_type": "access",
        "exp": moments.now() + timedelta(hours=1),
        "iat": moments.now(),
        "jti": "0" * 32,
        "user_id": str(user.pk),
        "epoch": user.session_epoch,
    }
    key = changed.pop("key", django_settings.SECRET_KEY)
    algorithm = changed.pop("algorithm", "HS256")
    merged = {name: value for name, value in (claims | changed).items() if value is not None}
    return jwt.encode(merged, key, algorithm=algorithm)  # type: ignore[arg-type]


def test_a_forged_token_with_the_right_secret_would_work(chitra: User) -> None:
    """The control of the table below: there only the one thing is wrong."""
    assert works(forged(chitra))


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "x" * 50},
        {"key": "", "algorithm": "none"},
        {"algorithm": "HS384"},
        {"exp": moments.now() - timedelta(seconds=1)},
        {"exp": None},
        {"jti": None},
        {"jti": 5},
        {"token_type": "refresh"},
        {"token_type": None},
        {"epoch": None},
        {"epoch": "0"},
        {"epoch": True},
        {"epoch": 1},
        {"epoch": 2**40},
        {"epoch": -1},
        {"user_id": None},
        {"user_id": ""},
        {"user_id": "1 or 1=1"},
        {"user_id": "-1"},
        {"user_id": "0"},
        {"user_id": str(2**63)},
        {"user_id": "9" * 40},
        {"user_id": "٣"},
        {"user_id": [1]},
    ],
    ids=lambda changed: f"{next(iter(changed))}={type(next(iter(changed.values()))).__name__}",
)
def test_no_forged_token_is_accepted(chitra: User, changed: dict) -> None:
    answer = Api(f"Bearer {forged(chitra, **changed)}").get("/api/auth/me/")

    assert (answer.status_code, answer.json()) == (401, BAD_TOKEN)


def test_no_tampered_token_is_accepted(chitra: User) -> None:
    head, body, signature = open_session(chitra, now=moments.now()).access.split(".")
    for token in (f"{head}.{body}.", f"{head}.{body}", f"{head}.{body[:-2]}.{signature}", f"{head}..{signature}"):
        assert not works(token)
    for token in (".", "..", "...", "é.é.é", "W10.W10.W10", f"{head}.bnVsbA.{signature}", "a" * 50_000):
        assert not works(token)
    flipped = "B" if signature[5] != "B" else "C"
    assert not works(f"{head}.{body}.{signature[:5]}{flipped}{signature[6:]}")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("Bearer", "no token"),
        ("Bearer ", "an empty one"),
        ("Bearer a b", "two words"),
        ("Bearer {key}", "the other scheme's credential"),
        ("Token", "no key"),
        ("Token {key}x", "longer"),
        ("Token {digest}", "what the database holds"),
        ("Token \xff\xfe", "not ASCII"),
        ("Bearer \xff\xfe", "not ASCII"),
        ("Basic YXNoYTp4", "an unknown scheme"),
        ("{key}", "no scheme"),
    ],
)
def test_bad_headers_are_refused(chitra: User, header: str, why: str) -> None:
    key = open_key(chitra, now=moments.now())
    digest = AccessKey.objects.get().digest

    answer = Api(header.format(key=key, digest=digest)).get("/api/auth/me/")

    assert answer.status_code == 401, why
    assert answer.json()["code"] == "token_not_valid"
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_no_header_is_told_apart_from_a_bad_one(anyone: Api) -> None:
    answer = anyone.get("/api/auth/me/")

    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_the_scheme_is_read_in_any_case(chitra: User) -> None:
    access = open_session(chitra, now=moments.now()).access

    assert Api(f"bearer {access}").get("/api/auth/me/").status_code == 200
    assert Api(f"TOKEN {open_key(chitra, now=moments.now())}").get("/api/auth/me/").status_code == 200


def test_a_credential_costs_one_statement(chitra: User, signed_in: Callable) -> None:
    api = signed_in(chitra)
    api.get("/api/auth/me/")
    with CaptureQueriesContext(connection) as queries:
        answer = api.get("/api/auth/me/")

    assert answer.status_code == 200
    assert len(queries) == 2  # the credential, the record
    assert '"password"' not in queries[0]["sql"]


def test_keys_are_stored_hashed(anyone: Api, asha: User) -> None:
    key = anyone.post("/api-token-auth/", {"username": "asha", "password": PASSWORD}).json()["token"]

    assert len(key) == 40
    stored = AccessKey.objects.get()
    assert key not in (stored.digest, stored.digest[:40])
    assert Api(f"Token {key}").get("/api/me/").status_code == 200


@pytest.mark.parametrize("path", ["/api-token-auth/", "/api/api-token-auth/"])
def test_the_key_login_is_mounted_twice(anyone: Api, asha: User, path: str) -> None:
    for login in ("asha", "09000000001"):
        answer = anyone.post(path, {"username": login, "password": PASSWORD})
        assert answer.status_code == 200
        assert list(answer.json()) == ["token"]


@pytest.mark.parametrize("login", ["asha", "nobody"])
def test_the_key_login_refuses_with_400(anyone: Api, asha: User, login: str) -> None:
    answer = anyone.post("/api-token-auth/", {"username": login, "password": "wrong"})

    message = "No active account has these credentials."
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": [message], "detail": message})


def test_the_key_login_names_what_is_missing(anyone: Api) -> None:
    answer = anyone.post("/api-token-auth/", {})

    assert answer.status_code == 400
    assert sorted(answer.json()) == ["password", "username"]
