"""Contract A §12: who is in which group, for pickers. Names only."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from tandem.academy.access import OFFICE
from tandem.accounts.api.answers import USERNAME
from tandem.accounts.models import User
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.reading.answer import Answer, Text, Whole
from tandem.common.reading.listing import Listing, Order

GROUP_MEMBER = Answer(
    "GroupMember",
    User,
    [Whole("id"), Text("name", example="John Doe"), USERNAME],
    doc="A person who can be chosen: an instructor, a teaching assistant, somebody of sales or operations.",
)


def members_of(group: str) -> Any:
    """The view that lists the active users of a group, by name."""
    members = Listing(
        GROUP_MEMBER,
        lambda viewer: User.objects.filter(is_active=True, groups__name=group),
        orders={"": Order(("name", "id"))},
    )

    class Members(Endpoint):
        @operation(OFFICE, gives=members)
        def get(self, request: Request) -> HttpResponse:
            return self.page(request, members)

    Members.get.__doc__ = f"The active users of the group {group}, by name."
    return Members.as_view()
