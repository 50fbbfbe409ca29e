"""Before anything is measured: do all contestants give the right answers?"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench import company
from bench.databases import Stage
from bench.measure import Case
from bench.servers import Server

# What the yardsticks show in their own way: DRF moments with their fractions, the limit no decision about free visits.
_OWN_WAY_WHEN_CREATED = {"id", "created_at", "updated_at", "service_type", "service_type_reason", "next_steps"}
# What each contestant creates a record of its own for.
_OF_ITS_OWN = {"card", "customer", "customer_name", "customer_phone", "card_model", "responsible", "responsible_name"}


def contestants(stage: Stage, servers: Mapping[str, Server], cases: Sequence[Case]) -> None:
    """Raises SystemExit at the first wrong answer."""
    for case in cases:
        token = f"Token {company.KEY}"
        # A number that no round comes to, so that its bookings do not collide.
        far = case.plan.ids * (len(case.plan.days) - 1)
        answers = {}
        for nth, (name, server) in enumerate(servers.items()):
            if case.least_share is None and name == "limit":
                continue
            where = f"{stage.name}, {case.name}: {name}"
            status, answer = _asked(server, "", case.plan.method, *case.plan.request(far))
            _must(status in (401, 404) or answer == [], f"{where} answers strangers {status}: {answer}")
            path, body = case.plan.request(far + nth if case.plan.method == "POST" else 41)
            status, answers[name] = _asked(server, token, case.plan.method, path, body)
            _must(status == (201 if body else 200), f"{where} answers {status}: {answers[name]}")
        ours = answers["tandem"]
        rows = {name: len(answer) for name, answer in answers.items() if isinstance(answer, list)}
        _must(set(rows.values()) <= {50}, f"{stage.name}, {case.name}: rows {rows}")
        _must(_keys(answers["idiomatic"]) == _keys(ours), f"{stage.name}, {case.name}: DRF has other keys")
        if "limit" in answers:
            _must(_same(ours, answers["limit"], created=case.plan.method == "POST"), _difference(case.name, answers))
    status, _ = _asked(servers["tandem"], f"Bearer {stage.bearer}", "GET", "/api/crm/cards/1/", "")
    _must(status == 200, f"{stage.name}: the signed token is refused")


def _asked(server: Server, authorization: str, method: str, path: str, body: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"Content-Type": "application/json", **({"Authorization": authorization} if authorization else {})}
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    try:
        return answer.status, json.loads(content)
    except ValueError:
        return answer.status, content[:500]


def _keys(answer: Any) -> Any:
    """The keys of an answer, of its first row and of what is nested in it."""
    if isinstance(answer, list):
        return [_keys(answer[0])] if answer else []
    if not isinstance(answer, dict):
        return None
    return {key: _keys(value) for key, value in answer.items() if key != "next_steps"}


def _same(ours: Any, theirs: Any, *, created: bool) -> bool:
    if not created:
        return bool(ours == theirs)
    own = _OWN_WAY_WHEN_CREATED | _OF_ITS_OWN
    return {key: ours[key] for key in ours if key not in own} == {key: theirs[key] for key in theirs if key not in own}


def _difference(case: str, answers: Mapping[str, Any]) -> str:
    shown = {name: json.dumps(answers[name])[:3000] for name in ("tandem", "limit")}
    return f"{case}: Tandem and the limit answer differently\n{shown['tandem']}\n{shown['limit']}"


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise SystemExit(f"bench: {otherwise}")
