"""One customer's whole way, over HTTP, against a running `tandem serve`: the main job of the product.

Customer signs up → machine registered → visit booked → worker assigned → code asked for → the code out of the text
message → completed → rated → in the report and in the exported table.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.calling import ADMIN, PASSWORD, Caller, make_admin, signed_in
from tests.installation import Installation, prepared

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with prepared(tmp_path_factory.mktemp("journey")) as made:
        made.settings |= {"TANDEM_SMS_BACKEND": "file", "TANDEM_SMS_FILE": str(made.data_dir / "sms.jsonl")}
        yield made


def test_from_signing_up_to_the_report(installation: Installation) -> None:
    make_admin(installation)
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    with installation.serving() as served:
        nobody = Caller(served)
        admin = signed_in(served, ADMIN)

        signed_up = nobody.ok(
            "POST",
            "/api/auth/token/register/",
            {"name": "Ramesh", "phone": "090000 00010", "password": PASSWORD, "role": "admin"},
        )
        assert (signed_up["user"]["role"], signed_up["user"]["phone"]) == ("customer", "+919000000010")
        customer = Caller(served, token=signed_up["access"])
        worker_id = admin.ok(
            "POST",
            "/api/auth/admin/users/",
            {"name": "Wasim", "phone": "9000000011", "role": "staff", "region": "Madurai", "password": PASSWORD},
        )["id"]
        worker = signed_in(served, {"phone": "+919000000011", "password": PASSWORD})

        card = admin.ok(
            "POST",
            "/api/crm/cards/",
            {
                "model": "AquaPure X1",
                "customer": signed_up["user"]["id"],
                "region": "madurai",
                "warranty_start_date": (today - timedelta(days=10)).isoformat(),
                "warranty_end_date": (today + timedelta(days=355)).isoformat(),
            },
        )
        visit = customer.ok(
            "POST",
            "/api/crm/services/",
            {"card": card["id"], "description": "Not dispensing water", "preferred_date": today.isoformat()},
        )
        assert (visit["status"], visit["service_type"]) == ("pending", "free")
        url = f"/api/crm/services/{visit['id']}/"

        admin.ok("POST", "/api/crm/attendance/mark_present/", {"user": worker_id, "date": today.isoformat()})
        assigned = admin.ok("POST", f"{url}assign/", {"assigned_to": worker_id, "scheduled_at": today.isoformat()})
        assert (assigned["detail"], assigned["scheduled_at"]) == ("assigned", today.isoformat())
        assert [row["id"] for row in worker.ok("GET", "/api/crm/services/?status=assigned")] == [visit["id"]]
        worker.ok("PATCH", url, {"status": "in_progress"})

        assert worker.ok("POST", f"{url}request_otp/") == {"detail": "otp-sent"}
        sent = installation.data_dir / "sms.jsonl"
        served.wait_until(lambda: sent.exists() and sent.read_text().endswith("\n"), "the text message has left")
        message = json.loads(sent.read_text())
        assert message["to"] == "+919000000010"
        code = re.search(r"\b\d{6}\b", message["text"])[0]  # type: ignore[index]
        wrong = f"{(int(code) + 1) % 10**6:06d}"
        status, refused = worker.call("POST", f"{url}verify_otp/", {"otp": wrong})
        assert (status, refused["code"], refused["attempts_left"]) == (400, "otp_invalid", 4)
        done = worker.ok(
            "POST",
            f"{url}verify_otp/",
            {
                "otp": code,
                "work_detail": "Replaced valve, cleaned filter",
                "parts_replaced": [{"code": "P01", "qty": 1, "price": 120.0}],
                "amount_charged": 0.0,
                "next_service_date": (today + timedelta(days=90)).isoformat(),
            },
        )
        assert (done["detail"], done["status"]) == ("completed", "completed")
        assert worker.call("POST", f"{url}verify_otp/", {"otp": code})[0] == 409

        rated = customer.ok("POST", "/api/crm/feedbacks/", {"service": visit["id"], "rating": 5, "comments": "Great"})
        shown = customer.ok("GET", url)
        assert shown["entries"][0]["id"] == done["service_entry_id"]
        assert shown["feedback"]["id"] == rated["id"]

        _in_the_reports(admin, card["id"], visit["id"], today)
        history = [event["type"] for event in customer.ok("GET", f"{url}history/")]
        assert history[0] == "visit.completed" or "visit.completed" in history
        assert history[-1] == "visit.booked"
        everything = "".join(path.read_text(errors="replace") for path in _texts(installation))
        assert code not in everything.replace(sent.read_text(), ""), "the code is in no log"


def _in_the_reports(admin: Caller, card: int, visit: int, today: date) -> None:
    warranty = admin.ok("GET", f"/api/crm/reports/warranty/?month={today:%Y-%m}")
    assert [(row["card_id"], row["booked_visit"]) for row in warranty] == [(card, visit)]
    table = list(csv.DictReader(io.StringIO(admin.ok("GET", "/api/crm/admin/export/services/"))))
    assert [(row["id"], row["status"], row["customer_phone"]) for row in table] == [
        (str(visit), "completed", "+919000000010")
    ]


def _texts(installation: Installation) -> list[Path]:
    return [path for path in installation.data_dir.glob("*.log") if path.is_file()]
