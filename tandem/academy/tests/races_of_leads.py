"""What is raced in test_races_of_leads.py; see tests/racing.py."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tandem.academy.models import Client, EnrollmentDetail, Lead, Pipeline, Stage, StageChange, Student
from tandem.academy.tests.leads import lead, pipeline
from tandem.academy.tests.teaching import enrollment
from tandem.events.models import Event
from tests.cast import Api, as_, person
from tests.racing import Scenario

LEADS, PIPELINES = "/api/leads/", "/api/pipelines/"


def _stages(of: Pipeline, **renamed: str) -> list[dict[str, str]]:
    """The stages of a pipeline by their ids. renamed: old name → new one."""
    rows = Stage.objects.filter(pipeline=of).order_by("position")
    return [{"id": str(row.pk), "name": renamed.get(row.name, row.name)} for row in rows]


def _enter(asha: Api, made_in: Pipeline, stage: str, standing: Lead | None) -> int:
    if standing is None:
        answer = asha.post(LEADS, {"name": "Fresh", "pipeline": str(made_in.pk), "stage": stage})
    else:
        answer = asha.patch(f"{LEADS}{standing.pk}/", {"stage": stage})
    return int(answer.status_code)


def _found() -> dict[str, Any]:
    """Whether what is stored fits together: stages, the history of stages, and the events of each lead."""
    lost, torn, untold = [], [], []
    for one in Lead.objects.all():
        stages = list(Stage.objects.filter(pipeline=one.pipeline).values_list("name", flat=True))
        if one.pipeline is not None and one.stage not in stages:
            lost.append(one.stage)
        last = StageChange.objects.filter(lead=one).order_by("id").last()
        if last is None or (last.stage, last.pipeline) != (one.stage, one.pipeline):
            torn.append(str(one.pk))
        events = Event.objects.filter(subject_id=str(one.pk), subject_type="lead").order_by("id")
        told = [event.after["stage"] for event in events if "stage" in event.after]
        if told and told[-1] != one.stage:
            untold.append((one.stage, told))
    return {"lost": lost, "torn": torn, "untold": untold}


def stage_renamed_while_leads_enter() -> Scenario:
    asha, made_in = as_("asha"), pipeline(stages="New Talking Won")
    standing = [lead(str(n), of=made_in, stage="New") for n in range(16)]
    renamed = _stages(made_in, Talking="Arguing")

    def act(n: int) -> int:
        if n % 8 == 0:
            return int(asha.patch(f"{PIPELINES}{made_in.pk}/", {"stages": renamed}).status_code)
        return _enter(asha, made_in, "Talking", None if n % 2 else standing[n])

    answers = yield act
    entered = Lead.objects.filter(stage="Arguing").count()
    return {
        "odd_answers": sorted(set(answers) - {200, 201, 400}),
        "entered": entered == sum(1 for n, answer in enumerate(answers) if n % 8 and answer in (200, 201)),
        **_found(),
    }


def stage_removed_while_leads_enter() -> Scenario:
    """Half of the editors say where the leads of the stage go; the others are refused while any stands there."""
    asha, made_in = as_("asha"), pipeline(stages="New Talking Won")
    standing = [lead(str(n), of=made_in, stage="New") for n in range(16)]

    def act(n: int) -> int:
        if n % 8 == 0:
            moves = {"Talking": "Won"} if n else {}
            body = {"stages": [{"name": "New"}, {"name": "Won"}], "stage_moves": moves}
            return int(asha.patch(f"{PIPELINES}{made_in.pk}/", body).status_code)
        return _enter(asha, made_in, "Talking", None if n % 2 else standing[n])

    answers = yield act
    entered = sum(1 for n, answer in enumerate(answers) if n % 8 and answer in (200, 201))
    return {
        "odd_answers": sorted(set(answers) - {200, 201, 400, 409}),
        "moved_on": Lead.objects.filter(stage="Won").count() == entered,
        "stages": list(Stage.objects.order_by("position").values_list("name", flat=True)),
        **_found(),
    }


def editors_of_one_pipeline() -> Scenario:
    asha, made_in = as_("asha"), pipeline(stages="New Talking")
    kept = _stages(made_in)

    def act(n: int) -> int:
        # Every other one also swaps the two names.
        swapped = [{**kept[0], "name": "Talking"}, {**kept[1], "name": "New"}] if n % 2 else kept
        body = {"stages": [*swapped, {"name": f"Own {n}"}]}
        return int(asha.patch(f"{PIPELINES}{made_in.pk}/", body).status_code)

    answers = yield act
    names = list(Stage.objects.order_by("position").values_list("name", flat=True))
    return {
        "answers": sorted(set(answers)),
        "stages": [sorted(names[:2]), len(names)],
        "ids": [str(row.pk) for row in Stage.objects.order_by("position")[:2]] == [stage["id"] for stage in kept],
        "events": Event.objects.filter(type="pipeline.updated").count(),
    }


def pipeline_deleted_while_leads_enter() -> Scenario:
    asha, made_in = as_("asha"), pipeline(stages="New Talking")

    def act(n: int) -> int:
        if n % 4 == 0:
            return int(asha.delete(f"{PIPELINES}{made_in.pk}/").status_code)
        return _enter(asha, made_in, "Talking", None)

    answers = yield act
    made_in.refresh_from_db()
    entered = Lead.objects.live().filter(pipeline=made_in).count()
    return {
        "odd_answers": sorted(set(answers) - {201, 204, 400, 404, 409}),
        "either": (made_in.deleted_at is None) == (entered > 0) == (204 not in answers),
        **_found(),
    }


def pipelines_that_go_into_each_other() -> Scenario:
    asha = as_("asha")
    both = [pipeline(name, "New Talking") for name in ("One", "Two")]
    for made_in in both:
        for n in range(8):
            lead(str(n), of=made_in, stage="Talking")

    def act(n: int) -> int:
        leaving, target = both[n % 2], both[1 - n % 2]
        return int(asha.delete(f"{PIPELINES}{leaving.pk}/?move_to={target.pk}").status_code)

    answers = yield act
    left = Pipeline.objects.live().get()
    return {
        "gone": answers.count(204),
        "odd_answers": sorted(set(answers) - {204, 400, 404}),
        "all_in_one": Lead.objects.filter(pipeline=left, stage="Talking").count(),
        **_found(),
    }


def leads_that_move_while_their_pipelines_change() -> Scenario:
    """Every kind of writer at once, each of which locks many rows: none may wait for another in a circle."""
    asha, omar = as_("asha"), person("omar")
    both = [pipeline(name, "New Talking Won") for name in ("One", "Two")]
    standing = [lead(str(n), of=both[n % 2], stage="New", responsible=omar) for n in range(4)]
    renamed = [_stages(made_in, Won=f"Won {made_in.name}") for made_in in both]
    users = [omar.pk, person("asha").pk]

    def act(n: int) -> int:
        one = standing[n // 4 % 4]
        kind, side = n % 4, n // 4 % 2
        if kind == 0:
            answer = asha.patch(f"{LEADS}{one.pk}/", {"pipeline": str(both[side].pk), "stage": "Talking"})
        elif kind == 1:
            tag = asha.get(f"{LEADS}{one.pk}/").headers["ETag"]
            answer = asha.patch(f"{LEADS}{one.pk}/", {"stage": "new"}, If_Match=tag)
        elif kind == 2:
            answer = asha.patch(f"{PIPELINES}{both[side].pk}/", {"stages": renamed[side]})
        else:
            answer = asha.post(f"{LEADS}reassign/", {"from_user": users[side], "to_user": users[1 - side]})
        return int(answer.status_code)

    answers = yield act
    return {"odd_answers": sorted(set(answers) - {200, 412}), **_found()}


def conversions_of_one_lead() -> Scenario:
    asha, one, into = as_("asha"), lead("Jane Doe"), enrollment()

    def act(n: int) -> Any:
        return asha.post(f"{LEADS}{one.pk}/convert/", {"enrollment": str(into.pk)}).json()

    answers = yield act
    return {
        "different_answers": len({str(answer) for answer in answers}),
        "made": [model.objects.count() for model in (Client, Student, EnrollmentDetail)],
        "events": sorted(Counter(Event.objects.values_list("type", flat=True)).items()),
    }
