"""Files in a bucket: against a server that speaks S3, started on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from django.core.files.storage import storages

from tandem.common import moments
from tandem.config.settings import STORAGES
from tandem.files.checked import CheckedFile
from tandem.files.links import link_to
from tandem.files.storage import keep, kept, opened, remove
from tests.cast import ANONYMOUS

pytestmark = [pytest.mark.processes, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

BUCKET = "tandem-files"
KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}

_SERVER = """
import sys, threading
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until whoever started it closes the pipe or dies
server.stop()
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.stdin.close()
        server.wait(timeout=30)


@pytest.fixture
def bucket(endpoint: str, settings: Any) -> Iterator[Any]:
    """The bucket as its owner sees it; Tandem is set to keep files there."""
    options = {
        "bucket_name": BUCKET,
        "endpoint_url": endpoint,
        "region_name": "eu-west-1",
        "access_key": "key",
        "secret_key": "secret",
    }
    settings.STORAGES = settings.STORAGES | {
        "files": {"BACKEND": "tandem.files.buckets.Bucket", "OPTIONS": options},
    }
    urlopen(Request(f"{endpoint}/moto-api/reset", method="POST"))
    found = boto3.resource("s3", endpoint_url=endpoint, **KEYS).Bucket(BUCKET)
    found.create(CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield found
    storages.__dict__.pop("_storages", None)


def test_a_file_is_kept_read_and_removed(bucket: Any) -> None:
    key = keep(CheckedFile(b"content", "png"), entity="client", pk=7)
    assert [one.key for one in bucket.objects.all()] == [key]
    file = opened(key)
    assert file is not None
    with file:
        assert file.read() == b"content"
    remove(key)
    assert list(bucket.objects.all()) == []
    assert opened(key) is None
    remove(key)


def test_a_refused_change_leaves_nothing_behind(bucket: Any) -> None:
    during: list[int] = []

    def change() -> None:
        with kept(CheckedFile(b"content", "png"), entity="client", pk=7):
            during.append(len(list(bucket.objects.all())))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert (during, list(bucket.objects.all())) == ([1], [])


def test_links_are_our_own_and_die_with_their_file(bucket: Any) -> None:
    key = keep(CheckedFile(b"content", "png"), entity="client", pk=7)
    link = link_to(key, now=moments.now())
    assert link is not None
    assert link.startswith("/api/files/client/7/")
    assert BUCKET not in link
    shown = ANONYMOUS.get(link)
    assert (shown.status_code, shown.content, shown["Content-Type"]) == (200, b"content", "image/png")
    remove(key)
    assert ANONYMOUS.get(link).status_code == 404


def test_nobody_reads_the_bucket_without_the_key(bucket: Any, endpoint: str) -> None:
    key = keep(CheckedFile(b"content", "png"), entity="client", pk=7)
    grants = bucket.Object(key).Acl().grants
    assert not [grant for grant in grants if grant["Grantee"].get("URI")], "no grant to everybody"


_WITH_A_BUCKET = """
from tandem.config import settings
files = settings.STORAGES["files"]
print(files["BACKEND"], *(files["OPTIONS"][name] for name in sorted(files["OPTIONS"])))
"""


def test_the_settings_choose_the_bucket(tmp_path: Any) -> None:
    assert STORAGES["files"]["BACKEND"] == "django.core.files.storage.FileSystemStorage", "on disk by default"
    chosen = {
        "TANDEM_DATA_DIR": str(tmp_path),
        "TANDEM_S3_BUCKET": "b",
        "TANDEM_S3_ENDPOINT_URL": "http://s3.example.com",
        "TANDEM_S3_REGION": "r",
        "TANDEM_S3_ACCESS_KEY": "a",
        "TANDEM_S3_SECRET_KEY": "s",
    }
    command = [sys.executable, "-c", _WITH_A_BUCKET]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **chosen}).stdout
    assert printed.split() == ["tandem.files.buckets.Bucket", "a", "b", "http://s3.example.com", "r", "s"]
