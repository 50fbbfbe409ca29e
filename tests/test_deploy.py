"""What deploy/ holds works: each command of the Dockerfile, of compose.yaml and of the units runs, outside of them.

There is no container engine where the tests run. So the image is built in a directory that stands for its root, by the
Dockerfile's own lines, and the commands of all three start the Tandem that came out of it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem.config import env
from tests.installation import PATIENCE_SECONDS, Installation, prepared
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")

# Lines of the Dockerfile that are not run here, and why.
APART = {
    "COPY --from=ghcr.io/": "uv of this machine stands in for uv of the image",
    "RUN apt-get": "installs PostgreSQL's client programs into the image's Debian",
    "RUN useradd": "makes the image's user and the directory that it owns",
}
# What differs outside of the image, and why.
STANDS_IN = {
    "UV_PYTHON": sys.executable,  # the Python of the base image
    "UV_COMPILE_BYTECODE": "0",  # saves time at the start only, and costs it here
    "UV_LINK_MODE": "hardlink",
}


class Image:
    """A directory that stands for the image's root, and what the last stage of the Dockerfile says of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment: dict[str, str] = {}
        self.directory = "/"
        self.command: list[str] = []
        self.health_check: list[str] = []
        self.apart: list[str] = []

    def outside(self, text: str) -> str:
        """A text of the Dockerfile with the image's directories as they are called out here."""
        return re.sub(r"(?<![\w.-])/(app|data)\b", rf"{self.root}/\1", text)

    def variables(self) -> dict[str, str]:
        home = {name: os.environ[name] for name in ("HOME", "UV_CACHE_DIR", "SSL_CERT_FILE") if name in os.environ}
        return {"PATH": os.environ["PATH"], **home, **self.environment, **STANDS_IN}

    def build(self, dockerfile: str) -> None:
        for keyword, rest in instructions(dockerfile):
            if any(f"{keyword} {rest}".startswith(one) for one in APART):
                self.apart.append(f"{keyword} {rest}")
            else:
                getattr(self, f"_{keyword.lower()}")(rest)

    def _from(self, rest: str) -> None:
        self.environment = {}
        for left in (self.root / "app").glob("[!.]*"):  # the next stage is handed .venv, and nothing of this
            left.rename(self.root / f"stage-{left.name}")

    def _env(self, rest: str) -> None:
        for name, value in (one.split("=", 1) for one in shlex.split(rest)):
            self.environment[name] = self.outside(value).replace("$PATH", os.environ["PATH"])

    def _workdir(self, rest: str) -> None:
        self.directory = self.outside(rest)
        Path(self.directory).mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        if rest.startswith("--from=build "):
            source, target = rest.split()[1:]
            assert source == target, "a virtual environment works at its own place only"
            return
        *sources, target = rest.split()
        for source in sources:
            assert f"!{source}" in ignored(), f"{source} is not sent to the engine"
            into = Path(self.directory) / target / ("" if len(sources) > 1 or target.endswith("/") else ".")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__", "tests"))
            else:
                shutil.copy(ROOT / source, into)

    def _run(self, rest: str) -> None:
        command = self.outside(rest).replace("uv ", f"{UV} ", 1)
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=self.directory,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{rest}\n{done.stderr}"

    def _cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _healthcheck(self, rest: str) -> None:
        self.health_check = json.loads(rest.partition("CMD ")[2])

    def _user(self, rest: str) -> None:
        assert rest not in ("root", "0"), "the product needs no rights"

    def _volume(self, rest: str) -> None:
        assert rest == self.environment["TANDEM_DATA_DIR"].removeprefix(str(self.root))

    def _expose(self, rest: str) -> None:
        assert rest == "8000"


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """(keyword, rest) of each instruction, continued lines joined."""
    text = "\n".join(line for line in dockerfile.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            keyword, _, rest = line.partition(" ")
            yield keyword, rest.strip()


def ignored() -> list[str]:
    return (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def unit(name: str) -> dict[str, list[str]]:
    """Key → values of a unit, whatever the section."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / name).read_text().splitlines():
        key, is_one, value = line.partition("=")
        if is_one and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    if not Path(UV).exists():
        pytest.skip("uv is not installed")
    built = Image(tmp_path_factory.mktemp("image"))
    built.build((DEPLOY / "Dockerfile").read_text())
    return built


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with prepared(tmp_path_factory.mktemp("installation")) as made:
        yield made


def test_the_image_holds_the_product_and_nothing_of_its_development(image: Image) -> None:
    assert sorted(path.name for path in (image.root / "app").iterdir()) == [".venv"]
    (site,) = (image.root / "app" / ".venv" / "lib").glob("python3.*/site-packages")
    installed = {path.name for path in site.iterdir()}
    assert {"tandem", "django", "boto3", "storages"} <= installed
    assert installed.isdisjoint({"pytest", "mypy", "schemathesis"})
    missing = _product_files() - {str(path.relative_to(site)) for path in (site / "tandem").rglob("*")}
    assert not missing, f"not in the package: {sorted(missing)[:5]}"


def _product_files() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "tandem"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {name for name in listed.stdout.split() if "/tests/" not in name}


def test_each_line_that_is_not_run_here_has_its_reason(image: Image) -> None:
    assert len(image.apart) == len(APART), "a reason that excuses nothing, or a line that two excuse"


@pytest.mark.processes
def test_what_is_started_serves_works_and_stops_when_it_is_told_to(image: Image, installation: Installation) -> None:
    services = compose()["services"]
    starts = {
        "the image": image.command,
        "compose: web": services["web"]["command"],
        "compose: worker": services["worker"]["command"],
        "systemd: web": shlex.split(unit("tandem-web.service")["ExecStart"][0]),
    }
    assert unit("tandem-worker.service")["ExecStart"] == [
        "/opt/tandem/.venv/bin/" + shlex.join(starts["compose: worker"])
    ]
    started: dict[str, Started] = {}
    try:
        for name, command in starts.items():
            started[name] = Started(image, installation, name, command)
            started["the image"].wait_until_it_runs()  # the others then find its bytecode
        for one in started.values():
            one.wait_until_it_runs()
    finally:
        codes = {name: one.stop() for name, one in started.items()}
    assert codes == dict.fromkeys(starts, 0)


class Started:
    """A process of the image, and how one sees that it runs: the image's health check, or the worker's line."""

    def __init__(self, image: Image, installation: Installation, name: str, command: Sequence[str]) -> None:
        self.name, self.port = name, free_port() if "serve" in command else 0
        program = str(image.root / "app" / ".venv" / "bin" / "tandem")
        assert command[0] in ("tandem", "/opt/tandem/.venv/bin/tandem")
        asked = [program, *command[1:]]
        check = image.health_check
        if self.port:
            asked[asked.index("8000")] = str(self.port)
            asked += ["--workers", "1"]
            check = [part.replace("8000", str(self.port)) for part in check]
        self.check = check
        self.environment = image.variables() | installation.environment | {"PATH": image.environment["PATH"]}
        self.log = installation.data_dir / f"{name.replace(': ', '-').replace(' ', '-')}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(asked, env=self.environment, stdout=log, stderr=log, cwd=image.root)

    def wait_until_it_runs(self) -> None:
        _wait(lambda: self._is_well() or self.process.poll() is not None)
        assert self.process.poll() is None, f"{self.name} ended:\n{self.log.read_text()}"

    def _is_well(self) -> bool:
        if not self.port:
            return '"worker started"' in self.log.read_text()
        if not _listens(self.port):  # spares starting the check in vain
            return False
        return subprocess.run(self.check, env=self.environment, capture_output=True, check=False).returncode == 0

    def stop(self) -> int:
        """The exit code after the one SIGTERM that an engine and systemd send."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)


@pytest.mark.processes
def test_the_health_check_notices_a_server_that_is_not_there(image: Image) -> None:
    check = [part.replace("8000", str(free_port())) for part in image.health_check]
    assert subprocess.run(check, env=image.variables(), capture_output=True, check=False).returncode != 0


@pytest.mark.processes
def test_the_commands_that_end_do_what_they_are_for(image: Image, installation: Installation, tmp_path: Path) -> None:
    bin_directory = image.root / "app" / ".venv" / "bin"
    variables = installation.environment | {"PATH": f"{bin_directory}:{os.environ['PATH']}"}

    def run(command: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", f"exec {command}"], env=variables, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout

    assert run(shlex.join(compose()["services"]["migrate"]["command"])) == "The database is up to date.\n"
    for command in unit("tandem-backup.service")["ExecStart"]:
        command = command.replace("/opt/tandem/.venv/bin/", "").replace("/var/backups/tandem", str(tmp_path))
        run(command.replace("%%", "%"))
    (kept,) = tmp_path.iterdir()
    assert re.fullmatch(r"tandem-\d{4}-\d\d-\d\d\.backup", kept.name)


# --- compose.yaml ----------------------------------------------------------------------------------------------------
SERVICE_KEYS = {
    *("image", "build", "command", "environment", "env_file", "ports", "volumes", "networks", "depends_on", "restart"),
    *("healthcheck", "stop_grace_period", "init", "read_only", "tmpfs", "cap_drop", "security_opt", "logging"),
    *("shm_size", "profiles"),
}


def test_compose_names_only_what_is_there() -> None:
    read = compose()
    assert set(read) == {"name", "x-tandem", "services", "networks", "volumes"}
    for name, service in read["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service.get("networks", [])) <= set(read["networks"]), name
        assert set(service.get("depends_on", [])) <= set(read["services"]), name
        named = [volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith((".", "/"))]
        assert set(named) <= set(read["volumes"]), name
        assert re.fullmatch(r"[a-z]+:\d[\d.]*", service["image"]), f"{name}: an image without its version"
        for path in (volume.split(":")[0] for volume in service.get("volumes", []) if volume.startswith(".")):
            assert (DEPLOY / path).exists(), path
    assert (DEPLOY / read["x-tandem"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / read["x-tandem"]["build"]["dockerfile"]).exists()


def test_compose_waits_for_what_says_when_it_is_ready() -> None:
    services = compose()["services"]
    for service in services.values():
        needed = service.get("depends_on", {})
        for name, how in needed.items() if isinstance(needed, dict) else ():
            if how["condition"] == "service_healthy":
                assert "test" in services[name]["healthcheck"]
            else:
                assert services[name]["restart"] == "no"


def test_each_variable_is_a_setting_and_is_explained_in_the_example() -> None:
    needed = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    given = _example()
    assert needed <= set(given)
    assert set(given) - set(env.DECLARED) == {"TANDEM_SITE", "DATABASE_PASSWORD"}
    ours = [
        compose()["x-tandem"],
        *(one for one in compose()["services"].values() if one["image"].startswith("tandem")),
    ]
    for service in ours:
        assert set(service["environment"]) <= set(env.DECLARED)
    units = [one for path in UNITS for one in unit(path.name).get("Environment", [])]
    assert {one.split("=")[0] for one in units} <= {*env.DECLARED, "PROMETHEUS_MULTIPROC_DIR"}


def _example() -> dict[str, str]:
    lines = (DEPLOY / "tandem.env.example").read_text().splitlines()
    found = [re.fullmatch(r"#?([A-Z][A-Z0-9_]+)=(.*)", line) for line in lines]
    return {one[1]: one[2] for one in found if one}


def test_the_network_that_is_trusted_holds_the_proxy_and_the_web_alone() -> None:
    read = compose()
    trusted = ip_network(read["services"]["web"]["environment"]["TANDEM_TRUSTED_PROXIES"])
    assert ip_network(read["networks"]["front"]["ipam"]["config"][0]["subnet"]) == trusted
    assert {name for name, one in read["services"].items() if "front" in one["networks"]} == {"proxy", "web"}
    assert "front" not in read["services"]["database"]["networks"]
    assert read["networks"]["back"] == {"internal": True}
    assert [name for name, one in read["services"].items() if "ports" in one] == ["proxy"]


def test_the_image_reads_backups_of_the_database_that_compose_runs() -> None:
    (told,) = re.findall(r"up to their own version, (\d+)", (DEPLOY / "Dockerfile").read_text())
    assert compose()["services"]["database"]["image"] == f"postgres:{told}"


# --- the programs around it, where they are installed ----------------------------------------------------------------
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for path in UNITS:
        text = path.read_text().replace("/opt/tandem/.venv/bin/tandem", sys.executable)
        (tmp_path / path.name).write_text(text.replace("file:/opt/tandem/docs/operating.md", "man:true(1)"))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    about_us = [line for line in told.stderr.splitlines() if "tandem" in line]
    assert (told.returncode, about_us) == (0, [])


def test_units_leave_time_to_stop_and_share_what_they_must() -> None:
    from tandem.config import supervisor

    for name in ("tandem-web.service", "tandem-worker.service"):
        read = unit(name)
        assert int(read["TimeoutStopSec"][0]) > supervisor.STOP_SECONDS
        assert f"/var/lib/{read['StateDirectory'][0]}" == read["Environment"][0].partition("=")[2]
        assert f"/run/{read['RuntimeDirectory'][0]}" == read["Environment"][1].partition("=")[2]


CADDY = shutil.which("caddy")


@pytest.mark.processes
@pytest.mark.skipif(CADDY is None, reason="Caddy is not installed")
def test_nobody_makes_up_an_address_behind_caddy(installation: Installation, tmp_path: Path) -> None:
    installation.settings = {"TANDEM_TRUSTED_PROXIES": "127.0.0.1"}
    site = free_port()
    with installation.serving() as served:
        config = tmp_path / "Caddyfile"
        config.write_text("{\n\tadmin off\n}\n" + (DEPLOY / "Caddyfile").read_text())
        named = {"TANDEM_SITE": f"http://127.0.0.1:{site}", "TANDEM_UPSTREAMS": f"127.0.0.1:{served.port}"}
        proxy = subprocess.Popen(
            [str(CADDY), "run", "--config", str(config), "--adapter", "caddyfile"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **named},
            stderr=subprocess.DEVNULL,
        )
        try:
            served.wait_until(lambda: _status(site, "/livez", {}) == 200, "Caddy passes requests on")
            made_up = [{"X-Forwarded-For": f"203.0.113.{n}"} for n in range(1, 12)]
            through = [_status(site, "/api/auth/login/", sent, login="nobody") for sent in made_up]
            past = [_status(served.port, "/api/auth/login/", sent, login="someone") for sent in made_up]
        finally:
            proxy.terminate()
            proxy.wait(30)
    assert through == [401] * 10 + [429], "Caddy throws away what the client sent"
    assert past == [401] * 11, "and where the client is the trusted proxy itself, its word counts"


def _status(port: int, path: str, headers: Mapping[str, str], *, login: str = "") -> int:
    body = json.dumps({"username": login, "password": "Wrong-Horse-7"}).encode() if login else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, dict(headers))
    if body:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0
