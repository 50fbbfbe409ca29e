from __future__ import annotations

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission

from tandem.accounts.models import User
from tandem.accounts.rights import CODENAMES, DEFAULTS_BY_GROUP, MODELS

# Contract §1, written out: a = add, c = change, d = delete, v = view.
EXPECTED = {
    "Sales": {
        "lead": "acdv",
        "followup": "acdv",
        "client": "acv",
        "service": "v",
        "pipeline": "v",
        "attribute": "v",
        "cohort": "v",
    },
    "Operations": {
        **dict.fromkeys(
            ("client", "service", "followup", "cohort", "enrollment", "enrollmentdetail", "transferrequest"), "acdv"
        ),
        "lead": "v",
        "pipeline": "v",
        "attribute": "v",
    },
    "Instructors": {
        "service": "v",
        "cohort": "v",
        "enrollment": "v",
        "enrollmentdetail": "v",
        "followup": "acv",
        "transferrequest": "av",
    },
    "Teacher Assistant": dict.fromkeys(("service", "cohort", "enrollment", "enrollmentdetail", "followup"), "v"),
    "Management": dict.fromkeys(MODELS, "v"),
}
VERBS = {"a": "add", "c": "change", "d": "delete", "v": "view"}


@pytest.mark.parametrize("group", EXPECTED)
def test_a_new_install_has_the_groups_with_their_defaults(db: None, group: str) -> None:
    expected = {f"{VERBS[letter]}_{model}" for model, letters in EXPECTED[group].items() for letter in letters}

    held = Group.objects.get(name=group).permissions.values_list("codename", flat=True)

    assert set(held) == expected
    assert DEFAULTS_BY_GROUP[group] == expected


def test_each_permission_is_there_once(db: None) -> None:
    assert len(CODENAMES) == 44
    assert Permission.objects.filter(codename__in=CODENAMES).count() == 44


def test_migrating_again_leaves_what_an_admin_changed(db: None) -> None:
    from django.core.management import call_command

    Group.objects.get(name="Sales").permissions.clear()
    Group.objects.filter(name="Management").delete()

    call_command("migrate", verbosity=0)

    assert Group.objects.get(name="Sales").permissions.count() == 0
    assert not Group.objects.filter(name="Management").exists()


def test_has_perm_follows_role_group_and_status(asha: User, omar: User) -> None:
    assert asha.has_perm("accounts.delete_webhook")
    assert not omar.has_perm("accounts.view_lead")

    omar.groups.add(Group.objects.get(name="Sales"))
    omar = User.objects.get(pk=omar.pk)
    assert omar.has_perm("accounts.view_lead")
    assert not omar.has_perm("accounts.delete_client")

    asha.is_active = False
    assert not asha.has_perm("accounts.view_lead")


def test_passwords_are_hashed_as_decided() -> None:
    assert make_password("x").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
