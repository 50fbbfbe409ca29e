"""The snippets of docs/webhooks.md do what the page says, run just as they are printed there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from tandem.webhooks.outgoing import Client, NotSent
from tandem.webhooks.signing import new_secret, signature
from tests.installation import PATIENCE_SECONDS
from tests.ports import free_port

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "webhooks.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# A snippet names its file in its first line.
SNIPPETS = {found[1]: code for _, code in BLOCKS if (found := re.match(r"(?:#|//) (\w+\.\w+)", code))}
BODY = next(code for language, code in BLOCKS if language == "json").encode()


@dataclass(frozen=True)
class Sent:
    """One request as it arrives."""

    id: str
    timestamp: str
    signature: str
    body: bytes
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"webhook-id": self.id, "webhook-timestamp": self.timestamp, "webhook-signature": self.signature}


def sent(*, age_seconds: int = 0, signed_with: list[str] | None = None, secret: str = "") -> Sent:
    secret = secret or new_secret()
    at = int(time.time()) - age_seconds
    message_id = json.loads(BODY)["id"]
    signed = signature(signed_with or [secret], message_id=message_id, timestamp=at, body=BODY)
    return Sent(message_id, str(at), signed, BODY, secret)


def genuine() -> Sent:
    return sent()


def rotated(*, to: bool) -> Sent:
    old, new = new_secret(), new_secret()
    return sent(signed_with=[new, old], secret=new if to else old)


def without_body() -> Sent:
    right = sent()
    made = signature([right.secret], message_id=right.id, timestamp=int(right.timestamp), body=b"")
    return replace(right, body=b"", signature=made)


def one_byte_changed() -> Sent:
    right = sent()
    place = right.body.index(b"Moodle")
    return replace(right, body=right.body[:place] + b"N" + right.body[place + 1 :])


def one_byte_longer() -> Sent:
    right = sent()
    return replace(right, body=right.body + b"\n")


GENUINE: dict[str, Callable[[], Sent]] = {
    "genuine": genuine,
    "four minutes old": lambda: sent(age_seconds=4 * 60),
    "rotated, the new secret": lambda: rotated(to=True),
    "rotated, the old secret": lambda: rotated(to=False),
}
FORGED: dict[str, Callable[[], Sent]] = {
    "one byte changed": one_byte_changed,
    "one byte longer": one_byte_longer,
    "ten minutes old": lambda: sent(age_seconds=10 * 60),
    "from the future": lambda: sent(age_seconds=-10 * 60),
    "younger than it was signed": lambda: replace(sent(age_seconds=10 * 60), timestamp=str(int(time.time()))),
    "a timestamp that is a word": lambda: replace(sent(), timestamp="now"),
    "a timestamp that is a command": lambda: replace(sent(), timestamp="a[$(touch ran)]"),
    "no timestamp": lambda: replace(sent(), timestamp=""),
    "another id": lambda: replace(sent(), id="msg_other"),
    "another secret": lambda: replace(sent(), secret=new_secret()),
    "another scheme": lambda: replace(sent(), signature=sent().signature.replace("v1,", "v1a,")),
    "half a signature": lambda: replace(sent(), signature=sent().signature[:20]),
    "no signature": lambda: replace(sent(), signature=""),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, code in SNIPPETS.items():
        (tmp_path / name).write_text(code)
    return tmp_path


def ran(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def says_python(folder: Path, request: Sent, module: str) -> bool:
    driver = (
        f"import sys, json; from {module} import is_genuine; headers, secret = json.load(open('sent.json'));"
        "print(is_genuine(headers, open('body', 'rb').read(), secret))"
    )
    (folder / "body").write_bytes(request.body)
    (folder / "sent.json").write_text(json.dumps([request.headers, request.secret]))
    done = ran(folder, sys.executable, "-c", driver)
    assert done.stdout.strip() in ("True", "False"), done.stderr
    return done.stdout.strip() == "True"


def says_node(folder: Path, request: Sent) -> bool:
    (folder / "driver.mjs").write_text(
        "import { readFileSync } from 'node:fs'; import { isGenuine } from './verify.mjs';"
        "const [headers, secret] = JSON.parse(readFileSync('sent.json'));"
        "console.log(isGenuine(headers, readFileSync('body'), secret));"
    )
    (folder / "body").write_bytes(request.body)
    (folder / "sent.json").write_text(json.dumps([request.headers, request.secret]))
    done = ran(folder, "node", "driver.mjs")
    assert done.stdout.strip() in ("true", "false"), done.stderr
    return done.stdout.strip() == "true"


def says_shell(folder: Path, request: Sent) -> bool:
    (folder / "body").write_bytes(request.body)
    done = ran(
        folder,
        *("bash", "verify.sh", "body", request.id, request.timestamp, request.signature),
        WEBHOOK_SECRET=request.secret,
    )
    assert done.stdout.startswith("genuine" if done.returncode == 0 else "refused: "), done.stdout + done.stderr
    return done.returncode == 0


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


VERIFIERS = [
    pytest.param(lambda folder, request: says_python(folder, request, "verify"), id="python"),
    pytest.param(lambda folder, request: says_python(folder, request, "verify_with_library"), id="standardwebhooks"),
    pytest.param(says_node, id="node", marks=needs("node")),
    pytest.param(says_shell, id="openssl", marks=needs("openssl")),
]
Verifier = Callable[[Path, Sent], bool]


def test_the_page_has_a_snippet_for_each_way() -> None:
    assert sorted(SNIPPETS) == [
        "receive.py",
        "send.sh",
        "verify.mjs",
        "verify.py",
        "verify.sh",
        "verify_with_library.py",
    ]
    programs = [code for language, code in BLOCKS if language in ("python", "javascript", "bash")]
    assert sorted(programs) == sorted(SNIPPETS.values()), "a program without a name is not run"


@pytest.mark.parametrize("case", GENUINE)
@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_genuine_request_is_accepted(verifier: Verifier, case: str, folder: Path) -> None:
    assert verifier(folder, GENUINE[case]())


@pytest.mark.parametrize("case", FORGED)
@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_forged_request_is_refused(verifier: Verifier, case: str, folder: Path) -> None:
    assert not verifier(folder, FORGED[case]())
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("verifier", [param for param in VERIFIERS if param.id != "standardwebhooks"])
def test_a_request_without_a_body_is_accepted(verifier: Verifier, folder: Path) -> None:
    assert verifier(folder, without_body())


@pytest.fixture
def receiver(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """The page's receiver, listening: its address, its secret, and the file where it writes."""
    port = free_port()
    secret = new_secret()
    printed = folder / "printed"
    with printed.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "receive.py"],
            cwd=folder,
            env={**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)},
            stdout=out,
            stderr=out,
        )
    try:
        wait_until_it_listens(port, process, printed)
        yield f"http://127.0.0.1:{port}/hooks/tandem", secret, printed
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes], printed: Path) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"the receiver does not listen: {printed.read_text()}")


@pytest.mark.processes
@pytest.mark.any_database
def test_the_receiver_takes_what_we_send_and_knows_a_duplicate(receiver: tuple[str, str, Path]) -> None:
    url, secret, printed = receiver
    right = sent(secret=secret)
    again = sent(secret=secret, age_seconds=1)
    forged = sent()

    async def statuses() -> list[int]:
        async with Client(allowed=[ip_network("127.0.0.0/8")]) as client:
            return [(await client.send("POST", url, one.headers, one.body)).status for one in (right, again, forged)]

    try:
        assert asyncio.run(statuses()) == [204, 204, 401]
    except NotSent as failed:
        raise AssertionError(printed.read_text()) from failed
    assert printed.read_text() == "lead.updated Meenakshi Çelik\n"


@pytest.mark.processes
@pytest.mark.any_database
@needs("curl")
@needs("openssl")
def test_the_curl_snippet_is_accepted_by_the_receiver(receiver: tuple[str, str, Path], folder: Path) -> None:
    url, secret, printed = receiver
    (folder / "body.json").write_bytes(BODY)
    done = ran(folder, "bash", "send.sh", url, "body.json", WEBHOOK_SECRET=secret)
    assert (done.stdout, done.returncode) == ("204\n", 0), done.stderr + printed.read_text()
    done = ran(folder, "bash", "send.sh", url, "body.json", WEBHOOK_SECRET=new_secret())
    assert (done.stdout, done.returncode) == ("401\n", 0), done.stderr


def test_the_example_of_the_body_has_the_keys_of_the_contract() -> None:
    example = json.loads(BODY)
    assert list(example) == ["id", "type", "timestamp", "sequence", "model", "data", "previous"]
    head = next(code for language, code in BLOCKS if language == "http")
    assert f"webhook-id: {example['id']}\n" in head
    assert set(example["previous"]) <= set(example["data"])
