"""Who may have records told to an address: whoever sees all of them. A webhook gives no right to look at anything."""

from __future__ import annotations

from tandem.accounts.models import Role, User
from tandem.common.errors import Forbidden
from tandem.common.reading.statement import StandIn
from tandem.webhooks import registry
from tandem.webhooks.models import Delivery, Webhook
from tandem.webhooks.registry import Told


def kind_for(model: str, *, by: User) -> Told:
    """The kind of record with the contract's name, for a caller who sees all such records. At most one query.

    Raises Forbidden.
    """
    told = registry.by_model(model)
    _check(told, by)
    return told


def check_reader(webhook: Webhook, *, by: User) -> None:
    """Refuse whoever does not see all that a webhook may send: records of its model, and what its deliveries hold.

    Deliveries are kept, and sent again as they are, when the webhook is given another model. Raises Forbidden. No query
    for admins, else two, and one for each further kind.
    """
    if by.is_admin:
        return
    kind_for(webhook.model, by=by)
    types = Delivery.objects.filter(webhook=webhook).order_by().values_list("type", flat=True).distinct()
    for subject in {type.partition(".")[0] for type in types}:
        told = registry.by_subject(subject)
        if told is not None and told.model != webhook.model:
            _check(told, by)


def _check(told: Told, by: User) -> None:
    if by.is_admin:
        return
    if not told.who.allows(by) or _seen(told, by.role) != _seen(told, Role.ADMIN):
        raise Forbidden(f"You may not see all records of the model {told.model}, so no webhook may tell you of them.")


def _seen(told: Told, role: str) -> str:
    """The records that somebody of a role sees, as a statement: customers and workers see their own ones only."""
    return str(told.rows(StandIn(role)).query)
