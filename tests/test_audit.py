"""In production settings nothing is left to say for Django's own checks, and what is silenced is done otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = {
    "TANDEM_PUBLIC_URL": "https://crm.example.com",
    "TANDEM_ALLOWED_HOSTS": "crm.example.com",
    "TANDEM_TRUSTED_PROXIES": "127.0.0.1",
    "DATABASE_URL": "",
}


def test_check_deploy_has_nothing_to_say_in_production(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TANDEM_", "CRM_"))}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=kept | PRODUCTION | {"TANDEM_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (3 silenced).\n"), done.stderr


@pytest.mark.django_db
def test_pages_are_never_framed() -> None:
    assert Client().get("/admin/login/")["X-Frame-Options"] == "DENY"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/login/", "/admin/logout/"])
def test_pages_take_no_form_from_elsewhere(path: str) -> None:
    assert Client(enforce_csrf_checks=True).post(path, {"username": "boss", "password": "x"}).status_code == 403


@pytest.mark.django_db
def test_the_api_knows_no_session_that_a_foreign_page_could_ride_on(settings: Any) -> None:
    """So it needs no CSRF token: a cookie is worth nothing there."""
    from tests.cast import person

    client = Client()
    client.force_login(person("asha"))
    assert client.get("/api/auth/me/").status_code == 401
