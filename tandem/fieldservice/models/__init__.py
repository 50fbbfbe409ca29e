"""The tables of contract F."""

from tandem.fieldservice.models.attendance import Attendance, AttendanceStatus
from tandem.fieldservice.models.card import Card, CardType
from tandem.fieldservice.models.visit import ServiceType, Visit, VisitStatus, VisitType
from tandem.fieldservice.models.work import Feedback, ServiceEntry

__all__ = [
    "Attendance",
    "AttendanceStatus",
    "Card",
    "CardType",
    "Feedback",
    "ServiceEntry",
    "ServiceType",
    "Visit",
    "VisitStatus",
    "VisitType",
]
