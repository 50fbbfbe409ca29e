"""Who of the demo company's workers is free when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, time
from random import Random
from typing import Final

from tandem.accounts.models import User
from tandem.fieldservice.rules.assignment import same_region

SLOTS: Final = tuple(time(hour, minute) for hour, minute in ((9, 30), (10, 45), (12, 0), (14, 15), (15, 30), (16, 45)))


class Roster:
    """absent: (worker id, day). left_on: worker id → the first day without him or her. most: visits a day."""

    def __init__(
        self,
        workers: Sequence[User],
        *,
        absent: Collection[tuple[int, date]],
        left_on: Mapping[int, date],
        most: int,
    ) -> None:
        self._workers = workers
        self._absent = absent
        self._left_on = left_on
        self._slots = SLOTS[:most]
        self._taken: dict[tuple[int, date], set[time]] = {}

    def find(self, day: date, region: str, *, knows: User | None, random: Random) -> tuple[User, time] | None:
        """Take a worker's free time of a day: who knows the machine, else who has least to do; None if all is full."""
        able = [worker for worker in self._workers if self._is_able(worker, day, region)]
        if not able:
            return None
        best = min(able, key=lambda worker: (worker != knows, not worker.region, self._load(worker, day), worker.pk))
        return best, self.take(best, day, random=random)

    def take(self, worker: User, day: date, *, random: Random) -> time:
        """Take some free time of this worker, whether or not he or she is there.

        By hand somebody may be given more visits than the planner would give. Raises IndexError if all SLOTS are taken.
        """
        taken = self._taken.setdefault((worker.pk, day), set())
        free = [slot for slot in self._slots if slot not in taken]
        slot = random.choice(free or [slot for slot in SLOTS if slot not in taken])
        taken.add(slot)
        return slot

    def _is_able(self, worker: User, day: date, region: str) -> bool:
        return (
            (worker.pk, day) not in self._absent
            and day < self._left_on.get(worker.pk, date.max)
            and (not worker.region or same_region(worker.region, region))
            and self._load(worker, day) < len(self._slots)
        )

    def _load(self, worker: User, day: date) -> int:
        return len(self._taken.get((worker.pk, day), ()))
