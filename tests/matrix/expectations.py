"""What every caller gets at every address: one entry per route and verb, written from the contract, not from the code.

A route of the URL map that is not here fails the build; a verb that is not here must answer 405.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tandem.academy.models import Cohort, Enrollment, Note, Task
from tandem.common import moments
from tests.cast import person
from tests.matrix.actors import ADMINS, ASSIGNED, CUSTOMERS, FIELD, OFFICE, OWNER, SIGNED_IN, STRANGER, WORKERS
from tests.matrix.world import DELETED, NO_SUCH_UUID, OTHER, OWN

Body = Callable[[Any], Any]

# noun → target → who sees it. What is not here, nobody sees.
SEES: dict[str, dict[str, frozenset[str]]] = {
    "card": {OWN: ADMINS | {OWNER, ASSIGNED}, OTHER: ADMINS | {STRANGER}},
    "visit": {OWN: ADMINS | {OWNER, ASSIGNED}, OTHER: ADMINS | {STRANGER}},
    "finished": {OWN: ADMINS | {OWNER, ASSIGNED}, OTHER: ADMINS | {STRANGER}},
    "user": {OTHER: ADMINS},
    "job": {OWN: ADMINS | {OWNER}},
    # Contract A: a right is to all records of a kind, so whoever gets past the door sees what is live.
    "client": {OWN: SIGNED_IN},
    "student": {OWN: SIGNED_IN},
    "follow_up": {OWN: SIGNED_IN},
    "attribute": {OWN: SIGNED_IN},
    "pipeline": {OWN: SIGNED_IN},
    "lead": {OWN: SIGNED_IN},
    "cohort": {OWN: SIGNED_IN},
    "enrollment": {OWN: SIGNED_IN},
    "seat": {OWN: SIGNED_IN},
    "transfer": {OWN: SIGNED_IN},
    "webhook": {OWN: SIGNED_IN},
}

# Contract §1: what the groups may do on a new install. a: add, c: change, d: delete, v: view.
_GROUP_RIGHTS = {
    "sales": "acdv lead, acdv followup, acv client, v service, v pipeline, v attribute, v cohort",
    "operations": "acdv client, acdv service, acdv followup, acdv cohort, acdv enrollment, acdv enrollmentdetail, "
    "acdv transferrequest, v lead, v pipeline, v attribute",
    "instructor": "v service, v cohort, v enrollment, v enrollmentdetail, acv followup, av transferrequest",
    "assistant": "v service, v cohort, v enrollment, v enrollmentdetail, v followup",
    "management": "v lead, v client, v service, v pipeline, v attribute, v followup, v cohort, v enrollment, "
    "v enrollmentdetail, v transferrequest, v webhook",
}


def holders(verb: str, model: str) -> frozenset[str]:
    """The actors who hold `app.<verb>_<model>`, admins among them."""
    return ADMINS | {
        actor
        for actor, rights in _GROUP_RIGHTS.items()
        for letters, _, noun in (right.partition(" ") for right in rights.split(", "))
        if noun == model and verb[0] in letters
    }


@dataclass(frozen=True)
class Let:
    """may: who gets past the door (others 403). ok: what those get who also see the record.

    hidden: what those get who do not see it. also: further records that may be reached (a deleted one by restore), and
    admins_also: those that only admins reach.
    """

    may: frozenset[str]
    ok: int | frozenset[int] = 200
    body: Body = lambda pk: {}
    hidden: int = 404
    also: frozenset[str] = frozenset()
    admins_also: frozenset[str] = frozenset()
    public: bool = False
    instead: Mapping[str, int] = field(default_factory=dict)  # actor → what that one gets instead of ok


@dataclass(frozen=True)
class Route:
    verbs: Mapping[str, Let]
    noun: str | None = None


def tomorrow(plus: int = 1) -> str:
    return (moments.today() + timedelta(days=plus)).isoformat()


def public(**verbs: int) -> Route:
    """Open to everybody; an empty body gets the given answer."""
    return Route({verb: Let(SIGNED_IN, ok=status, public=True) for verb, status in verbs.items()})


_DONE_OR_NOT = frozenset({200, 409})  # let through; the state of the visit decides the rest

_CHANGE_VISIT = Let(FIELD, body=lambda pk: {"description": "changed"})
_CHANGE_USER = Let(ADMINS, body=lambda pk: {"city": "Madurai"})
_MY_PROFILE = Let(SIGNED_IN, body=lambda pk: {"city": "Madurai"})
_MARK = Let(ADMINS, body=lambda pk: {"user": person("wasim").pk, "date": tomorrow()})


def _kept(path: str, noun: str, model: str) -> dict[str, Route]:
    """What stands below the address of every record that can be restored and has a history."""
    return {
        f"{path}restore/": Route({"POST": Let(ADMINS, also=frozenset({DELETED}))}, noun),
        f"{path}history/": Route({"GET": Let(holders("view", model), admins_also=frozenset({DELETED}))}, noun),
    }


def _one(noun: str, model: str, body: Body) -> Route:
    """A record: looked at, changed, deleted."""
    change = Let(holders("change", model), body=body)
    delete = Let(holders("delete", model), ok=204)
    return Route({"GET": Let(holders("view", model)), "PUT": change, "PATCH": change, "DELETE": delete}, noun)


def _item(rows: type[Task] | type[Note], record: Any) -> str:
    found = rows.objects.filter(record=record).first()
    return str(found.pk if found else NO_SUCH_UUID)


def _with_items(path: str, noun: str, model: str) -> dict[str, Route]:
    """What stands below the address of every record with tasks and notes."""
    bodies: dict[str, Body] = {
        "add-task": lambda pk: {"task": "Call"},
        "update-task": lambda pk: {"task_id": _item(Task, pk), "completed": True},
        "delete-task": lambda pk: {"id": _item(Task, pk)},
        "add-note": lambda pk: {"note": "Called"},
        "update-note": lambda pk: {"id": _item(Note, pk), "note": "Called twice"},
        "delete-note": lambda pk: {"id": _item(Note, pk)},
    }
    change = holders("change", model)
    routes = {f"{path}{name}/": Route({"POST": Let(change, body=body)}, noun) for name, body in bodies.items()}
    refused = Let(change, 400, hidden=400)  # no file, no link; that is told first
    return routes | {f"{path}files/": Route({"POST": refused, "DELETE": refused}, noun)} | _kept(path, noun, model)


def _tables() -> dict[str, Route]:
    found = {}
    for plural, model in (("clients", "client"), ("services", "service"), ("leads", "lead")):
        found[f"api/{plural}/import/"] = Route({"POST": Let(holders("add", model), 400)})  # no file
        found[f"api/{plural}/export/"] = Route({"GET": Let(holders("view", model))})
    return found


def _follow_ups(root: str) -> dict[str, Route]:
    path = f"{root}services/<uuid:student>/follow-ups/"
    add = Let(holders("add", "followup"), 201, lambda pk: {"comment": "Called"})
    return {
        path: Route({"GET": Let(holders("view", "followup")), "POST": add}),
        f"{path}<uuid:pk>/": _one("follow_up", "followup", add.body),
        **_kept(f"{path}<uuid:pk>/", "follow_up", "followup"),
    }


def _made_below(noun: str, model: str, body: Body) -> Route:
    """A list, and the making of one that belongs to the record that is tried."""
    make = Let(holders("add", model), 201, body, hidden=400)
    return Route({"GET": Let(holders("view", model)), "POST": make}, noun)


def _teaching() -> dict[str, Route]:
    """Cohorts, enrollments, the students in them, transfer requests."""
    cohort, enrollment = "api/cohorts/<uuid:pk>/", "api/enrollments/<uuid:pk>/"
    seat, transfer = "api/enrollment-details/<uuid:pk>/", "api/transfer-requests/<uuid:pk>/"
    seat_one = _one("seat", "enrollmentdetail", lambda pk: {})
    wish = _one("transfer", "transferrequest", lambda pk: {"possible_transfer_date": tomorrow()})
    # Authors may cancel their own, so whoever sees requests gets as far as the record; nobody here is an author.
    change = Let(
        holders("view", "transferrequest"),
        body=lambda pk: {"possible_transfer_date": tomorrow()},
        instead={"instructor": 403, "management": 403},
    )
    decide = holders("change", "transferrequest")
    return {
        "api/cohorts/": Route(
            {
                "GET": Let(holders("view", "cohort")),
                "POST": Let(holders("add", "cohort"), 201, lambda pk: {"name_cohort": "New"}),
            }
        ),
        cohort: _one("cohort", "cohort", lambda pk: {"name_cohort": "Changed"}),
        **_kept(cohort, "cohort", "cohort"),
        "api/enrollments/": _made_below(
            "cohort", "enrollment", lambda pk: {"cohort": str(pk), "pathway_name": "Music"}
        ),
        enrollment: _one("enrollment", "enrollment", lambda pk: {"pathway_name": "Changed"}),
        **_kept(enrollment, "enrollment", "enrollment"),
        "api/enrollment-details/": _made_below(
            "student", "enrollmentdetail", lambda pk: {"student": str(pk), "enrollment": _live(Enrollment)}
        ),
        seat: Route({verb: seat_one.verbs[verb] for verb in ("GET", "DELETE")}, "seat"),
        **_kept(seat, "seat", "enrollmentdetail"),
        "api/transfer-requests/": _made_below(
            "student", "transferrequest", lambda pk: {"student": str(pk), "cohort_request": "Winter"}
        ),
        transfer: Route({**wish.verbs, "PUT": change, "PATCH": change}, "transfer"),
        f"{transfer}approve/": Route(
            {"POST": Let(decide, body=lambda pk: {"target_cohort": _live(Cohort)})}, "transfer"
        ),
        f"{transfer}reject/": Route({"POST": Let(decide)}, "transfer"),
        **_kept(transfer, "transfer", "transferrequest"),
    }


def _live(model: type[Cohort] | type[Enrollment]) -> str:
    found: Any = model.objects.live().order_by("created_at", "id").first()
    return str(found.pk)


def _leads() -> dict[str, Route]:
    """Pipelines and the leads in them."""
    pipeline, lead = "api/pipelines/<uuid:pk>/", "api/leads/<uuid:pk>/"
    convert = holders("change", "lead") & holders("add", "client")  # Sales, and admins
    return {
        "api/pipelines/": Route(
            {
                "GET": Let(holders("view", "pipeline")),
                "POST": Let(holders("add", "pipeline"), 201, lambda pk: {"name": "New", "stages": [{"name": "One"}]}),
            }
        ),
        pipeline: _one("pipeline", "pipeline", lambda pk: {"stages": [{"name": "Two"}]}),
        **_kept(pipeline, "pipeline", "pipeline"),
        "api/leads/": Route(
            {
                "GET": Let(holders("view", "lead")),
                "POST": Let(holders("add", "lead"), 201, lambda pk: {"name": "New", "pipeline": str(pk)}, hidden=400),
            },
            "pipeline",
        ),
        lead: _one("lead", "lead", lambda pk: {"stage": "Won"}),
        **_with_items(lead, "lead", "lead"),
        f"{lead}stages/": Route({"GET": Let(holders("view", "lead"))}, "lead"),
        f"{lead}convert/": Route({"POST": Let(convert)}, "lead"),
        "api/leads/reassign/": Route({"POST": Let(holders("change", "lead"), body=_from_omar_to_asha)}),
    }


def _from_omar_to_asha(pk: int) -> dict[str, int]:
    return {"from_user": person("omar").pk, "to_user": person("asha").pk}


def _webhooks() -> dict[str, Route]:
    webhook, change = "api/webhooks/<uuid:pk>/", holders("change", "webhook")
    add = Let(holders("add", "webhook"), 201, lambda pk: {"name": "New", "model": "Lead", "url": "https://x.example/"})
    return {
        "api/webhooks/": Route({"GET": Let(holders("view", "webhook")), "POST": add}),
        webhook: _one("webhook", "webhook", lambda pk: {"name": "Changed"}),
        **_kept(webhook, "webhook", "webhook"),
        f"{webhook}rotate-secret/": Route({"POST": Let(change)}, "webhook"),
        f"{webhook}deliveries/": Route({"GET": Let(holders("view", "webhook"))}, "webhook"),
        f"{webhook}deliveries/redeliver/": Route(
            {"POST": Let(change, body=lambda pk: {"from": tomorrow(-1)})}, "webhook"
        ),
        f"{webhook}deliveries/<uuid:delivery>/redeliver/": Route({"POST": Let(change)}, "webhook"),
        f"{webhook}test/": Route(
            {"POST": Let(change)}, "webhook"
        ),  # it is sent, and refused: the address is not public
        "api/webhooks/preview/": Route({"POST": Let(holders("view", "webhook"), 400)}),
    }


_PICKERS = ("instructors", "tas", "sales", "operations")

EXPECTED: dict[str, Route] = {
    # Accounts
    "api/auth/login/": public(POST=400),
    "api/auth/token/register/": public(POST=400),
    "api/auth/register/": public(POST=400),
    "api/auth/token/refresh/": public(POST=400),
    "api/auth/logout/": public(POST=400),
    "api-token-auth/": public(POST=400),
    "api/api-token-auth/": public(POST=400),
    "api/auth/change-password/": Route({"POST": Let(SIGNED_IN, ok=400)}),
    "api/auth/me/": Route({"GET": Let(SIGNED_IN), "PUT": _MY_PROFILE, "PATCH": _MY_PROFILE}),
    "api/me/": Route({"GET": Let(SIGNED_IN)}),
    "api/logout/": Route({"POST": Let(SIGNED_IN)}),
    "api/auth/admin/users/": Route(
        {
            "GET": Let(ADMINS),
            "POST": Let(ADMINS, 201, lambda pk: {"username": "fresh", "role": "office"}),
        }
    ),
    "api/auth/admin/users/<int:pk>/": Route({"GET": Let(ADMINS)}, "user"),
    "api/auth/admin/users/<int:pk>/update/": Route({"PUT": _CHANGE_USER, "PATCH": _CHANGE_USER}, "user"),
    "api/auth/admin/users/<int:pk>/change-password/": Route(
        {"POST": Let(ADMINS, body=lambda pk: {"new_password": "Another-Horse-8"})}, "user"
    ),
    # Cards
    "api/crm/cards/": Route(
        {
            "GET": Let(FIELD),
            "POST": Let(ADMINS, 201, lambda pk: {"model": "AquaPure", "customer": person("chitra").pk}),
        }
    ),
    "api/crm/cards/<int:pk>/": Route(
        {
            "GET": Let(FIELD),
            "PUT": Let(ADMINS, body=lambda pk: {"city": "Madurai"}),
            "PATCH": Let(ADMINS, body=lambda pk: {"city": "Madurai"}),
            "DELETE": Let(ADMINS, ok=409),  # both have an open visit
        },
        "card",
    ),
    "api/crm/cards/<int:pk>/restore/": Route({"POST": Let(ADMINS, also=frozenset({DELETED}))}, "card"),
    "api/crm/cards/<int:pk>/history/": Route({"GET": Let(FIELD)}, "card"),
    # Visits
    "api/crm/services/": Route(
        {
            "GET": Let(FIELD),
            "POST": Let(CUSTOMERS | ADMINS, 201, lambda pk: {"card": pk, "preferred_date": tomorrow(9)}, hidden=400),
        },
        "card",
    ),
    "api/crm/services/<int:pk>/": Route({"GET": Let(FIELD), "PUT": _CHANGE_VISIT, "PATCH": _CHANGE_VISIT}, "visit"),
    "api/crm/services/<int:pk>/assign/": Route(
        {"POST": Let(ADMINS, body=lambda pk: {"assigned_to": person("wali").pk})}, "visit"
    ),
    "api/crm/services/<int:pk>/reschedule/": Route(
        {"POST": Let(CUSTOMERS | ADMINS, body=lambda pk: {"scheduled_at": tomorrow(5)})}, "visit"
    ),
    "api/crm/services/<int:pk>/cancel/": Route({"POST": Let(CUSTOMERS | ADMINS)}, "visit"),
    "api/crm/services/<int:pk>/history/": Route({"GET": Let(FIELD)}, "visit"),
    "api/crm/services/<int:pk>/request_otp/": Route({"POST": Let(WORKERS | ADMINS, ok=_DONE_OR_NOT)}, "visit"),
    "api/crm/services/<int:pk>/verify_otp/": Route(
        {"POST": Let(WORKERS | ADMINS, ok=400, body=lambda pk: {"otp": "000000"})}, "visit"
    ),
    # Entries and feedback
    "api/crm/service-entries/": Route(
        {
            "GET": Let(FIELD),
            "POST": Let(
                WORKERS | ADMINS, 201, lambda pk: {"service": pk, "work_detail": "Cleaned the filter"}, hidden=400
            ),
        },
        "visit",
    ),
    "api/crm/feedbacks/": Route(
        {"GET": Let(FIELD), "POST": Let(CUSTOMERS, 201, lambda pk: {"service": pk, "rating": 5}, hidden=400)},
        "finished",
    ),
    # Attendance
    "api/crm/attendance/": Route({"GET": Let(ADMINS)}),
    "api/crm/attendance/mark_present/": Route({"POST": _MARK}),
    "api/crm/attendance/mark_absent/": Route({"POST": _MARK}),
    "api/crm/attendance/me/": Route({"GET": Let(WORKERS | ADMINS)}),
    "api/crm/attendance/bulk/": Route(
        {"POST": Let(ADMINS, body=lambda pk: {"date": tomorrow(), "present": [person("wasim").pk], "absent": []})}
    ),
    "api/crm/attendance/by_date/": Route({"GET": Let(ADMINS)}),
    # Reports
    "api/crm/reports/warranty/": Route({"GET": Let(ADMINS)}),
    "api/crm/reports/upcoming-services/": Route({"GET": Let(ADMINS)}),
    "api/crm/autoassign/run/": Route({"POST": Let(ADMINS)}),
    "api/crm/admin/export/services/": Route({"GET": Let(ADMINS)}),
    # Attributes
    "api/attributes/<slug:entity>/": Route(
        {
            "GET": Let(holders("view", "attribute")),
            "POST": Let(holders("add", "attribute"), 201, lambda pk: {"name": "size", "type": "number"}),
        }
    ),
    "api/attributes/<uuid:pk>/": _one("attribute", "attribute", lambda pk: {"label": "changed"}),
    "api/attributes/<uuid:pk>/history/": Route(
        {"GET": Let(holders("view", "attribute"), also=frozenset({DELETED}))}, "attribute"
    ),
    # Clients and students
    "api/clients/": Route(
        {"GET": Let(holders("view", "client")), "POST": Let(holders("add", "client"), 201, lambda pk: {"name": "New"})}
    ),
    "api/clients/<uuid:pk>/": _one("client", "client", lambda pk: {"name": "Changed"}),
    **_with_items("api/clients/<uuid:pk>/", "client", "client"),
    "api/services/": Route(
        {
            "GET": Let(holders("view", "service")),
            "POST": Let(holders("add", "service"), 201, lambda pk: {"name": "New", "client": str(pk)}, hidden=400),
        },
        "client",
    ),
    "api/services/<uuid:pk>/": _one("student", "service", lambda pk: {"name": "Changed"}),
    **_with_items("api/services/<uuid:pk>/", "student", "service"),
    # Pipelines and leads
    **_leads(),
    # Follow-ups
    **_follow_ups("api/"),
    **_follow_ups(""),
    # Cohorts, enrollments, transfers
    **_teaching(),
    # Webhooks
    **_webhooks(),
    # Of contract A, for everybody in the office
    **{f"api/{name}/": Route({"GET": Let(OFFICE | ADMINS)}) for name in _PICKERS},
    "api/my-tasks/": Route({"GET": Let(OFFICE | ADMINS)}),
    # Tables, and the jobs of large ones
    **_tables(),
    "api/jobs/<uuid:pk>/": Route({"GET": Let(SIGNED_IN)}, "job"),
}

# Not part of either contract: the document itself, its viewer, and files for whoever holds a signed link.
OUTSIDE = frozenset({"api/schema/", "api/docs/", "api/files/<path:key>"})
