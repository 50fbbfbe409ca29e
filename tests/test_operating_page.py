"""docs/operating.md tells of every metric, and of no other; and names only files and tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from tandem.common import metrics, moments
from tandem.common.models import PeriodicJob
from tandem.config import env, jobs

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "operating.md").read_text()


@pytest.mark.django_db
def test_every_metric_is_explained_with_its_kind_and_no_other() -> None:
    PeriodicJob.objects.create(name=jobs.HEARTBEAT, last_finished_at=moments.now())
    metrics.observe_request(route="api/x/", method="GET", status=200, seconds=0.004, queries=2)
    shown = Client().get("/metrics").content.decode()
    told = dict(re.findall(r"^# TYPE (tandem_\w+) (\w+)$", shown, re.MULTILINE))
    told = {name: kind for name, kind in told.items() if not name.endswith("_created")}
    explained = dict(re.findall(r"^\| `(tandem_\w+)` \| (\w+)", PAGE, re.MULTILINE))
    assert explained == told


@pytest.mark.django_db
def test_every_metric_says_what_it_means_and_has_its_labels() -> None:
    metrics.observe_request(route="api/x/", method="GET", status=200, seconds=0.004, queries=3)
    lines = Client().get("/metrics").content.decode().splitlines()
    helped = {line.split()[2] for line in lines if line.startswith("# HELP tandem_")}
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE tandem_")}
    assert typed <= helped
    counted = next(line for line in lines if line.startswith('tandem_queries_total{method="GET",route="api/x/"}'))
    assert float(counted.split()[1]) >= 3


def test_the_page_names_settings_and_files_that_are_there() -> None:
    named = set(re.findall(r"\b(?:TANDEM|CRM)_[A-Z0-9_]+", PAGE))
    assert named - set(env.DECLARED) == {"TANDEM_UPSTREAMS", "TANDEM_SITE"}
    for path in re.findall(r"`((?:deploy|tests)/[\w./-]+)`", PAGE):
        # The copy that the operator makes is theirs.
        assert (ROOT / path).exists() or path == "deploy/tandem.env", path


def test_commands_by_hand_use_the_data_of_the_service() -> None:
    unit = (ROOT / "deploy" / "systemd" / "tandem-web.service").read_text()
    (directory,) = re.findall(r"^Environment=(TANDEM_DATA_DIR=\S+)$", unit, re.MULTILINE)
    (by_hand,) = re.findall(r"^as_tandem\(\) \{.*?\}$", PAGE, re.MULTILINE | re.DOTALL)
    assert f"-p Environment={directory} " in by_hand
