"""Who may carry an operation out, by role. Which records they then see is `visible_to`'s business."""

from __future__ import annotations

from typing import Literal, cast

from tandem.accounts.models import Role, User
from tandem.accounts.queries import has_right
from tandem.common.endpoint import Request, Who

ADMIN = Who("admins", lambda user: user.role == Role.ADMIN)
WORKER = Who("workers", lambda user: user.role == Role.WORKER)
FIELD = Who("customers, workers and admins", lambda user: user.role in (Role.CUSTOMER, Role.WORKER, Role.ADMIN))
WORKER_OR_ADMIN = Who("workers and admins", lambda user: user.role in (Role.WORKER, Role.ADMIN))
CUSTOMER_OR_ADMIN = Who("customers and admins", lambda user: user.role in (Role.CUSTOMER, Role.ADMIN))
CUSTOMER = Who("customers", lambda user: user.role == Role.CUSTOMER)


Verb = Literal["view", "add", "change", "delete"]


def may(verb: Verb, model: str) -> Who:
    """Admins, and whoever holds `app.<verb>_<model>` (CONTRACT §1). One query for those who are not admins."""
    return Who(f"holders of app.{verb}_{model}", lambda user: user.is_admin or has_right(user, f"{verb}_{model}"))


def caller(request: Request) -> User:
    """The user behind a request to an endpoint that is not public."""
    return cast(User, request.user)
