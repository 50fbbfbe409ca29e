"""Each check of `tandem doctor` notices what it is for, and says what helps."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from tandem.common import moments
from tandem.common.models import Installation, PeriodicJob
from tandem.common.postgresql.base import DatabaseWrapper as PostgreSQL
from tandem.config import doctor, health, instance, jobs, secret_key
from tandem.config.database import SchemaState
from tandem.config.doctor import CHECKS, Verdict
from tandem.sms.outbox import queue_message
from tandem.webhooks.models import Notice
from tandem.webhooks.tests.hooks import hook
from tests.cast import person
from tests.ports import free_port

pytestmark = pytest.mark.django_db

Usage = namedtuple("Usage", "total used free")
GOOD_SECRET = "k3Jd92jsKq0-plWmv8Zx_1uYtRbNcE5hGfA7oSiQ"
EARLIER = timedelta(minutes=10)


class Broken:
    """An installation in which one thing is wrong."""

    def __init__(self, settings: Any, patch: pytest.MonkeyPatch, directory: Path) -> None:
        self.settings, self.patch = settings, patch
        settings.DATA_DIR = directory
        settings.SECRET_KEY = GOOD_SECRET
        (directory / "secret_key").write_text(GOOD_SECRET)
        (directory / "secret_key").chmod(0o600)
        patch.delenv("TANDEM_SECRET_KEY", raising=False)

    def set(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.settings, name, value)

    def old_sqlite(self) -> None:
        self.patch.setattr(sqlite3, "sqlite_version_info", (3, 37, 0))

    def readable_secret(self) -> None:
        (self.settings.DATA_DIR / "secret_key").chmod(0o644)

    def lost_secret(self) -> None:
        (self.settings.DATA_DIR / "secret_key").unlink()

    def another_secret(self) -> None:
        Installation.objects.create(pk=Installation.THE_ONE, key_fingerprint="0" * 64)

    def full_disk(self) -> None:
        self.patch.setattr(shutil, "disk_usage", lambda _: Usage(10**10, 10**10 - 10**8, 10**8))

    def database_away(self) -> None:
        def refuse(*_: Any) -> None:
            raise OperationalError("connection refused")

        self.patch.setattr(connection, "cursor", refuse)

    def read_only(self) -> None:
        def refuse() -> None:
            raise OperationalError("attempt to write a readonly database")

        self.patch.setattr(health, "check_writable", refuse)

    def unmigrated(self) -> None:
        self.patch.setattr("tandem.config.database.schema_state", lambda: SchemaState(missing=["sms.0009"], unknown=[]))

    def unindexed(self) -> None:
        self.patch.setattr(connection, "vendor", "postgresql")
        self.patch.setattr("tandem.academy.trigrams.are_names_indexed", lambda _: False)

    def dead_worker(self) -> None:
        PeriodicJob.objects.create(name=jobs.HEARTBEAT, last_finished_at=moments.now() - EARLIER)
        self.patch.setattr(instance, "is_running", lambda _: True)

    def failing_job(self) -> None:
        PeriodicJob.objects.create(name="autoassign", last_error="ValueError: x")

    def late_message(self) -> None:
        queue_message(to="+910000000001", text="x", purpose="otp", now=moments.now() - EARLIER)

    def late_webhook(self) -> None:
        at = moments.now() - EARLIER
        Notice.objects.create(sequence=1, model="Lead", type="lead.updated", kind="updated", record="r", at=at, data={})

    def links_without_address(self) -> None:
        self.set(PUBLIC_URL="")
        hook()

    def silent_broker(self) -> None:
        self.set(BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")

    def replica_away(self) -> None:
        away = {**connection.settings_dict, "ENGINE": "tandem.common.postgresql", "HOST": "127.0.0.1"}
        away |= {"PORT": str(free_port()), "OPTIONS": {"connect_timeout": 5}}
        replica = PostgreSQL(away, alias="replica")
        self.patch.setattr("django.db.connections", {"replica": replica})

    def bucket_away(self) -> None:
        options = {"bucket_name": "b", "endpoint_url": f"http://127.0.0.1:{free_port()}"}
        options |= {"access_key": "k", "secret_key": "s", "region_name": "eu-west-1"}
        bucket = {"BACKEND": "tandem.files.buckets.Bucket", "OPTIONS": options}
        self.set(S3_BUCKET="b", STORAGES=self.settings.STORAGES | {"files": bucket})

    def files_of_another(self) -> None:
        directory = self.settings.DATA_DIR / "files"
        directory.mkdir()
        may = os.access
        self.patch.setattr(os, "access", lambda path, mode: path != directory and may(path, mode))

    def lost_assets(self) -> None:
        self.patch.setattr("django.contrib.staticfiles.finders.find", lambda _: None)

    def no_directory(self) -> None:
        (self.settings.DATA_DIR / "file").touch()
        self.set(DATA_DIR=self.settings.DATA_DIR / "file")

    def directory_gone(self) -> None:
        self.set(DATA_DIR=self.settings.DATA_DIR / "gone")


CASES: list[tuple[str, Callable[[Broken], None], Verdict, str, str]] = [
    ("versions", Broken.old_sqlite, Verdict.PROBLEM, "SQLite", "3.38"),
    ("data directory", Broken.directory_gone, Verdict.PROBLEM, "does not exist", "tandem migrate"),
    ("data directory", Broken.no_directory, Verdict.PROBLEM, "is no directory", "set TANDEM_DATA_DIR"),
    ("disk space", Broken.full_disk, Verdict.PROBLEM, "0.1 GB free", "free some space"),
    ("secret key", lambda it: it.set(SECRET_KEY="short"), Verdict.PROBLEM, "shorter", "leave TANDEM_SECRET_KEY empty"),
    ("secret key", Broken.readable_secret, Verdict.PROBLEM, "read by others (mode 644)", "chmod 600"),
    ("database", Broken.database_away, Verdict.PROBLEM, "could not be checked", "DATABASE_URL"),
    ("secret key", Broken.lost_secret, Verdict.PROBLEM, "there is none", "from a backup"),
    ("known key", Broken.another_secret, Verdict.PROBLEM, "another one than", "bring the old one back"),
    ("writing", Broken.read_only, Verdict.PROBLEM, "readonly", "DATABASE_URL"),
    ("migrations", Broken.unmigrated, Verdict.PROBLEM, "not prepared", "run `tandem migrate`"),
    ("searches", Broken.unindexed, Verdict.WARNING, "whole tables", "CREATE EXTENSION"),
    ("worker", Broken.dead_worker, Verdict.PROBLEM, "though Tandem runs", "start `tandem worker`"),
    ("periodic jobs", Broken.failing_job, Verdict.PROBLEM, "autoassign: ValueError", "see the log"),
    ("text messages", Broken.late_message, Verdict.PROBLEM, "has been due for 600 s", "does the gateway answer"),
    ("webhooks", Broken.late_webhook, Verdict.PROBLEM, "has been due for 600 s", "is the worker alive"),
    ("broker", Broken.silent_broker, Verdict.WARNING, "does not answer (", "is TANDEM_BROKER_URL right"),
    ("replica", Broken.replica_away, Verdict.PROBLEM, "reports and exports are refused", "DATABASE_REPLICA_URL right"),
    ("uploads", Broken.bucket_away, Verdict.PROBLEM, "kept in the bucket: EndpointConnectionError", "TANDEM_S3_ACC"),
    ("uploads", Broken.files_of_another, Verdict.PROBLEM, "is not writable for this user", "chown"),
    (
        "SMS backend",
        lambda it: it.set(SMS_BACKEND="http", SMS_HTTP_URL=""),
        Verdict.PROBLEM,
        "is empty",
        "set TANDEM_SMS",
    ),
    ("SMS backend", lambda it: it.set(SMS_BACKEND="console"), Verdict.WARNING, "nobody receives", "http or twilio"),
    ("time zone", lambda it: it.patch.setattr(doctor, "ZoneInfo", _no_zone), Verdict.PROBLEM, "no time zone", "Asia/"),
    ("phone region", lambda it: it.set(PHONE_REGION="XX"), Verdict.PROBLEM, "no region 'XX'", "TANDEM_PHONE_REGION"),
    ("static assets", Broken.lost_assets, Verdict.PROBLEM, "not found", "make setup"),
    ("allowed hosts", lambda it: it.set(ALLOWED_HOSTS=["*"]), Verdict.WARNING, "any host", "TANDEM_ALLOWED_HOSTS"),
    (
        "allowed hosts",
        lambda it: it.set(ALLOWED_HOSTS=["localhost"]),
        Verdict.WARNING,
        "only this machine",
        "public name",
    ),
    (
        "public address",
        lambda it: it.set(PUBLIC_URL="https://crm.example.com", ALLOWED_HOSTS=["localhost"]),
        Verdict.PROBLEM,
        "not among TANDEM_ALLOWED_HOSTS",
        "add crm.example.com",
    ),
    (
        "public address",
        lambda it: it.set(PUBLIC_URL="https://crm.example.com", ALLOWED_HOSTS=["crm.example.com"], TRUSTED_PROXIES=[]),
        Verdict.PROBLEM,
        "again and again",
        "set TANDEM_TRUSTED_PROXIES",
    ),
    ("links to files", Broken.links_without_address, Verdict.WARNING, "no receiver can fetch", "set TANDEM_PUBLIC_URL"),
    ("safety", lambda it: it.set(DEBUG=True), Verdict.WARNING, "TANDEM_DEBUG is on", "refuses other addresses"),
]


def _no_zone(name: str) -> None:
    raise KeyError(name)


@pytest.fixture
def broken(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Broken:
    return Broken(settings, monkeypatch, tmp_path)


@pytest.mark.parametrize(("check", "breaks", "verdict", "found", "cure"), CASES)
def test_a_check_notices_and_says_what_helps(
    broken: Broken,
    capsys: pytest.CaptureFixture[str],
    check: str,
    breaks: Callable[[Broken], None],
    verdict: Verdict,
    found: str,
    cure: str,
) -> None:
    broken.patch.setattr(doctor, "CHECKS", {check: CHECKS[check]})
    breaks(broken)
    code = doctor.main()
    told, helps = capsys.readouterr().out.splitlines()[:2]
    assert told.startswith(f"{verdict:>8}  {check}: ")
    assert found in told
    assert helps.strip().startswith("→ ")
    assert cure in helps
    assert code == (verdict == Verdict.PROBLEM)


@pytest.mark.parametrize(
    ("breaks", "cause", "skipped"),
    [
        (Broken.database_away, "database", 9),
        (Broken.unmigrated, "migrations", 7),
        (Broken.lost_secret, "secret key", 1),
        (Broken.no_directory, "data directory", 13 if connection.vendor == "sqlite" else 4),
    ],
)
def test_one_cause_is_one_problem(
    broken: Broken, capsys: pytest.CaptureFixture[str], breaks: Callable[[Broken], None], cause: str, skipped: int
) -> None:
    # A database in memory knows no WAL.
    broken.patch.setitem(CHECKS, "database", lambda: connection.cursor().close() or doctor.ok("answers"))
    breaks(broken)
    assert doctor.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].strip() for line in lines if "PROBLEM" in line] == [f"PROBLEM  {cause}"]
    assert len([line for line in lines if line.startswith(" skipped  ") and ": not checked, see " in line]) == skipped
    assert lines[-1] == "1 problem."


def test_each_check_has_a_case_in_which_it_fails() -> None:
    assert {check for check, *_ in CASES} == set(CHECKS)


def test_a_sound_installation_has_nothing_to_mend(broken: Broken, capsys: pytest.CaptureFixture[str]) -> None:
    person("asha")
    secret_key.make_known()
    PeriodicJob.objects.create(name=jobs.HEARTBEAT, last_finished_at=moments.now())
    broken.set(SMS_BACKEND="file", ALLOWED_HOSTS=["crm.example.com"], DEBUG=False, LOGIN_THROTTLE=True)
    # A database in memory, as the tests have it, knows no WAL.
    checks = {name: check for name, check in CHECKS.items() if name != "database"}
    broken.patch.setattr(doctor, "CHECKS", checks)
    assert doctor.main() == 0
    printed = capsys.readouterr().out
    assert "→" not in printed
    assert printed.endswith("Everything that matters is in order.\n")


@pytest.mark.parametrize(
    ("url", "is_active", "found"),
    [("https://crm.example.com", True, "lead to https://crm.example.com"), ("", False, "at which they are asked for")],
)
def test_links_are_in_order_with_an_address_or_while_nobody_is_told(
    url: str, is_active: bool, found: str, broken: Broken
) -> None:
    broken.set(PUBLIC_URL=url)
    hook(is_active=is_active)
    finding = doctor.links_to_files()
    assert finding.verdict == Verdict.OK
    assert finding.found.endswith(found)
