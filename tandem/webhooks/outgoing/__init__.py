"""The only way out for webhooks: which addresses may be dialled, and the client that dials them.

Source: contract §6 "Targets".
"""

from tandem.webhooks.outgoing.client import ANSWER_BYTES, Answered, Client, NotSent
from tandem.webhooks.outgoing.retry_after import retry_after_seconds
from tandem.webhooks.outgoing.targets import check_target, read_target

__all__ = [
    "ANSWER_BYTES",
    "Answered",
    "Client",
    "NotSent",
    "check_target",
    "read_target",
    "retry_after_seconds",
]
