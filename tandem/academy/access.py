"""Who may do what in contract A, beside the permissions by verb and kind of record. CONTRACT §1."""

from __future__ import annotations

from tandem.accounts.access import may as may
from tandem.accounts.models import Role, User
from tandem.accounts.queries import is_in_a_group
from tandem.common.endpoint import Who


def _is_office_user(user: User) -> bool:
    return user.role in (Role.ADMIN, Role.OFFICE) or is_in_a_group(user)


OFFICE = Who("office users: admins, the role office, or members of any group", _is_office_user)
