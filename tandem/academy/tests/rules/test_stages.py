"""How a given list of stages meets the stored one, and where a lead may stand. CONTRACT §4 "Pipelines", "Leads"."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tandem.academy.rules.stages import Given, Stage, moves, planned, positions, stage_to_enter
from tandem.common.errors import Invalid

A, B, C = (UUID(int=n) for n in (0xA, 0xB, 0xC))
STORED = [Stage(A, "Prospecting", "#111", 1), Stage(B, "Negotiation", "#222", 2), Stage(C, "Won", "#333", 3)]


def by_id(id: UUID, name: str | None = None, **other: Any) -> Given:
    return Given(str(id), name, **other)


def named(name: str, **other: Any) -> Given:
    return Given(None, name, **other)


@pytest.mark.parametrize(
    ("given", "kept", "added", "removed", "renamed", "reason"),
    [
        ([by_id(A), by_id(B), by_id(C)], "A1 B2 C3", "", "", {}, "an id alone keeps everything"),
        ([by_id(C), by_id(A), by_id(B)], "C1 A2 B3", "", "", {}, "places are the order"),
        (
            [named("prospecting"), named("NEGOTIATION"), named("Won")],
            "A1 B2 C3",
            "",
            "",
            "case",
            "names match in any case",
        ),
        ([by_id(A, "Leads"), by_id(B), by_id(C)], "A1 B2 C3", "", "", {"Prospecting": "Leads"}, "an id renames"),
        ([named("Leads"), by_id(B), by_id(C)], "B2 C3", "Leads1", "A", {}, "without an id it is a new stage"),
        (
            [by_id(A, "Negotiation"), by_id(B, "Prospecting"), by_id(C)],
            "A1 B2 C3",
            "",
            "",
            {"Prospecting": "Negotiation", "Negotiation": "Prospecting"},
            "two names are swapped",
        ),
        (
            [by_id(A, "Leads"), named("Prospecting"), by_id(B), by_id(C)],
            "A1 B3 C4",
            "Prospecting2",
            "",
            {"Prospecting": "Leads"},
            "the id is taken, so its old name is a new stage",
        ),
        (
            [named("Won"), by_id(C, "Lost")],
            "C2",
            "Won1",
            "A B",
            {"Won": "Lost"},
            "ids go first, wherever they stand",
        ),
        ([Given("temp-1", "Fresh"), Given("7", "won")], "C2", "Fresh1", "A B", "case", "a made-up id counts as none"),
        ([Given(str(A).upper())], "A1", "", "B C", {}, "ids are read in any case"),
        ([], "", "", "A B C", {}, "an empty list removes all"),
        ([named("  Won ")], "C1", "", "A B", {}, "spaces around a name do not count"),
    ],
)
def test_given_stages_meet_the_stored_ones(
    given: list[Given], kept: str, added: str, removed: str, renamed: Any, reason: str
) -> None:
    letters = {A: "A", B: "B", C: "C"}
    plan = planned(STORED, given)
    assert (
        " ".join(f"{letters[stage.id]}{stage.position}" for stage in sorted(plan.kept, key=lambda one: one.position))
        == kept
    ), reason
    assert " ".join(f"{stage.name}{stage.position}" for stage in plan.added) == added, reason
    assert " ".join(letters[stage.id] for stage in plan.removed) == removed, reason
    if renamed == "case":
        assert all(old.lower() == new.lower() for old, new in plan.renamed.items()), reason
    else:
        assert plan.renamed == renamed, reason


def test_a_colour_stays_unless_another_is_given() -> None:
    plan = planned(STORED, [by_id(A), by_id(B, color=""), named("Won", color="#999"), named("New")])
    assert [stage.color for stage in plan.kept] == ["#111", "", "#999"]
    assert plan.added[0].color == ""


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([named("One"), named("one")], "two new ones of the same name"),
        ([by_id(A, "Won"), by_id(C)], "renamed to what another one is called"),
        ([by_id(A), by_id(A, "Other")], "one id twice"),
        ([named("Won"), named("WON")], "one stored name twice: the second would be new"),
        ([named("")], "no name"),
        ([named("  ")], "only spaces"),
        ([Given("unheard-of")], "neither a known id nor a name"),
        ([named("One", order=-1)], "an order below zero"),
        ([named("One", order=2**40)], "an order that no column holds"),
    ],
)
def test_what_is_refused(given: list[Given], reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        planned(STORED, given)
    assert list(refused.value.fields) == ["stages"], reason


@pytest.mark.parametrize(
    ("orders", "expected", "reason"),
    [
        ([1, 2, 3], [1, 2, 3], "as given"),
        ([None, None, None], [1, 2, 3], "places, from 1 on"),
        ([30, 10, 20], [30, 10, 20], "gaps are kept"),
        ([0, 1, 2], [0, 1, 2], "counting may begin at 0"),
        ([2, 2, 1], [2, 3, 1], "of two that are alike the first given comes first"),
        ([3, None, 1], [3, 2, 1], "one without an order stands at its place"),
        ([2, None, 1], [2, 3, 1], "and behind one that wants the same place and came before"),
    ],
)
def test_positions(orders: list[int | None], expected: list[int], reason: str) -> None:
    assert positions([Given(name=str(n), order=order) for n, order in enumerate(orders)]) == expected, reason


@pytest.mark.parametrize(
    ("asked", "expected", "reason"),
    [
        ({"Negotiation": "Won"}, {"Negotiation": "Won"}, "a removed one, to a stored one"),
        ({"NEGOTIATION": "won"}, {"Negotiation": "Won"}, "in any case, stored as the pipeline spells it"),
        ({str(B): str(C)}, {"Negotiation": "Won"}, "ids do as well"),
        ({"Negotiation": "Fresh"}, {"Negotiation": "Fresh"}, "to a new one"),
        ({"Won": "Fresh"}, {}, "one that stays needs no move"),
        ({"Unheard": "Won"}, {}, "nor does one that never was"),
    ],
)
def test_moves(asked: dict[str, str], expected: dict[str, str], reason: str) -> None:
    plan = planned(STORED, [by_id(C), named("Fresh")])
    assert moves(plan, asked) == expected, reason


def test_a_move_to_a_stage_that_will_not_be_there_is_refused() -> None:
    plan = planned(STORED, [by_id(C)])
    with pytest.raises(Invalid) as refused:
        moves(plan, {"Negotiation": "Prospecting"})
    assert refused.value.fields == {
        "stage_moves": ['"Prospecting" is not a stage of this pipeline. Choose one of: Won.']
    }


@pytest.mark.parametrize(
    ("asked", "stages", "expected", "reason"),
    [
        (None, None, "Prospecting", "no wish, no pipeline"),
        (None, ["First", "Second"], "First", "no wish: the pipeline's first"),
        ("", ["First"], "First", "an empty text is no wish"),
        ("second", ["First", "Second"], "Second", "the pipeline's spelling"),
        ("Anything", None, "Anything", "without a pipeline any text will do"),
        ("Anything", [], "Anything", "a pipeline without stages limits nothing"),
        (None, [], "Prospecting", "and has no first one"),
    ],
)
def test_where_a_lead_stands(asked: str | None, stages: list[str] | None, expected: str, reason: str) -> None:
    assert stage_to_enter(asked, stages) == expected, reason


def test_a_stage_outside_of_the_pipeline_is_refused_with_those_inside() -> None:
    with pytest.raises(Invalid) as refused:
        stage_to_enter("Lost", ["First", "Second"])
    assert refused.value.fields == {"stage": ['"Lost" is not a stage of this pipeline. Choose one of: First, Second.']}
