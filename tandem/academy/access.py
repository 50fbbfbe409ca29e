"""Who may do what in contract A: permissions by verb and kind of record. CONTRACT §1."""

from __future__ import annotations

from typing import Literal

from tandem.accounts.models import Role, User
from tandem.accounts.queries import has_right, is_in_a_group
from tandem.common.endpoint import Who

Verb = Literal["view", "add", "change", "delete"]


def may(verb: Verb, model: str) -> Who:
    """Admins, and whoever holds `app.<verb>_<model>`. One query for those who are not admins."""
    return Who(f"holders of app.{verb}_{model}", lambda user: user.is_admin or has_right(user, f"{verb}_{model}"))


def _is_office_user(user: User) -> bool:
    return user.role in (Role.ADMIN, Role.OFFICE) or is_in_a_group(user)


OFFICE = Who("office users: admins, the role office, or members of any group", _is_office_user)
