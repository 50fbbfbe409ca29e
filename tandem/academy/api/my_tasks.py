"""Beyond contract A: the open tasks of the caller, over clients, students and leads."""

from __future__ import annotations

from django.db.models import DateField
from django.http import HttpResponse

from tandem.academy.access import OFFICE
from tandem.academy.api.answers import MY_TASK
from tandem.academy.queries import HAVE_TASKS, open_tasks_of
from tandem.accounts.access import caller
from tandem.accounts.queries import permissions_of
from tandem.accounts.rights import contract_name
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.reading.listing import Listing, Order, by_day, by_flag
from tandem.common.reading.statement import adapted

MY_TASKS = Listing(
    MY_TASK,
    open_tasks_of,
    {"from": by_day("date__gte"), "to": by_day("date__lte"), "overdue": by_flag("overdue")},
    {"": Order(("due", "id"))},
)


class MyTasks(Endpoint):
    @operation(OFFICE, gives=MY_TASKS)
    def get(self, request: Request) -> HttpResponse:
        """The caller's open tasks by date, those without a date last.

        The caller's are those that the caller wrote, and all of leads that the caller is responsible for.
        """
        held = permissions_of(caller(request))
        sees = {
            f"sees_{entity.value}": entity.value if contract_name(f"view_{entity.value}") in held else ""
            for entity in HAVE_TASKS
        }
        return self.page(request, MY_TASKS, today=adapted(moments.today(), DateField()), **sees)
