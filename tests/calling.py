"""How the journeys speak to a served installation: as client applications do, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.installation import Installation, Served

PASSWORD = "Correct-Horse-7"
ADMIN = {"username": "boss", "password": PASSWORD}


class Caller:
    """A client application: nothing but HTTP and a token."""

    def __init__(self, served: Served, *, token: str = "") -> None:
        self.base, self.token = f"http://127.0.0.1:{served.port}", token

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """headers: `Idempotency_Key="…"`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.base + path, method=method, headers=sent)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, data, timeout=30) as answer:
                return answer.status, _read(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, _read(refused)

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, shown = self.call(method, path, body, **headers)
        assert status in (200, 201, 204), (method, path, status, shown)
        return shown


def _read(answer: Any) -> Any:
    raw = answer.read()
    return json.loads(raw) if answer.headers.get("Content-Type", "").startswith("application/json") else raw.decode()


def make_admin(installation: Installation) -> None:
    created = installation.tandem(
        *("createadmin", "--username", "boss", "--phone", "+919000000009", "--name", "Boss", "--password", PASSWORD)
    )
    assert created.returncode == 0, created.stderr


def signed_in(served: Served, credentials: dict[str, str]) -> Caller:
    return Caller(served, token=Caller(served).ok("POST", "/api/auth/login/", credentials)["access"])
