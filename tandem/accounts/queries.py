"""Reads about users that are more than one row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from django.contrib.auth.models import Group, Permission
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet

from tandem.accounts.models import Role, User
from tandem.accounts.rights import CODENAMES, contract_name
from tandem.accounts.rules.usernames import typed_username
from tandem.common.phones import normal_phone
from tandem.common.reading.statement import Param, Statement, compiled


def permissions_of(user: User) -> list[str]:
    """The user's permissions in contract A, own and of groups, by the contract's names (`app.view_lead`), sorted.

    Admins have all of them (no query); for others it is one query.
    """
    if user.is_admin:
        return [contract_name(codename) for codename in CODENAMES]
    held = Permission.objects.filter(
        Q(user=user) | Q(group__user=user), content_type__app_label="accounts", codename__in=CODENAMES
    )
    return sorted(contract_name(codename) for codename in set(held.values_list("codename", flat=True)))


def groups_of(user: User) -> list[str]:
    """The names of the user's groups, sorted. One query."""
    return sorted(user.groups.values_list("name", flat=True))


def has_right(user: User, codename: str) -> bool:
    """Whether a permission of contract A (`view_lead`) is the user's, own or of a group. One query, compiled once."""
    return bool(_right_statement().run({"user": user.pk, "codename": codename}))


@cache
def _right_statement() -> Statement:
    held = Permission.objects.filter(content_type__app_label="accounts", codename=Param("codename", CharField()))
    held = held.filter(
        Exists(User.user_permissions.through.objects.filter(permission=OuterRef("pk"), user=Param("user")))
        | Exists(Group.permissions.through.objects.filter(permission=OuterRef("pk"), group__user=Param("user")))
    )
    return compiled(held.values_list("pk"))


def is_in_a_group(user: User) -> bool:
    """One query."""
    return user.groups.exists()


def is_active_office_user(pk: int) -> bool:
    """Whether this is an active user of the office: an admin, the role office, or a member of any group. One query."""
    return bool(_office_statement().run({"user": pk}))


def active_office_users(pks: Iterable[int]) -> set[int]:
    """Those of the people who are active users of the office. One query."""
    return set(_office().filter(pk__in=set(pks)).values_list("pk", flat=True))


@cache
def _office_statement() -> Statement:
    return compiled(_office().filter(pk=Param("user")).values_list("pk"))


def _office() -> QuerySet[User]:
    member = Exists(User.groups.through.objects.filter(user=OuterRef("pk")))
    return User.objects.filter(Q(role__in=(Role.ADMIN, Role.OFFICE)) | member, is_active=True)


def user_by_login(typed: str) -> User | None:
    """The user, active or not, whose phone or username this is. One query, whatever was typed."""
    phone = _as_phone(typed)
    if phone is not None:
        return User.objects.filter(phone=phone).first()
    return User.objects.named(typed_username(typed)).first()


def login_name(typed: str) -> str:
    """One spelling for all that would find the same user: what failed logins of nobody's account are counted by."""
    return _as_phone(typed) or typed_username(typed).casefold()


def _as_phone(typed: str) -> str | None:
    try:
        return normal_phone(typed)
    except ValueError:
        return None
