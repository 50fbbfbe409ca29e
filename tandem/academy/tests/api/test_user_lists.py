"""/api/instructors/, /api/tas/, /api/sales/, /api/operations/. Contract A §12."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from tandem.accounts.models import User
from tests.cast import Api, as_, member, newcomer

pytestmark = pytest.mark.django_db

LISTS = {
    "instructors": "Instructors",
    "tas": "Teacher Assistant",
    "sales": "Sales",
    "operations": "Operations",
}


@pytest.mark.parametrize(("address", "group"), LISTS.items())
def test_it_lists_the_active_members_by_name(address: str, group: str) -> None:
    people = [newcomer(name, role="office") for name in ("Zoe", "Abel", "Gone")]
    outsider = newcomer("Outsider", role="office")
    for user in people:
        user.groups.set(Group.objects.all())
    outsider.groups.set(Group.objects.exclude(name=group))
    people[2].is_active = False
    people[2].save()
    assert as_("asha").get(f"/api/{address}/").json() == [
        {"id": people[1].pk, "name": "Abel", "username": "abel"},
        {"id": people[0].pk, "name": "Zoe", "username": "zoe"},
    ]


@pytest.mark.parametrize(("address", "group"), LISTS.items())
def test_who_has_only_a_phone_is_called_by_it_as_everywhere(address: str, group: str) -> None:
    user = User.objects.create(name="", role="office", username=None, phone="+919000000077")
    user.groups.add(Group.objects.get(name=group))
    assert Api(user).get(f"/api/{address}/").json() == [{"id": user.pk, "name": "", "username": "+919000000077"}]
    assert Api(user).get("/api/me/").json()["username"] == "+919000000077"


@pytest.mark.parametrize("address", LISTS)
def test_office_users_and_members_of_any_group_may_look(address: str) -> None:
    in_a_group = newcomer("Wendy", role="worker")
    in_a_group.groups.add(Group.objects.get(name="Management"))
    assert member("Teacher Assistant").get(f"/api/{address}/").status_code == 200
    assert as_("omar").get(f"/api/{address}/").status_code == 200
    assert as_("chitra").get(f"/api/{address}/").status_code == 403
    assert as_("wasim").get(f"/api/{address}/").status_code == 403
