"""What the demo company teaches and sells by pipelines: courses, seasons, attributes, what is said and noted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tandem.academy.models import AttributeType, Entity

RO: Final = "RO Technician Certificate"
PLUMBING: Final = "Plumbing for Water Purifiers"
TREATMENT: Final = "Basics of Water Treatment"
TESTING: Final = "Water Quality Testing"

# What is told of a course elsewhere: its name in Moodle, its fee in rupees.
COURSES: Final[dict[str, tuple[str, int]]] = {
    RO: ("RO-101", 18500),
    PLUMBING: ("PL-110", 12000),
    TREATMENT: ("WT-100", 9500),
    TESTING: ("WQ-120", 7800),
}
# The two groups of a season, and what each is taught. The first two courses are taught in both: one may change over.
GROUPS: Final[dict[str, tuple[str, ...]]] = {"morning": (RO, PLUMBING, TREATMENT), "evening": (RO, PLUMBING, TESTING)}
IN_BOTH: Final = (RO, PLUMBING)
# First month → what the season is called. Its courses begin a week into that month.
SEASONS: Final = {1: "Pongal", 4: "Summer", 7: "Monsoon", 10: "Deepavali"}
FIRST_DAY: Final = 8
DAYS_OF_COURSE: Final = 75


@dataclass(frozen=True)
class Ladder:
    """A pipeline. open: its stages in order. won, lost: where a lead ends. share: of 100 leads."""

    name: str
    description: str
    open: tuple[str, ...]
    won: str
    lost: str
    share: int
    is_of_companies: bool

    @property
    def stages(self) -> tuple[str, ...]:
        return (*self.open, self.won, self.lost)


ADMISSIONS: Final = Ladder(
    "Course admissions",
    "People who want to learn the trade.",
    ("Prospecting", "Contacted", "Counselling", "Fee agreed"),
    "Enrolled",
    "Lost",
    58,
    False,
)
TRAINING: Final = Ladder(
    "Company training",
    "Firms that send their technicians and plumbers.",
    ("New enquiry", "Needs discussed", "Proposal sent", "Negotiation"),
    "Won",
    "Lost",
    28,
    True,
)
PLANTS: Final = Ladder(
    "Water treatment plants",
    "Plants for lodges, hostels and factories.",
    ("Enquiry", "Site visit", "Quotation"),
    "Order received",
    "Lost",
    14,
    True,
)
LADDERS: Final = (ADMISSIONS, TRAINING, PLANTS)
COLORS: Final = ("#8d99ae", "#3a86ff", "#8338ec", "#ffbe0b", "#2a9d8f", "#d62828")  # the last two: won and lost


@dataclass(frozen=True)
class Field:
    """An attribute. options: of type list."""

    name: str
    label: str
    type: AttributeType
    options: tuple[str, ...] = ()
    is_required: bool = False


_PHONE = Field("phone", "Phone", AttributeType.TEXT)
_EMAIL = Field("email", "E-mail", AttributeType.TEXT)

KINDS: Final = ("Plumbing firm", "Hotel or lodge", "Housing society", "School or college", "Hospital", "Private")
SOURCES: Final = ("Walk-in", "Phone call", "Website", "Existing customer", "WhatsApp", "Notice at the ITI")
SCHOOLING: Final = ("8th standard", "10th standard", "12th standard", "ITI", "Diploma")
LANGUAGES: Final = ("Tamil", "English", "Telugu", "Hindi", "Malayalam")
CHANNELS: Final = ("Phone call", "WhatsApp", "In class", "Visit")

FIELDS: Final[dict[Entity, tuple[Field, ...]]] = {
    Entity.CLIENT: (
        Field("kind", "Kind", AttributeType.LIST, KINDS),
        _PHONE,
        _EMAIL,
        Field("address", "Address", AttributeType.TEXTAREA),
        Field("employees", "Employees", AttributeType.NUMBER),
        Field("customer_since", "Customer since", AttributeType.DATE),
        Field("pays_by_invoice", "Pays by invoice", AttributeType.BOOLEAN),
        Field("agreement", "Signed agreement", AttributeType.FILE),
    ),
    Entity.STUDENT: (
        _PHONE,
        _EMAIL,
        Field("date_of_birth", "Date of birth", AttributeType.DATE),
        Field("schooling", "Schooling", AttributeType.LIST, SCHOOLING),
        Field("languages", "Languages", AttributeType.LIST, LANGUAGES),
        Field("years_of_work", "Years of work", AttributeType.NUMBER),
        Field("has_toolkit", "Has got the toolkit", AttributeType.BOOLEAN),
        Field("remarks", "Remarks", AttributeType.TEXTAREA),
        Field("identity_card", "Identity card", AttributeType.FILE),
    ),
    Entity.LEAD: (
        _PHONE,
        _EMAIL,
        Field("source", "Source", AttributeType.LIST, (*SOURCES, "LinkedIn")),
        Field("course", "Course", AttributeType.LIST, tuple(COURSES)),
        Field("expected_fee", "Expected amount, rupees", AttributeType.NUMBER),
        Field("wants_to_start_on", "Wants to start on", AttributeType.DATE),
        Field("needs_hostel", "Needs a place in the hostel", AttributeType.BOOLEAN),
        Field("enquiry", "Enquiry", AttributeType.TEXTAREA),
        Field("quotation", "Quotation", AttributeType.FILE),
    ),
    Entity.FOLLOW_UP: (
        Field("channel", "Channel", AttributeType.LIST, (*CHANNELS, "email"), is_required=True),
        Field("topic", "Topic", AttributeType.TEXT),
        Field("attendance_percent", "Attendance, %", AttributeType.NUMBER),
        Field("talk_again_on", "Talk again on", AttributeType.DATE),
        Field("employer_told", "Employer was told", AttributeType.BOOLEAN),
        Field("agreed", "What was agreed", AttributeType.TEXTAREA),
        Field("marks_sheet", "Marks sheet", AttributeType.FILE),
    ),
}

FIRM_NAMES: Final = (
    *("Sri Vaigai", "Kaveri", "Thamarai", "Pothigai", "Sirumalai", "Alagar Hills", "Pandya", "Mullai", "Kuyil", "Nila"),
    *("Semmozhi", "Vaanavil", "Palmyra", "Red Soil", "Two Bulls", "Golden Paddy", "Southern Star", "Monsoon Lane"),
)
# Kind of client → what its firms are called.
FIRM_TRADES: Final[dict[str, tuple[str, ...]]] = {
    "Plumbing firm": ("Plumbing Works", "Pipes & Fittings", "Water Solutions", "Service Centre"),
    "Hotel or lodge": ("Lodge", "Residency"),
    "Housing society": ("Apartments Owners' Society", "Enclave Residents"),
    "School or college": ("Polytechnic", "Matriculation School"),
    "Hospital": ("Hospital", "Nursing Home"),
}

ENQUIRIES: Final[dict[str, tuple[str, ...]]] = {
    ADMISSIONS.name: (
        "Works as a helper of a plumber and wants a certificate.",
        "Finished the ITI this year, asks about placement after the course.",
        "Can come in the evenings only.",
        "Asks whether the fee can be paid in three parts.",
    ),
    TRAINING.name: (
        "Three technicians, all with some years of work. Wants dates after the harvest.",
        "Their own service team should repair our machines.",
        "Asks for a course at their place.",
        "New tender asks for certified plumbers.",
    ),
    PLANTS.name: (
        "Bore well with TDS of 1900 ppm, 60 rooms.",
        "Old plant of 500 LPH fails every summer.",
        "Hostel for 120 students, wants a softener too.",
    ),
}
LEAD_TASKS: Final = (
    "Call back about the fee",
    "Send the brochure in Tamil",
    "Ask for the visit to the workshop",
    "Send the quotation again",
    "Confirm the dates with the instructor",
)
LEAD_NOTES: Final = (
    "Spoke with the brother, will decide after the festival.",
    "Compares with an institute in Coimbatore.",
    "Very interested; prefers the morning group.",
    "Not reached, three calls.",
    "Asked for a discount, told that there is none below three people.",
)
CLIENT_TASKS: Final = ("Renew the agreement", "Send the invoice of this season", "Ask how the trained people do")
CLIENT_NOTES: Final = (
    "Pays on the 5th of the month.",
    "Talk to the manager, not to the desk.",
    "Wants one mail for all of their people.",
)
STUDENT_TASKS: Final = (
    "Collect the copy of the identity card",
    "Hand out the toolkit",
    "Arrange the practice day at the workshop",
    "Print the certificate",
)
STUDENT_NOTES: Final = (
    "Good with tools, needs help with reading meters.",
    "Comes by bus from Usilampatti, may be late.",
    "Asked for a letter for the employer.",
)
REMARKS: Final = ("Left-handed.", "Works night shifts on Fridays.", "Needs spectacles for reading gauges.")
# Topic and comment of a contact with a student.
TALKS: Final = (
    ("Attendance", "Missed two days because of a wedding, will catch up on Saturday."),
    ("Progress", "Changed a membrane alone for the first time."),
    ("Fee", "Second part of the fee comes next week."),
    ("Exam", "Passed the written test, the practical one is next."),
    ("Placement", "Has an offer from a service centre in Theni."),
    ("Progress", "Finds the electrical part hard, gets an extra hour."),
)
AGREED: Final = ("Extra hour on Saturday at 10.", "Brings the signed form on Monday.", "We call again next week.")
REJECTED: Final = "The group is full."
