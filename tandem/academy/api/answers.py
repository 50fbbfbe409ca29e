"""What contract A's resources look like: each answer declared once (see common/reading/answer.py)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import NullIf

from tandem.academy.models import (
    Attribute,
    AttributeType,
    Client,
    Entity,
    FollowUp,
    Lead,
    Note,
    Pipeline,
    Stage,
    StageChange,
    Student,
    Task,
)
from tandem.academy.models.visible_attributes import FileAttributes, VisibleAttributes
from tandem.common import moments
from tandem.common.reading.answer import (
    Amended,
    Answer,
    Choice,
    Computed,
    Day,
    Flag,
    Json,
    Moment,
    Nested,
    Shown,
    Text,
    Uuid,
    Whole,
)
from tandem.files.keys import owner_in
from tandem.files.links import link_to

ATTRIBUTES = {"type": "object", "additionalProperties": True, "examples": [{"industry": "Tech"}]}

TASK = Answer(
    "Task",
    Task,
    [
        Uuid("id"),
        Text("task", example="Call client"),
        Day("date", null=True, example="2025-01-20"),
        Flag("completed"),
        Moment("date_created"),
        Whole("user_id", null=True),
        Text("user_name", source="user__name", null=True),
    ],
)

NOTE = Answer(
    "Note",
    Note,
    [
        Uuid("id"),
        Text("note", example="Client requested new proposal"),
        Moment("date"),
        Moment("date_created"),
        Whole("user_id", null=True),
        Text("user_name", source="user__name", null=True),
    ],
)


def links_of(*, keys: Sequence[str]) -> list[str | None]:
    """Signed links to a record's pictures, oldest first."""
    now = moments.now()
    return [link_to(key, now=now) for key in keys]


def recorded() -> list[Shown]:
    """The keys of everything that tells who made it and when."""
    return [
        Whole("created_by", source="created_by_id", null=True),
        Text("created_by_name", source="created_by__name", null=True),
        Moment("created_at"),
        Moment("updated_at"),
    ]


def attributes_of(entity: Entity) -> Shown:
    """Attributes as they are stored, but for files: a key is stored, a link is shown."""
    return Amended(
        "attributes",
        source=lambda: VisibleAttributes("attributes", entity=entity),
        shape=ATTRIBUTES,
        told=lambda: FileAttributes(entity=entity),
        amend=with_links,
    )


def with_links(attributes: dict[str, Any], files: Sequence[str]) -> dict[str, Any]:
    """Attributes with links in the places of keys. files: the names of those that hold files."""
    now = moments.now()
    return attributes | {
        name: link_to(attributes[name], now=now) for name in files if owner_in(str(attributes.get(name)))
    }


def described(entity: Entity) -> list[Any]:
    """The keys of everything that has attributes, tasks, notes and pictures."""
    return [
        attributes_of(entity),
        Nested("list_of_tasks", answer=TASK, rows=lambda: _items(Task)),
        Nested("list_of_notes", answer=NOTE, rows=lambda: _items(Note)),
        Computed(
            "list_of_images",
            {"type": "array", "items": {"type": "string"}},
            takes={"keys": Json("keys", source="images")},
            compute=links_of,
        ),
    ]


def _items(model: type[Task] | type[Note]) -> Any:
    return model._default_manager.filter(record=OuterRef("pk")).order_by("position", "id")


ATTRIBUTE = Answer(
    "Attribute",
    Attribute,
    [
        Uuid("id"),
        Choice("entity", options=Entity.values),
        Text("name", example="industry"),
        Text("label", example="Industry"),
        Choice("type", options=AttributeType.values),
        Flag("is_required"),
        Json("list_values", shape={"type": "array", "items": {"type": "string"}}),
        Text("description"),
        Whole("order"),
        Moment("created_at"),
        Moment("updated_at"),
    ],
    doc="A field that users defined for all records of an entity. `list_values`: the options of type list.",
)

CLIENT = Answer(
    "Client",
    Client,
    [Uuid("id"), Text("name", example="Acme Corp"), *described(Entity.CLIENT), *recorded()],
    doc="A company or person that buys.",
)

STUDENT = Answer(
    "Student",
    Student,
    [
        Uuid("id"),
        Text("name", example="Jane Doe"),
        Uuid("client", source="client_id"),
        Text("client_name", source="client__name"),
        Uuid("actual_cohort", source="actual_cohort_id", null=True),
        Text("actual_cohort_name", source="actual_cohort__name_cohort", null=True),
        Uuid("origin_cohort", source="origin_cohort_id", null=True),
        Text("origin_cohort_name", source="origin_cohort__name_cohort", null=True),
        *described(Entity.STUDENT),
        *recorded(),
    ],
    doc="A person who is taught; the contract's word in paths is `services`.",
)

STAGE = Answer(
    "Stage",
    Stage,
    [
        Uuid("id"),
        Text("name", example="Prospecting"),
        Text("color", example="#6c6f73"),
        Whole("order", source="position"),
    ],
    doc="A stage keeps its id through renames and new orders.",
)

PIPELINE = Answer(
    "Pipeline",
    Pipeline,
    [
        Uuid("id"),
        Text("name", example="B2B Sales"),
        Text("description"),
        Nested(
            "stages",
            answer=STAGE,
            rows=lambda: Stage.objects.filter(pipeline=OuterRef("pk")).order_by("position", "id"),
        ),
        *recorded(),
    ],
    doc="The stages that a lead goes through, in their order.",
)

LEAD = Answer(
    "Lead",
    Lead,
    [
        Uuid("id"),
        Text("name", example="Potential Student"),
        Whole("responsible", source="responsible_id", null=True),
        Text("responsible_name", source="responsible__name", null=True),
        Uuid("pipeline", source="pipeline_id", null=True),
        Text("pipeline_name", source="pipeline__name", null=True),
        Text("stage", example="Prospecting"),
        Uuid("possible_client", source="possible_client_id", null=True),
        Text("possible_client_name", source="possible_client__name", null=True),
        Text("moodle_course_id", source=lambda: NullIf("moodle_course_id", Value("")), null=True),
        Uuid("converted_to", source="converted_to_id", null=True),
        Uuid("converted_seat", source="converted_seat_id", null=True),
        *described(Entity.LEAD),
        *recorded(),
    ],
    doc="Somebody who may buy. `converted_to`: the student that it became, `converted_seat`: its seat.",
)


def seconds_in_stage(*, entered: str, left: str | None, now: datetime) -> int:
    """Whole seconds from entering a stage to leaving it, or to now."""
    until = datetime.fromisoformat(left) if left else now
    return max(0, int((until - datetime.fromisoformat(entered)).total_seconds()))


def _left_at() -> Any:
    later = StageChange.objects.filter(lead=OuterRef("lead"), pk__gt=OuterRef("pk")).order_by("pk")
    return Subquery(later.values("entered_at")[:1])


STAGE_ENTRY = Answer(
    "StageEntry",
    StageChange,
    [
        Text("stage", example="Prospecting"),
        Moment("entered_at"),
        Moment("left_at", source=_left_at, null=True),
        Computed(
            "seconds",
            {"type": "integer"},
            takes={
                "entered": Moment("entered", source="entered_at"),
                "left": Moment("left", source=_left_at, null=True),
            },
            compute=seconds_in_stage,
            now=True,
        ),
        Whole("by", source="by_id", null=True),
        Text("by_name", source="by__name", null=True),
    ],
    doc="A lead's time in a stage. `left_at` is null and `seconds` runs on where it stands now.",
)

FOLLOW_UP = Answer(
    "FollowUp",
    FollowUp,
    [
        Uuid("id"),
        Uuid("service", source="student_id"),
        Text("service_name", source="student__name"),
        Whole("user", source="user_id"),
        Text("user_name", source="user__name"),
        Moment("follow_up_date", null=True, example="2025-01-15T10:00:00Z"),
        Text("comment", example="Sent brochure."),
        attributes_of(Entity.FOLLOW_UP),
        *recorded(),
    ],
    doc="A contact with a student. `user`: who made it.",
)

MY_TASK = TASK.with_keys(
    "MyTask",
    Flag("overdue"),
    Choice("entity", options=[Entity.CLIENT.value, Entity.STUDENT.value, Entity.LEAD.value]),
    Uuid("record"),
    Text("record_name"),
    doc="An open task, and the record that it belongs to. `overdue`: its date is past.",
)
