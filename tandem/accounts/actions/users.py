"""Making users and changing them: the only writers of the users' table. Contract §1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from tandem.accounts.actions.sessions import is_password_of
from tandem.accounts.models import Role, User
from tandem.accounts.queries import groups_of
from tandem.accounts.rules.usernames import normal_username
from tandem.accounts.throttle import account_buckets, give_back, registration_buckets, reserve_try
from tandem.accounts.tokens import BadToken, end_sessions
from tandem.common.errors import Conflict, Invalid
from tandem.common.phones import normal_phone
from tandem.events.changes import change
from tandem.events.record import record

PROFILE = ("name", "email", "address", "city", "postal_code")
LOGINS = ("username", "phone")
ALL = (*LOGINS, "role", "region", "is_active", *PROFILE)
PHONE_TAKEN = "A user with this phone number exists already."
USERNAME_TAKEN = "A user with this username exists already."
NEITHER = "Give a phone number or a username."


class LastAdmin(Conflict):
    code = "last_admin"
    message = "This is the last active admin. Make somebody else an admin first."


def register_customer(given: Mapping[str, Any], *, address: str, now: datetime) -> User:
    """A customer signs up with `phone`, `password` and whatever of the profile they give; all else is ignored.

    address: the client's, for the limit on refusals, since each tells that a phone is taken.
    Raises Invalid on `phone` or `password`, TooManyTries.
    """
    buckets = registration_buckets(address)
    reserve_try(buckets, now=now)
    profile = {name: given[name] for name in PROFILE if name in given}
    user = _unsaved({**profile, "phone": given["phone"], "role": Role.CUSTOMER}, password=given["password"], now=now)
    with transaction.atomic():
        _insert(user)
        record("user.registered", subject=user, actor=user, after=_shown(user), at=now)
    give_back(buckets)
    return user


def create_user(given: Mapping[str, Any], *, by: User | None, now: datetime) -> User:
    """An admin, or the product's operator (None), makes a user of any role.

    password: may be left out; then nobody can sign in until one is set. groups: names. Raises Invalid.
    """
    fields = {name: given[name] for name in ALL if name in given}
    user = _unsaved(fields, password=given.get("password") or None, now=now)
    groups = _groups(given.get("groups") or [])
    with transaction.atomic():
        _insert(user)
        user.groups.set(groups)
        record("user.created", subject=user, actor=by, after=_shown(user) | _named(groups), at=now)
    return user


def update_own_profile(user: User, given: Mapping[str, Any], *, now: datetime) -> None:
    """Change what belongs to oneself: name, email and address. The rest of what is given is ignored."""
    with transaction.atomic():
        locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        fields: dict[str, Any] = {name: given[name] or "" for name in PROFILE if name in given}
        before, after = change(locked, **fields)
        if after:
            record("user.updated", subject=locked, actor=user, before=before, after=after, at=now)


def update_user_by_admin(user: User, given: Mapping[str, Any], *, by: User | None, now: datetime) -> None:
    """Change anything but the password. Deactivating ends every session, for good.

    Raises Invalid, and LastAdmin when nobody would be left to administer.
    """
    groups = _groups(given["groups"]) if given.get("groups") is not None else None
    try:
        with transaction.atomic():
            locked = locked_with_admins(user.pk)
            before, after = _change(locked[user.pk], given, admins=locked.values())
            if groups is not None and (old := groups_of(user)) != _named(groups)["groups"]:
                user.groups.set(groups)
                before, after = {**before, "groups": old}, {**after, **_named(groups)}
            if after:
                record(_change_name(after), subject=user, actor=by, before=before, after=after, at=now)
    except IntegrityError as refused:
        raise _taken(refused) from None


def locked_with_admins(pk: int) -> dict[int, User]:
    """A user and all active admins, by id, locked in one order: so no two admins can demote each other at once.

    Belongs into a transaction. One query.
    """
    rows = User.objects.filter(Q(pk=pk) | Q(role=Role.ADMIN, is_active=True)).order_by("pk")
    return {row.pk: row for row in rows.select_for_update(no_key=True)}


def change_own_password(user: User, *, old: str, new: str, address: str, now: datetime) -> None:
    """Set a new password, knowing the old one. Ends every session. Raises Invalid on either, TooManyTries.

    Tries count like those of signing in, or a stolen session would allow guessing without end.
    """
    verified = User.objects.get(pk=user.pk)
    buckets = account_buckets(f"id {user.pk}", address)
    reserve_try(buckets, now=now)
    if not is_password_of(verified, old):
        raise Invalid.on("old_password", "This is not your present password.")
    give_back(buckets)
    _set_password(verified, new, by=user, now=now)


def set_password_by_admin(user: User, *, new: str, by: User | None, now: datetime) -> None:
    """Reset somebody's password. Ends every session of theirs. Raises Invalid on `new_password`."""
    _set_password(User.objects.get(pk=user.pk), new, by=by, now=now)


def _set_password(user: User, new: str, *, by: User | None, now: datetime) -> None:
    _check_password(new, user, field="new_password")
    hashed = make_password(new)  # slow on purpose, so before the transaction
    with transaction.atomic():
        # Only over the password and the sessions that were there when we looked.
        same = User.objects.filter(pk=user.pk, password=user.password, session_epoch=user.session_epoch)
        if not same.update(password=hashed):
            raise BadToken
        end_sessions(user)
        record("user.password_changed", subject=user, actor=by, at=now)


def _unsaved(fields: dict[str, Any], *, password: str | None, now: datetime) -> User:
    user = User(**{name: value for name, value in _normal(fields).items() if value is not None}, date_joined=now)
    if user.phone is None and user.username is None:
        raise Invalid.on("phone", NEITHER)
    if password is not None:
        _check_password(password, user, field="password")
    user.password = make_password(password)
    return user


def _insert(user: User) -> None:
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as refused:
        raise _taken(refused) from None


def _change(user: User, given: Mapping[str, Any], *, admins: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    fields = {name: given[name] for name in ALL if name in given}
    fields = _normal(fields, present_phone=user.phone)
    # Before anything is written, or the database's constraint would refuse it in words of its own.
    if not any(fields.get(name, getattr(user, name)) for name in LOGINS):
        raise Invalid.on("username" if user.phone is None else "phone", NEITHER)
    was_admin, was_active = user.is_admin and user.is_active, user.is_active
    before, after = change(user, **fields)
    stays_admin = user.is_admin and user.is_active
    if was_admin and not stays_admin and not any(a.pk != user.pk and a.is_admin and a.is_active for a in admins):
        raise LastAdmin
    if was_active and not user.is_active:
        end_sessions(user)
    return before, after


def _normal(fields: Mapping[str, Any], *, present_phone: str | None = None) -> dict[str, Any]:
    """Fields as they are stored: names normalised, None for a missing username or phone, "" for other text."""
    normal = {name: "" if value is None else value for name, value in fields.items() if name not in LOGINS}
    if "phone" in fields:
        normal["phone"] = _phone(fields["phone"]) if fields["phone"] else None
    if "username" in fields and not _is_phone(fields["username"], present_phone, normal.get("phone")):
        normal["username"] = _username(fields["username"]) if fields["username"] else None
    return normal


def _is_phone(username: str | None, *phones: str | None) -> bool:
    """Whole answers come back, and there `username` shows the phone of who has no username."""
    try:
        return bool(username) and normal_phone(username or "") in phones
    except ValueError:
        return False


def _phone(typed: str) -> str:
    try:
        return normal_phone(typed)
    except ValueError as refused:
        raise Invalid.on("phone", str(refused)) from None


def _username(typed: str) -> str:
    try:
        return normal_username(typed)
    except ValueError as refused:
        raise Invalid.on("username", str(refused)) from None


def _check_password(password: str, user: User, *, field: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as refused:
        raise Invalid({field: list(refused.messages)}) from None


def _groups(names: Sequence[str]) -> list[Group]:
    found = list(Group.objects.filter(name__in=names).order_by("name"))
    missing = sorted(set(names) - {group.name for group in found})
    if missing:
        raise Invalid.on("groups", f"There is no group {', '.join(missing)}.")
    return found


def _taken(refused: IntegrityError) -> Invalid:
    # PostgreSQL tells the constraint apart from the message, which holds what was written; SQLite's holds names alone.
    diagnosis = getattr(refused.__cause__, "diag", None)
    broken = str(refused) if diagnosis is None else diagnosis.constraint_name or ""
    if "one_user_per_username" in broken:
        return Invalid.on("username", USERNAME_TAKEN)
    if broken in ("accounts_user_phone_key", "UNIQUE constraint failed: accounts_user.phone"):
        return Invalid.on("phone", PHONE_TAKEN)
    raise refused


def _change_name(after: Mapping[str, Any]) -> str:
    if "is_active" not in after:
        return "user.updated"
    return "user.reactivated" if after["is_active"] else "user.deactivated"


def _shown(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in ALL if getattr(user, name) not in (None, "")}


def _named(groups: Sequence[Group]) -> dict[str, Any]:
    return {"groups": sorted(group.name for group in groups)}
