"""Reports and exports read the replica, where there is one, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.calling import Caller, make_admin, signed_in
from tests.installation import Installation, _url, copy_of, prepared
from tests.ports import free_port

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no replicas"),
]

REPORTS = ("/api/crm/reports/warranty/", "/api/crm/reports/upcoming-services/", "/api/crm/admin/export/services/")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with prepared(tmp_path / "first") as made:
        make_admin(made)
        yield made


def test_exports_read_the_replica_and_lists_do_not(installation: Installation, tmp_path: Path) -> None:
    with installation.serving() as served:
        signed_in(served, {"username": "boss", "password": "Correct-Horse-7"}).ok(
            "POST", "/api/clients/", {"name": "Thamarai"}
        )
    with copy_of(installation, tmp_path / "copy") as copy:
        installation.execute("UPDATE academy_client SET name = 'Malligai'")
        installation.settings = {"DATABASE_REPLICA_URL": _url(copy.database)}
        with installation.serving() as served:
            admin = signed_in(served, {"username": "boss", "password": "Correct-Horse-7"})
            assert [one["name"] for one in admin.ok("GET", "/api/clients/")] == ["Malligai"]
            exported = admin.ok("GET", "/api/clients/export/?format=csv")
            assert "Thamarai" in exported
            assert "Malligai" not in exported
            for path in REPORTS:
                admin.ok("GET", path)


def test_it_is_read_in_the_schema_that_tandem_uses(installation: Installation) -> None:
    url = installation.environment["DATABASE_URL"]
    installation.settings = {"DATABASE_URL": f"{url}?options=-csearch_path%3Dours", "DATABASE_REPLICA_URL": url}
    shown = installation.python("""
from django.db import connections
for asked in ("search_path", "transaction_read_only"):
    with connections["replica"].cursor() as cursor:
        cursor.execute(f"SHOW {asked}")
        print(*cursor.fetchone())
""")
    assert (shown.stdout, shown.stderr) == ("ours\non\n", "")


def test_while_it_is_away_reports_are_and_nothing_else_is(installation: Installation) -> None:
    installation.settings = {"DATABASE_REPLICA_URL": f"postgresql://postgres@127.0.0.1:{free_port()}/none"}
    with installation.serving() as served:
        admin = signed_in(served, {"username": "boss", "password": "Correct-Horse-7"})
        assert {path: admin.call("GET", path)[0] for path in REPORTS[:2]} == dict.fromkeys(REPORTS[:2], 503)
        admin.ok("POST", "/api/clients/", {"name": "Thamarai"})
        assert Caller(served).call("GET", "/readyz")[0] == 200
