"""The tables of contract A."""

from tandem.academy.models.attributes import Attribute, AttributeType, Entity
from tandem.academy.models.items import Note, Task
from tandem.academy.models.people import Client, FollowUp, Lead, StageChange, Student
from tandem.academy.models.pipelines import Pipeline, Stage
from tandem.academy.models.registry import RECORDS
from tandem.academy.models.teaching import (
    Cohort,
    DetailStatus,
    Enrollment,
    EnrollmentAssistant,
    EnrollmentDetail,
    TransferRequest,
    TransferStatus,
)

__all__ = [
    "RECORDS",
    "Attribute",
    "AttributeType",
    "Client",
    "Cohort",
    "DetailStatus",
    "Enrollment",
    "EnrollmentAssistant",
    "EnrollmentDetail",
    "Entity",
    "FollowUp",
    "Lead",
    "Note",
    "Pipeline",
    "Stage",
    "StageChange",
    "Student",
    "Task",
    "TransferRequest",
    "TransferStatus",
]
