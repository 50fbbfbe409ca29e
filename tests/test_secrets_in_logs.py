"""No secret gets into the logs of web and worker, whatever goes wrong: real processes, at the most talkative level.

Gateway and receiver quote what they are sent, as careless ones do, and answer 500; the bucket does not answer at all;
credentials are sent where they do not belong, and are wrong in every way.
"""

from __future__ import annotations

import io
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from PIL import Image

from tandem.common import moments
from tests.calling import Caller, make_admin, signed_in
from tests.installation import Installation, Served, prepared
from tests.ports import free_port

pytestmark = pytest.mark.processes


def planted(name: str) -> str:
    return f"Planted-{name}-{uuid.uuid4().hex}"


class Echo(BaseHTTPRequestHandler):
    """Answers 500 with what it was sent. `received` keeps it."""

    received: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        Echo.received.append({"path": self.path, "headers": dict(self.headers), "body": body})
        answer = json.dumps(Echo.received[-1]).encode()
        self.send_response(500)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def echo() -> Iterator[int]:
    Echo.received = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_no_secret_gets_into_the_logs(tmp_path: Path) -> None:
    with prepared(tmp_path) as installation, echo() as port:
        secrets = _plant(installation, port)
        assert installation.tandem("migrate", "--new-key").returncode == 0
        make_admin(installation)
        with installation.serving() as served:
            _sign_in_and_fail_to(served, secrets)
            admin = signed_in(served, {"username": "boss", "password": "Correct-Horse-7"})
            secrets["access token"] = admin.token
            _webhook_that_fails(served, admin, port, secrets)
            _file_that_cannot_be_stored(served, admin, secrets)
            _code_that_cannot_be_sent(served, admin, secrets)
        log = served.log.read_text()
    assert '"POST","path":"/api/auth/login/","status":200' in log
    assert '"status":500' in log
    assert '"exception":' in log
    assert '"message":"sms postponed"' in log
    assert {name for name, secret in secrets.items() if not secret} == set()
    assert {name for name, secret in secrets.items() if secret in log} == set()
    assert len(secrets) >= 16


def _plant(installation: Installation, port: int) -> dict[str, str]:
    """Secrets of the installation itself."""
    secrets = {name: planted(name.replace(" ", "-")) for name in ("gateway token", "S3 access key", "S3 secret key")}
    secrets["secret key"] = planted("secret-key")
    secrets["gateway password"] = planted("address")
    installation.settings = {
        "TANDEM_LOG_LEVEL": "DEBUG",
        "TANDEM_SECRET_KEY": secrets["secret key"],
        "TANDEM_SMS_BACKEND": "http",
        "TANDEM_SMS_HTTP_URL": f"http://user:{secrets['gateway password']}@127.0.0.1:{port}/sms",
        "TANDEM_SMS_HTTP_TOKEN": secrets["gateway token"],
        "TANDEM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1",
        "TANDEM_S3_BUCKET": "tandem",
        "TANDEM_S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "TANDEM_S3_REGION": "ap-south-1",
        "TANDEM_S3_ACCESS_KEY": secrets["S3 access key"],
        "TANDEM_S3_SECRET_KEY": secrets["S3 secret key"],
        "CRM_OTP_DIGITS": "8",
        "AWS_MAX_ATTEMPTS": "1",
    }
    url = installation.environment["DATABASE_URL"]
    if connection.vendor == "postgresql" and not connection.settings_dict["PASSWORD"]:
        # A server that asks for none takes any.
        secrets["database password"] = planted("database")
        installation.settings["DATABASE_URL"] = url.replace("@", f":{secrets['database password']}@", 1)
    return secrets


def _sign_in_and_fail_to(served: Served, secrets: dict[str, str]) -> None:
    nobody = Caller(served)
    secrets["password"] = planted("password")
    phone = {"phone": "+919876500001", "password": secrets["password"], "name": "Ramesh"}
    once = {"Idempotency_Key": "once-and-again"}
    for _ in range(2):
        session = nobody.ok("POST", "/api/auth/token/register/", phone, **once)
    secrets["customer's access token"], secrets["refresh token"] = session["access"], session["refresh"]
    secrets["wrong password"] = planted("wrong")
    wrong = {"phone": "+919876500001", "password": secrets["wrong password"]}
    assert nobody.call("POST", "/api/auth/login/", wrong)[0] == 401
    assert nobody.call("POST", "/api/auth/login/", {**wrong, "password": {"x": secrets["wrong password"]}})[0] == 400
    assert nobody.call("POST", f"/api/auth/login/?password={secrets['wrong password']}", [wrong])[0] == 400
    key = nobody.ok("POST", "/api-token-auth/", {"username": "boss", "password": "Correct-Horse-7"}, **once)
    secrets["key"] = key["token"]
    nobody.call("POST", "/api/auth/token/refresh/", {"refresh": secrets["refresh token"] + "x"})
    nobody.ok("POST", "/api/auth/token/refresh/", {"refresh": secrets["refresh token"]})
    secrets["Authorization header"] = planted("header")
    for scheme in ("Bearer", "Token", "Basic", ""):
        sent = f"{scheme} {secrets['Authorization header']}".strip()
        assert nobody.call("GET", "/api/auth/me/", Authorization=sent)[0] == 401
    secrets["cookie"] = planted("cookie")
    assert nobody.call("GET", "/admin/login/", Cookie=f"sessionid={secrets['cookie']}")[0] == 200
    secrets["signature of a link"] = uuid.uuid4().hex
    assert nobody.call("GET", f"/api/files/x.png?expires=1&signature={secrets['signature of a link']}")[0] == 403


def _webhook_that_fails(served: Served, admin: Caller, port: int, secrets: dict[str, str]) -> None:
    secrets["webhook's header"] = planted("webhook")
    made = admin.ok(
        "POST",
        "/api/webhooks/",
        {
            "name": "CRM",
            "model": "Client",
            "url": f"http://127.0.0.1:{port}/hook",
            "method": "POST",
            "headers": {"X-Api-Key": secrets["webhook's header"]},
        },
        Idempotency_Key="one-webhook",
    )
    secrets["webhook's secret"] = made["secret"]
    rotated = admin.ok("POST", f"/api/webhooks/{made['id']}/rotate-secret/")
    secrets["webhook's next secret"] = rotated["secret"]
    admin.ok("POST", "/api/clients/", {"name": "Malligai"})
    served.wait_until(lambda: _received("/hook"), "the webhook is tried")
    assert secrets["webhook's header"] in _received("/hook")[0]["headers"].values()


def _file_that_cannot_be_stored(served: Served, admin: Caller, secrets: dict[str, str]) -> None:
    client = admin.ok("POST", "/api/clients/", {"name": "Thamarai"})
    drawn = io.BytesIO()
    Image.new("RGB", (2, 2)).save(drawn, "PNG")
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        + drawn.getvalue()
        + b"\r\n--x--\r\n"
    )
    secrets["word in a file's form"] = planted("form")
    form = form.replace(b"--x--", b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\n%s\r\n--x--') % (
        secrets["word in a file's form"].encode()
    )
    status = _post_form(admin, f"/api/clients/{client['id']}/files/", form)
    assert status >= 500


def _post_form(caller: Caller, path: str, form: bytes) -> int:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(caller.base + path, form, {"Content-Type": "multipart/form-data; boundary=x"})
    request.add_header("Authorization", f"Bearer {caller.token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def _code_that_cannot_be_sent(served: Served, admin: Caller, secrets: dict[str, str]) -> None:
    customer, worker = (
        admin.ok(
            "POST",
            "/api/auth/admin/users/",
            {"name": role.title(), "phone": phone, "role": role, "password": "Correct-Horse-7", "region": "Madurai"},
        )
        for role, phone in (("customer", "+919876500002"), ("worker", "+919876500003"))
    )
    card = {"model": "X1", "customer": customer["id"], "region": "Madurai", "city": "Madurai"}
    card["warranty_start_date"] = str(moments.today())
    card["warranty_end_date"] = str(moments.today() + timedelta(days=365))
    card = admin.ok("POST", "/api/crm/cards/", card)
    day = str(moments.today() + timedelta(days=1))
    visit = admin.ok("POST", "/api/crm/services/", {"card": card["id"], "description": "leaks", "preferred_date": day})
    admin.ok("POST", f"/api/crm/services/{visit['id']}/assign/", {"assigned_to": worker["id"], "force": True})
    admin.ok("POST", f"/api/crm/services/{visit['id']}/request_otp/")
    served.wait_until(lambda: _received("/sms"), "the message is tried")
    (code,) = re.findall(r"\b\d{8}\b", json.loads(_received("/sms")[0]["body"])["text"])
    secrets["one-time code"] = code
    wrong = f"{(int(code) + 1) % 10**8:08}"
    assert admin.call("POST", f"/api/crm/services/{visit['id']}/verify_otp/", {"otp": wrong})[0] == 400
    served.wait_until(lambda: '"message":"sms postponed"' in served.log.read_text(), "the worker tells of it")
    admin.ok("POST", f"/api/crm/services/{visit['id']}/verify_otp/", {"otp": code, "work_detail": "new valve"})


def _received(path: str) -> list[dict[str, Any]]:
    return [one for one in Echo.received if one["path"].startswith(path)]
