"""Refusals: errors as classes with a stable machine code.

Rules and actions raise them, `rendering.answer_exception` shows them, nobody else touches them. No Django in here, so
that pure rules may raise them too. Add a refusal beside the action it belongs to: `class OpenVisits(Conflict): ...`.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """Something that was asked for is not done. `message` tells what happened and what the person can do.

    facts: further keys of the answer's body. retry_after: whole seconds for the `Retry-After` header.
    """

    status = 400
    code = "refused"
    message = "This request cannot be carried out."

    def __init__(self, message: str | None = None, *, retry_after: int | None = None, **facts: Any) -> None:
        self.message = message or self.message
        self.retry_after = retry_after
        self.facts = facts
        super().__init__(self.message)

    def body(self) -> dict[str, Any]:
        return {"detail": self.message, "code": self.code, **self.facts}


class Invalid(Refusal):
    """Bad input, by field: `Invalid({"card": ["..."]})` or `Invalid.on("card", "...")`."""

    code = "invalid"

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(str(fields))
        self.fields = fields

    @classmethod
    def on(cls, field: str, message: str) -> Invalid:
        return cls({field: [message]})

    @classmethod
    def unknown(cls, field: str, pk: Any) -> Invalid:
        """The refusal of an id in a body that names no record which the caller may see."""
        return cls.on(field, f'Invalid pk "{pk}" - object does not exist.')

    def body(self) -> dict[str, Any]:
        return self.fields


class NotSignedIn(Refusal):
    status = 401
    code = "not_authenticated"
    message = "Sign in first."


class Forbidden(Refusal):
    status = 403
    code = "permission_denied"
    message = "You do not have permission to perform this action."


class NotFound(Refusal):
    status = 404
    code = "not_found"
    message = "Not found."


class Conflict(Refusal):
    status = 409
    code = "conflict"
    message = "This does not fit the present state of the record."


class PreconditionFailed(Refusal):
    status = 412
    code = "precondition_failed"
    message = "The record was changed by somebody else since you read it. Read it again, then repeat your change."


class Unprocessable(Refusal):
    status = 422
    code = "unprocessable"


class TooMany(Refusal):
    status = 429
    code = "throttled"
    message = "Too many tries. Wait, then try again."


class Unavailable(Refusal):
    status = 503
    code = "unavailable"
    message = "The service cannot answer right now. Try again in a few seconds."
