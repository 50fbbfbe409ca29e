"""Granting permissions of contract A. Contract §1: "changed by admins, or whoever an admin grants it"."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from tandem.accounts.models import User
from tandem.accounts.queries import groups_of
from tandem.accounts.rights import CODENAMES, contract_name
from tandem.events.record import record


def grantable() -> Any:
    """The permissions of contract A, as rows."""
    return Permission.objects.filter(content_type__app_label="accounts", codename__in=CODENAMES).order_by("codename")


def grant_to_group(group: Group, permissions: Iterable[Permission], *, by: User, now: datetime) -> None:
    """Give a group these permissions of contract A, and take the others of contract A away. A new group is saved."""
    with transaction.atomic():
        group.save()
        before = _names(group.permissions)
        _replace(group.permissions, permissions)
        after = _names(group.permissions)
        if before != after:
            record(
                "group.rights_changed",
                subject=group,
                actor=by,
                before={"permissions": before},
                after={"permissions": after},
                at=now,
                name=group.name,
            )


def grant_to_user(
    user: User, *, groups: Iterable[Group], permissions: Iterable[Permission], by: User, now: datetime
) -> None:
    """Put a user into these groups only, and give these permissions of contract A beside the groups' ones."""
    with transaction.atomic():
        before = {"groups": groups_of(user), "permissions": _names(user.user_permissions)}
        user.groups.set(groups)
        _replace(user.user_permissions, permissions)
        after = {"groups": groups_of(user), "permissions": _names(user.user_permissions)}
        if before != after:
            changed = [key for key in before if before[key] != after[key]]
            record(
                "user.rights_changed",
                subject=user,
                actor=by,
                before={key: before[key] for key in changed},
                after={key: after[key] for key in changed},
                at=now,
            )


def _names(held: Any) -> list[str]:
    return sorted(
        contract_name(codename) for codename in held.filter(pk__in=grantable()).values_list("codename", flat=True)
    )


def _replace(held: Any, wanted: Iterable[Permission]) -> None:
    others = held.exclude(pk__in=grantable())
    held.set([*others, *wanted])
