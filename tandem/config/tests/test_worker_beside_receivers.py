"""Receivers of webhooks that hang delay neither text messages nor imports, which the same worker sees to."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from tandem.webhooks.tests.receiving import receiving
from tandem.webhooks.tests.test_crashes import rows, wait_until
from tests.installation import PATIENCE_SECONDS, TANDEM, prepared

pytestmark = pytest.mark.processes

HANGING = 20
QUEUE = f"""
from django.core.files.uploadedfile import SimpleUploadedFile
from tandem.academy.api import imports
from tandem.common import moments
from tandem.sms.outbox import queue_message
from tandem.webhooks.tests.hooks import hook
from tests.cast import as_

asha = as_("asha")
for n in range({HANGING}):
    hook("Client", url=f"URL/{{n}}")
for n in range(3):
    assert asha.post("/api/clients/", {{"name": f"Acme {{n}}"}}).status_code == 201
queue_message(to="+919876543210", text="Good morning", purpose="test", now=moments.now())
imports.IN_THE_REQUEST = 1
file = SimpleUploadedFile("leads.csv", b"name\\nJo\\nJoe\\n")
assert asha.client.post("/api/leads/import/", {{"file": file}}, headers=asha.headers).status_code == 202
"""
OTHERS = "SELECT (SELECT status FROM sms_message), (SELECT status FROM jobs_job)"
TRIED = "SELECT DISTINCT status, attempts FROM webhooks_delivery"


def test_messages_and_imports_are_done_while_all_receivers_still_hang(tmp_path: Path) -> None:
    """Receivers answer when the others are done. Had one attempt ended before, by its time-out, it were a second."""
    let_go = threading.Event()
    with receiving() as there, prepared(tmp_path) as installation:
        there.answer = lambda got: (200 if let_go.wait(PATIENCE_SECONDS) else 500, {}, b"")
        installation.settings = {"TANDEM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8", "TANDEM_SMS_BACKEND": "file"}
        queued = installation.python(QUEUE.replace("URL", there.url))
        assert queued.returncode == 0, queued.stderr
        with open(tmp_path / "worker.log", "w") as log:
            worker = subprocess.Popen([TANDEM, "worker"], env=installation.environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: rows(installation, OTHERS) == [("sent", "done")], "the message and the import are done")
            wait_until(lambda: len(there.got) >= HANGING, "all receivers are told something")
            let_go.set()
            wait_until(lambda: {status for status, _ in rows(installation, TRIED)} == {"delivered"}, "all is told")
        finally:
            let_go.set()
            worker.terminate()
            worker.wait(60)
        assert rows(installation, TRIED) == [("delivered", 1)]
