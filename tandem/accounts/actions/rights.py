"""Granting permissions of contract A. Contract §1: "changed by admins, or whoever an admin grants it"."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from tandem.accounts.models import User
from tandem.accounts.queries import groups_of
from tandem.accounts.rights import CODENAMES, DEFAULTS_BY_GROUP, contract_name
from tandem.common.errors import Invalid
from tandem.events.record import record


def grantable() -> Any:
    """The permissions of contract A, as rows."""
    return Permission.objects.filter(content_type__app_label="accounts", codename__in=CODENAMES).order_by("codename")


def grant_to_group(group: Group, permissions: Iterable[Permission], *, by: User, now: datetime) -> None:
    """Give a group these permissions of contract A, and take the others of contract A away.

    A new group is saved, and one that got another name. Raises Invalid on `name` for a group of contract A, which is
    known by its name. Up to ten queries.
    """
    with transaction.atomic():
        before = _shown(Group.objects.select_for_update(no_key=True).filter(pk=group.pk).first())
        if before and before["name"] != group.name and before["name"] in DEFAULTS_BY_GROUP:
            raise Invalid.on("name", "This group is known by its name, so it keeps it.")
        group.save()
        _replace(group.permissions, permissions)
        after = _shown(group)
        if before != after:
            changed = [key for key in after if before.get(key) != after[key]]
            record(
                _event_of(before, changed),
                subject=group,
                actor=by,
                before={key: before[key] for key in changed if key in before},
                after={key: after[key] for key in changed},
                at=now,
                name=group.name,
            )


def _shown(group: Group | None) -> dict[str, Any]:
    """A group as events tell it; empty for one that is not stored yet."""
    return {"name": group.name, "permissions": _names(group.permissions)} if group is not None else {}


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


def _event_of(before: Mapping[str, Any], changed: Collection[str]) -> str:
    if not before:
        return "group.created"
    return "group.rights_changed" if "permissions" in changed else "group.renamed"


def _names(held: Any) -> list[str]:
    return sorted(
        contract_name(codename) for codename in held.filter(pk__in=grantable()).values_list("codename", flat=True)
    )


def _replace(held: Any, wanted: Iterable[Permission]) -> None:
    others = held.exclude(pk__in=grantable())
    held.set([*others, *wanted])
