"""Who may carry an operation out, by role. Which records they then see is `visible_to`'s business."""

from __future__ import annotations

from typing import cast

from tandem.accounts.models import Role, User
from tandem.common.endpoint import Request, Who

ADMIN = Who("admins", lambda user: user.role == Role.ADMIN)
WORKER = Who("workers", lambda user: user.role == Role.WORKER)
FIELD = Who("customers, workers and admins", lambda user: user.role in (Role.CUSTOMER, Role.WORKER, Role.ADMIN))
WORKER_OR_ADMIN = Who("workers and admins", lambda user: user.role in (Role.WORKER, Role.ADMIN))
CUSTOMER_OR_ADMIN = Who("customers and admins", lambda user: user.role in (Role.CUSTOMER, Role.ADMIN))
CUSTOMER = Who("customers", lambda user: user.role == Role.CUSTOMER)


def caller(request: Request) -> User:
    """The user behind a request to an endpoint that is not public."""
    return cast(User, request.user)
