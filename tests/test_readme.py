"""The README's tour works as pasted: its lines run in one shell against a freshly served demo company."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.installation import prepared

pytestmark = pytest.mark.processes
README = Path(__file__).parent.parent / "README.md"
ADDRESS = "http://127.0.0.1:8000"


def test_the_tour_works_as_pasted(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    with prepared(tmp_path) as installation:
        assert installation.tandem("demo").returncode == 0
        with installation.serving() as served:
            tour = "\n".join(blocks).replace(ADDRESS, f"http://127.0.0.1:{served.port}")
            # --fail-with-body: any refusal of the API ends the tour, with its words.
            script = "set -euo pipefail\nshopt -s expand_aliases\nalias curl='curl --fail-with-body'\n" + tour
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stdout + done.stderr + served.log.read_text()[-3000:]
    for expected in (
        '"username":"meenakshi"',
        '"service_type":"free"',
        '"detail":"assigned"',
        '"detail":"otp-sent"',
        '"detail":"completed"',
        '"type":"visit.completed"',
        "id,card_id,card_model,customer_id",
        '"student_name":"Priya"',
        '"type":"lead.updated"',
        '"task":"Call the principal"',
        '"holds":false',
    ):
        assert expected in done.stdout, expected
