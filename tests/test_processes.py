"""The process tree of `tandem serve`, with real processes and real signals."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tandem.config.child import LONGEST_SILENCE_SECONDS
from tests.figures import figure
from tests.installation import (
    NOT_PREPARED,
    Installation,
    Served,
    alive,
    copy_of,
    empty,
    file_limit_raised,
    prepared,
)
from tests.ports import free_port

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with prepared(tmp_path_factory.mktemp("original")) as installation:
        yield installation


@pytest.fixture
def installation(original: Installation, tmp_path: Path) -> Iterator[Installation]:
    with copy_of(original, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def served(original: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that goes on, whatever is done to it."""
    with copy_of(original, tmp_path_factory.mktemp("served")) as made, made.serving(workers=2) as running:
        running.wait_until(lambda: running.child("worker"), "the worker runs")
        yield running


def test_ctrl_c_stops_every_process(installation: Installation) -> None:
    with installation.serving() as served:
        tree = served.tree()
        assert len(tree) >= 3  # the server, its process, the worker
        # The terminal sends it to the whole group of the supervisor.
        os.killpg(served.supervisor.pid, signal.SIGINT)
        assert served.supervisor.wait(60) == 0
        assert alive(tree) == set()
        assert not served.is_listening()


def test_a_killed_supervisor_leaves_no_orphan(installation: Installation) -> None:
    with installation.serving() as served:
        tree = served.tree()
        served.supervisor.kill()
        served.supervisor.wait()
        # A server's process that goes first may be started again by a master that goes next: that one must go too.
        served.wait_until(lambda: not alive(tree) and not served.is_listening(), "no orphan holds the port")
        assert alive(served.seen) == set()


def test_a_killed_worker_is_started_again(served: Served) -> None:
    killed = served.child("worker")
    os.kill(killed, signal.SIGKILL)
    served.wait_until(lambda: served.child("worker") not in {0, killed}, "another worker runs")


def test_a_killed_server_process_is_started_again(served: Served) -> None:
    server = served.child("web")
    below = served.tree() - {server, served.child("worker")}
    os.kill(min(below), signal.SIGKILL)
    served.wait_until(lambda: served.tree() - below - {server, served.child("worker")}, "another one runs")
    served.wait_until(served.answers, "it answers")
    assert alive({server})


def test_a_killed_server_takes_its_processes_along_and_is_started_again(served: Served) -> None:
    server = served.child("web")
    below = served.tree() - {served.child("worker")}
    os.kill(server, signal.SIGKILL)
    served.wait_until(lambda: not alive(below), "the old server's processes have died")
    served.wait_until(served.answers, "a new server answers")
    assert served.child("web") not in {0, server}


def test_slow_clients_hold_nobody_up(served: Served) -> None:
    """500 that never finish what they began to send: half of them their headers, half their bodies."""
    begun = [b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"POST /api-token-auth/ HTTP/1.1\r\nHost: x\r\n"]
    begun[1] += b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    with ExitStack() as open_ones:
        for n in range(500):
            slow = open_ones.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            slow.sendall(begun[n % 2])
        seconds = sorted(_timed(served.answers) for _ in range(100))
    figure(f"with 500 slow clients, a healthy one: median {seconds[50] * 1000:.0f} ms, p99 {seconds[98] * 1000:.0f} ms")
    served.wait_until(served.answers, "it answers after they have gone away")
    assert alive(served.tree()) >= {served.child("web")}


def test_silent_clients_take_nobody_s_place(served: Served) -> None:
    """More than the system keeps waiting and, left to itself, a server process admits; they say nothing at all."""
    with ExitStack() as open_ones, file_limit_raised():
        for _ in range(3000):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=5))
        seconds = sorted(_timed(served.answers) for _ in range(100))
        figure(f"with 3000 silent clients, a healthy one: p99 {seconds[98] * 1000:.0f} ms")
    served.wait_until(served.answers, "it answers after they have gone away")


@pytest.mark.soak
def test_a_silent_client_is_hung_up_on(served: Served) -> None:
    """Whether it never said anything, or nothing more after it was answered. That takes its half a minute."""
    with ExitStack() as open_ones:
        silent, answered = (
            open_ones.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(2)
        )
        answered.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        for one in (silent, answered):
            one.settimeout(3 * LONGEST_SILENCE_SECONDS)
            while one.recv(4096):
                pass
        assert time.monotonic() - began > LONGEST_SILENCE_SECONDS / 2, "an answer was not the end of it"


def _timed(answers: Callable[[], bool]) -> float:
    began = time.monotonic()
    assert answers()
    return time.monotonic() - began


def test_a_second_server_on_the_same_port_is_refused(served: Served) -> None:
    second = served.installation.tandem("serve", "--port", str(served.port))
    assert (second.returncode, second.stdout) == (1, "")
    assert f"cannot serve on 127.0.0.1:{served.port}: the port is in use" in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_nothing_is_restored_under_a_running_server(served: Served, tmp_path: Path) -> None:
    refused = served.installation.tandem("restore", str(tmp_path / "any.zip"), "--force")
    assert refused.returncode == 1
    assert "Tandem is running there; stop `tandem serve` and `tandem worker` first" in refused.stderr


def test_a_schema_is_not_changed_under_a_running_server(served: Served) -> None:
    assert served.installation.tandem("migrate").stdout == "The database is up to date.\n"
    name = "app = 'sms' AND name = '0001_initial'"
    served.installation.execute(f"UPDATE django_migrations SET app = 'elsewhere' WHERE {name}")
    refused = served.installation.tandem("migrate")
    served.installation.execute("UPDATE django_migrations SET app = 'sms' WHERE app = 'elsewhere'")
    assert refused.returncode == 1
    assert "a migration needs" in refused.stderr
    assert "Tandem is running there" in refused.stderr


def test_a_database_that_is_not_prepared_is_not_served(tmp_path: Path) -> None:
    with empty(tmp_path) as bare:
        refused = bare.tandem("serve", "--port", str(free_port()))
    assert refused.returncode == 1
    assert refused.stderr == NOT_PREPARED


def test_a_database_of_a_newer_version_is_not_served(installation: Installation) -> None:
    installation.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('sms', '9999_later', '2030-01-01 00:00:00')"
    )
    refused = installation.tandem("serve", "--port", str(free_port()))
    assert refused.returncode == 1
    assert "written by a newer version (sms.9999_later is unknown here)" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_dangerous_settings_are_not_served_in_public(installation: Installation) -> None:
    installation.settings = {"TANDEM_DEBUG": "on", "CRM_OTP_IN_ANSWER": "on"}
    refused = installation.tandem("serve", "--host", "0.0.0.0", "--port", str(free_port()))
    assert refused.returncode == 1
    first, second = refused.stderr.splitlines()
    assert first.startswith("tandem: not served on 0.0.0.0: TANDEM_DEBUG is on")
    assert second.startswith("tandem: not served on 0.0.0.0: CRM_OTP_IN_ANSWER is on")


def test_a_public_name_is_as_public_as_an_address(installation: Installation) -> None:
    installation.settings = {"CRM_OTP_IN_ANSWER": "on", "TANDEM_ALLOWED_HOSTS": "localhost,crm.example.com"}
    refused = installation.tandem("serve", "--port", str(free_port()))
    assert refused.returncode == 1
    assert refused.stderr.startswith("tandem: not served on 127.0.0.1: CRM_OTP_IN_ANSWER is on")


def test_a_backend_for_messages_that_is_not_set_up_is_named(installation: Installation) -> None:
    installation.settings = {"TANDEM_SMS_BACKEND": "http"}
    refused = installation.tandem("serve", "--port", str(free_port()))
    assert (refused.returncode, refused.stderr) == (1, "tandem: TANDEM_SMS_BACKEND=http needs TANDEM_SMS_HTTP_URL\n")
