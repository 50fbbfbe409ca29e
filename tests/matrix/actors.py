"""Who tries everything: thirteen callers, from nobody to an admin whose sessions have ended."""

from __future__ import annotations

from django.contrib.auth.models import Group

from tandem.accounts.models import User
from tandem.accounts.tokens import end_sessions
from tests.cast import ANONYMOUS, Api, newcomer, person

NOBODY = frozenset({"anonymous", "deactivated", "revoked", "revoked_key"})
OWNER, STRANGER, ASSIGNED, BYSTANDER = "owner", "stranger", "assigned", "bystander"
CUSTOMERS = frozenset({OWNER, STRANGER})
WORKERS = frozenset({ASSIGNED, BYSTANDER})
ADMINS = frozenset({"admin", "admin_by_key"})
OFFICE = frozenset({"sales", "operations", "instructor", "assistant", "management"})
FIELD = CUSTOMERS | WORKERS | ADMINS
SIGNED_IN = FIELD | OFFICE
ACTORS = sorted(NOBODY | SIGNED_IN)

_GROUPS = {
    "sales": "Sales",
    "operations": "Operations",
    "instructor": "Instructors",
    "assistant": "Teacher Assistant",
    "management": "Management",
}


def callers() -> dict[str, Api]:
    """Every actor with a credential of the own. `owner` is Chitra, `assigned` is Wasim (see tests/cast.py)."""
    made = {
        "anonymous": ANONYMOUS,
        OWNER: Api(person("chitra")),
        STRANGER: Api(person("deepak")),
        ASSIGNED: Api(person("wasim")),
        BYSTANDER: Api(person("wali")),
        "admin": Api(person("asha")),
        "admin_by_key": Api(person("asha"), scheme="Token"),
    }
    for actor, group in _GROUPS.items():
        user = newcomer(actor.capitalize(), role="office")
        user.groups.add(Group.objects.get(name=group))
        made[actor] = Api(user)
    gone = newcomer("Gone", role="admin")
    made["deactivated"] = Api(gone)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    for actor, scheme in (("revoked", "Bearer"), ("revoked_key", "Token")):
        user = newcomer(actor.capitalize(), role="admin")
        made[actor] = Api(user, scheme=scheme)
        end_sessions(user)
    return made
