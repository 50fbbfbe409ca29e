"""The permissions of contract A and the groups that hold them on a new install. Contract §1."""

from __future__ import annotations

from collections.abc import Iterable

VERBS = ("add", "change", "delete", "view")
MODELS = (
    "lead",
    "client",
    "service",
    "pipeline",
    "attribute",
    "followup",
    "cohort",
    "enrollment",
    "enrollmentdetail",
    "transferrequest",
    "webhook",
)
CODENAMES = tuple(sorted(f"{verb}_{model}" for verb in VERBS for model in MODELS))


def _codenames(verbs: Iterable[str], models: str) -> set[str]:
    return {f"{verb}_{model}" for verb in verbs for model in models.split()}


_LOOK = ("view",)
_WORK = ("add", "change", "view")

DEFAULTS_BY_GROUP: dict[str, set[str]] = {
    "Sales": _codenames(VERBS, "lead followup")
    | _codenames(_WORK, "client")
    | _codenames(_LOOK, "service pipeline attribute cohort"),
    "Operations": _codenames(VERBS, "client service followup cohort enrollment enrollmentdetail transferrequest")
    | _codenames(_LOOK, "lead pipeline attribute"),
    "Instructors": _codenames(_LOOK, "service cohort enrollment enrollmentdetail")
    | _codenames(_WORK, "followup")
    | _codenames(("add", "view"), "transferrequest"),
    "Teacher Assistant": _codenames(_LOOK, "service cohort enrollment enrollmentdetail followup"),
    "Management": _codenames(_LOOK, " ".join(MODELS)),
}


def contract_name(codename: str) -> str:
    """`view_lead` → `app.view_lead`: the contract's name, whatever the code's labels are."""
    return f"app.{codename}"
