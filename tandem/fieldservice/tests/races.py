"""What is raced in test_races_of_completion.py; see tests/racing.py."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from tandem.common.sealing import unseal
from tandem.events.models import Event
from tandem.fieldservice.models import Feedback, ServiceEntry, Visit
from tandem.sms.models import Message
from tests.cast import Api, as_, card_of, person, visit_to
from tests.racing import Scenario


def _visit(status: str = "in_progress") -> Visit:
    return visit_to(card_of(person("chitra")), status=status, assigned_to=person("wasim"))


def _code(visit: Visit, wasim: Api) -> str:
    assert wasim.post(f"/api/crm/services/{visit.pk}/request_otp/").status_code == 200
    found = re.match(r"\d+", unseal(Message.objects.latest("pk").sealed_text).decode())
    assert found
    return found[0]


def _verify(api: Api, visit: Visit, code: str, **headers: str) -> list[Any]:
    answer = api.post(f"/api/crm/services/{visit.pk}/verify_otp/", {"otp": code}, **headers)
    return [answer.status_code, answer.json().get("code", ""), answer.json().get("attempts_left")]


def _counted(answers: list[Any]) -> list[list[Any]]:
    counts = Counter(tuple(answer) for answer in answers)
    return sorted(([*answer, times] for answer, times in counts.items()), key=str)


def wrong_guesses() -> Scenario:
    visit, wasim = _visit(), as_("wasim")
    code = int(_code(visit, wasim))
    answers = yield lambda n: _verify(wasim, visit, f"{(code + 1 + n) % 10**6:06d}")
    visit.refresh_from_db()
    return {"answers": _counted(answers), "counted": [visit.otp_tries, visit.otp_guesses_on_day, visit.status]}


def wrong_guesses_with_keys() -> Scenario:
    visit, wasim = _visit(), as_("wasim")
    code = int(_code(visit, wasim))
    answers = yield lambda n: _verify(wasim, visit, f"{(code + 1 + n) % 10**6:06d}", Idempotency_Key=f"guess-{n}")
    visit.refresh_from_db()
    return {"answers": _counted(answers), "counted": [visit.otp_tries, visit.otp_guesses_on_day, visit.status]}


def right_codes() -> Scenario:
    visit, wasim = _visit(), as_("wasim")
    code = _code(visit, wasim)
    answers = yield lambda n: _verify(wasim, visit, code)
    completed = Event.objects.filter(type="visit.completed").count()
    return {"answers": _counted(answers), "entries": ServiceEntry.objects.count(), "events": completed}


def requested_codes() -> Scenario:
    visit, wasim = _visit(), as_("wasim")

    def ask(n: int) -> list[Any]:
        answer = wasim.post(f"/api/crm/services/{visit.pk}/request_otp/")
        return [answer.status_code, answer.json().get("code", "")]

    answers = yield ask
    visit.refresh_from_db()
    return {"answers": _counted(answers), "messages": Message.objects.count(), "counted": visit.otp_codes_on_day}


def ratings() -> Scenario:
    visit, chitra = _visit("completed"), as_("chitra")

    def rate(n: int) -> list[Any]:
        answer = chitra.post("/api/crm/feedbacks/", {"service": visit.pk, "rating": n % 5 + 1})
        return [answer.status_code, answer.json().get("code", "")]

    answers = yield rate
    given = Event.objects.filter(type="feedback.given").count()
    return {"answers": _counted(answers), "feedback": Feedback.objects.count(), "events": given}
