"""Loading the demo company: where it refuses, and that it is the same every time, whatever the day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Count, Max

from tandem.academy.models import Client
from tandem.common import moments
from tandem.config import demo
from tandem.config.demo import AlreadyInUse, people
from tandem.config.tests.test_demo import NOW, TODAY, everything
from tandem.config.tests.test_demo_academy import field_service_was_loaded
from tandem.events.models import Event
from tandem.fieldservice.models import Attendance, Visit, VisitStatus
from tandem.files.storage import files
from tests.cast import card_of, newcomer, person

pytestmark = pytest.mark.django_db


class TestRefusals:
    def test_it_refuses_a_database_that_somebody_works_with(self) -> None:
        card_of(person("chitra"))
        with pytest.raises(AlreadyInUse):
            demo.load(now=NOW)
        assert not Event.objects.exists()

    def test_it_refuses_to_take_over_somebody_elses_username(self) -> None:
        newcomer("Joseph", role="admin")
        with pytest.raises(AlreadyInUse):
            demo.load(now=NOW)

    def test_it_refuses_to_add_the_academy_to_one_that_is_somebody_elses(self) -> None:
        field_service_was_loaded()
        Client.objects.create(name="Ours", created_at=NOW, updated_at=NOW)
        with pytest.raises(AlreadyInUse):
            demo.load(now=NOW)

    def test_it_refuses_to_add_colleagues_whose_username_is_taken(self) -> None:
        field_service_was_loaded()
        newcomer("Revathi", role="worker")
        with pytest.raises(AlreadyInUse):
            demo.load(now=NOW)


def test_one_that_fails_leaves_no_files_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []
    save = files().save

    def fail_at_the_third(key: str, content: object) -> str:
        if len(saved) == 2:
            raise OSError(28, "No space left on device")
        saved.append(save(key, content))
        return saved[-1]

    monkeypatch.setattr(files(), "save", fail_at_the_third)
    with pytest.raises(OSError, match="No space"):
        demo.load(now=NOW)
    assert len(saved) == 2
    assert not any(files().exists(key) for key in saved)
    assert not Event.objects.exists()


class TestDays:
    def test_only_the_work_of_the_day_itself_depends_on_the_clock(self) -> None:
        once, again = _loaded_and_forgotten(NOW), _loaded_and_forgotten(NOW)
        assert once == again
        evening = _loaded_and_forgotten(NOW.replace(hour=13))
        assert once["cards"] == evening["cards"]
        assert _of_other_days(once) == _of_other_days(evening)
        assert once["visits"] != evening["visits"]

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(datetime(2024, 2, 29, 18, 29, tzinfo=UTC), id="the last minute of a leap day"),
        ],
    )
    def test_it_can_be_loaded_beside_an_admin_on_any_day_and_at_any_hour(self, now: datetime) -> None:
        person("asha")
        assert demo.load(now=now).is_new
        assert set(Visit.objects.values_list("status", flat=True)) == set(VisitStatus.values)
        assert Attendance.objects.filter(date=moments.day_of(now)).count() == 12
        assert Event.objects.aggregate(latest=Max("at"))["latest"] <= now
        assert 1350 <= Visit.objects.count() <= 1650


class TestLimits:
    def test_it_can_be_loaded_where_a_worker_makes_one_visit_a_day(self, settings: Any) -> None:
        settings.CRM_MAX_VISITS_PER_DAY = 1
        assert demo.load(now=NOW).is_new
        assert set(Visit.objects.values_list("status", flat=True)) == set(VisitStatus.values)
        given = Visit.objects.exclude(assigned_to=None).exclude(status=VisitStatus.CANCELLED)
        busy = given.values_list("assigned_to__username", "day").annotate(many=Count("pk")).filter(many__gt=1)
        assert list(busy) == [(people.ILL_TODAY, TODAY, 2)], "by hand, so that somebody has to stand in for the ill one"


def _loaded_and_forgotten(now: datetime) -> dict[str, Any]:
    with transaction.atomic():
        demo.load(now=now)
        found = everything()
        transaction.set_rollback(True)
    return found


def _of_other_days(found: dict[str, Any]) -> list[Any]:
    return [row for row in found["visits"] if row[2] != TODAY]
