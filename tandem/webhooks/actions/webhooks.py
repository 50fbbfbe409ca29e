"""Writing webhooks. Contract A §13; CONTRACT §6."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction

from tandem.accounts.models import User
from tandem.common.errors import Invalid, NotFound
from tandem.events.changes import change
from tandem.events.record import record
from tandem.webhooks import registry
from tandem.webhooks.actions.readers import check_reader, kind_for
from tandem.webhooks.actions.switching import hold_waiting, resume
from tandem.webhooks.models import Webhook
from tandem.webhooks.models.webhook import readable_headers, sealed_headers, sealed_secrets, sealed_text
from tandem.webhooks.outgoing import check_target, read_target
from tandem.webhooks.registry import LISTENED_TO, Told
from tandem.webhooks.rules import headers as header_rules
from tandem.webhooks.rules import placeholders
from tandem.webhooks.rules.conditions import WrongCondition, checked
from tandem.webhooks.rules.headers import WrongHeader
from tandem.webhooks.rules.placeholders import PlaceholderInHost
from tandem.webhooks.rules.retries import MOST_OLD_SECRETS, OLD_SECRET_LASTS
from tandem.webhooks.rules.values import UnknownName, check_name
from tandem.webhooks.signing import new_secret

_PLAIN = ("name", "model", "url", "method", "is_active", "conditions", "condition_logic", "events")


def unsaved_webhook(values: Mapping[str, Any], *, by: User, stored: Webhook | None = None) -> Webhook:
    """The webhook that a body describes, checked, not stored. Two queries. Raises Forbidden, Invalid.

    stored: the one whose header values masked ones stand for, as on a change; None: they stand for nothing.
    """
    told = kind_for(values["model"], by=by)
    _check_url(values["url"], told)
    known = readable_headers(stored.sealed_headers) if stored else {}
    host_changes = stored is not None and _leads_elsewhere(values["url"], stored)
    headers = _headers(values.get("headers", {}), known, told, host_changes=host_changes)
    return Webhook(
        name=values["name"],
        model=told.model,
        url=values["url"],
        method=values.get("method", "POST"),
        sealed_headers=sealed_headers(headers),
        is_active=values.get("is_active", True),
        conditions=_conditions(values.get("conditions", []), told),
        condition_logic=values.get("condition_logic", "AND"),
        events=values.get("events", list(LISTENED_TO)),
    )


def create_webhook(values: Mapping[str, Any], *, by: User, now: datetime) -> tuple[Webhook, str]:
    """Store a webhook and give it with its secret, which is told this once. Four queries.

    Raises Forbidden, Invalid.
    """
    secret = new_secret()
    webhook = unsaved_webhook(values, by=by)
    webhook.id, webhook.created_by, webhook.created_at, webhook.updated_at = uuid.uuid4(), by, now, now
    webhook.sealed_secret = sealed_text(secret)
    with transaction.atomic():
        webhook.save(force_insert=True)
        record("webhook.created", subject=webhook, actor=by, at=now, after=known(webhook))
    return webhook, secret


def known(webhook: Webhook) -> dict[str, Any]:
    """What the history tells of a new webhook: of its headers the names only."""
    return {name: getattr(webhook, name) for name in _PLAIN} | {"headers": sorted(webhook.headers())}


def change_webhook(webhook: Webhook, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay. Switching it on lets what was held go out.

    What is sent back as it was is not judged anew: an attribute may have gone since. Who does not see the records may
    switch it off and rename it, nothing else. Raises Forbidden, Invalid, NotFound.
    """
    with transaction.atomic():
        locked = locked_webhook(webhook.pk)
        new = _differing(locked, values)
        if not _is_harmless(new):
            check_reader(locked, by=by)
            if "model" in new:
                kind_for(new["model"], by=by)
        before, after = change(locked, at=now, **new)
        for names in (before, after):
            if "sealed_headers" in names:  # names only: values are secrets, and the history is for everybody
                names["headers"] = sorted(readable_headers(names.pop("sealed_headers")))
        if after:
            record("webhook.updated", subject=locked, actor=by, at=now, before=before, after=after)
        if "is_active" in after:
            (resume if locked.is_active else hold_waiting)(locked, now=now)


def delete_webhook(webhook: Webhook, *, by: User, now: datetime) -> None:
    """Take a webhook out of every list; what waits for it is held. Raises NotFound. Four queries."""
    with transaction.atomic():
        locked = locked_webhook(webhook.pk)
        locked.mark_deleted(now=now)
        hold_waiting(locked, now=now)
        record("webhook.deleted", subject=locked, actor=by, at=now)


def restore_webhook(webhook: Webhook, *, by: User, now: datetime) -> None:
    """Bring a webhook back; what was held goes out when it is active. Raises Forbidden. Five queries."""
    with transaction.atomic():
        locked = Webhook.objects.select_for_update(of=("self",), no_key=True).get(pk=webhook.pk)
        check_reader(locked, by=by)
        if locked.deleted_at is None:
            return
        locked.mark_restored()
        record("webhook.restored", subject=locked, actor=by, at=now)
        if locked.is_active:
            resume(locked, now=now)


def rotate_secret(webhook: Webhook, *, by: User, now: datetime) -> str:
    """Give a webhook a new secret, which is told this once; each old one signs along for its day.

    Raises Forbidden, NotFound.
    """
    secret = new_secret()
    with transaction.atomic():
        locked = locked_webhook(webhook.pk)
        check_reader(locked, by=by)
        older = locked.old_secrets(now=now)[: MOST_OLD_SECRETS - 1]
        change(
            locked,
            at=now,
            sealed_secret=sealed_text(secret),
            sealed_old_secret=locked.sealed_secret,
            sealed_older_secrets=sealed_secrets(older),
            old_secret_until=now + OLD_SECRET_LASTS,
        )
        record("webhook.secret_rotated", subject=locked, actor=by, at=now, old_until=locked.old_secret_until)
    return secret


def locked_webhook(pk: Any) -> Webhook:
    """The live webhook, its row locked. Raises NotFound. One query."""
    found = Webhook.objects.live().select_for_update(of=("self",), no_key=True).filter(pk=pk).first()
    if found is None:
        raise NotFound
    return found


def _differing(locked: Webhook, values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a change writes, and what they get. Up to one query. Raises Invalid."""
    own = {name: values[name] for name in _PLAIN if name in values and name != "conditions"}
    told = registry.by_model(own.get("model", locked.model))
    is_other_kind = told.model != locked.model
    url = own.get("url", locked.url)
    if is_other_kind or url != locked.url:
        _check_url(url, told)
    given = values.get("conditions", locked.conditions)
    if is_other_kind or given != locked.conditions:
        own["conditions"] = _conditions(given, told)
    host_changes = _leads_elsewhere(url, locked)
    if "headers" in values or is_other_kind or host_changes:
        stored = readable_headers(locked.sealed_headers)
        shown = {name: header_rules.masked(value) for name, value in stored.items()}
        headers = _headers(values.get("headers", shown), stored, told, host_changes=host_changes)
        if headers != stored:
            own["sealed_headers"] = sealed_headers(headers)
    return {name: value for name, value in own.items() if value != getattr(locked, name)}


def _is_harmless(new: Mapping[str, Any]) -> bool:
    """Whether a change of these columns lets nothing out that did not go out before."""
    return new.keys() <= {"name", "is_active"} and not new.get("is_active")


def _leads_elsewhere(url: str, stored: Webhook) -> bool:
    return url != stored.url and _host(url) != _host(stored.url)


def _host(url: str) -> tuple[str, str, int]:
    """Where a secret goes, and whether it travels in clear: scheme, host, port."""
    target = read_target(placeholders.with_any_values(url))
    return target.scheme, target.host, target.port


def _check_url(url: str, told: Told) -> None:
    try:
        placeholders.check_place(url)
        _check_names([url], told)
        check_target(placeholders.with_any_values(url))
    except (PlaceholderInHost, UnknownName, ValueError) as wrong:
        raise Invalid.on("url", str(wrong)) from None


def _headers(given: Mapping[str, Any], stored: Mapping[str, str], told: Told, *, host_changes: bool) -> dict[str, str]:
    try:
        headers = header_rules.merged(header_rules.checked(given), stored, host_changes=host_changes)
        for name, value in headers.items():
            if value != stored.get(name):
                _check_header_names(name, value, told)
    except WrongHeader as wrong:
        raise Invalid.on("headers", str(wrong)) from None
    return headers


def _check_header_names(name: str, value: str, told: Told) -> None:
    try:
        _check_names([value], told)
    except UnknownName as unknown:
        raise WrongHeader(f"{name}: {unknown}") from None


def _check_names(templates: Sequence[str], told: Told) -> None:
    """Raises UnknownName for a placeholder that no record of the kind has. A query when one names an attribute."""
    names = [name for template in templates for name in placeholders.names_in(template)]
    attributes = told.attributes() if any("attributes." in name for name in names) else {}
    for name in names:
        check_name(name, fields=told.fields, attributes=attributes)


def _conditions(given: Sequence[Any], told: Told) -> list[dict[str, Any]]:
    try:
        attributes = told.attributes() if "attributes." in str(given) else {}
        return [asdict(condition) for condition in checked(given, fields=told.fields, attributes=attributes)]
    except WrongCondition as wrong:
        raise Invalid.on("conditions", str(wrong)) from None
