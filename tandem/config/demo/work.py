"""What the demo company sells and repairs: machines, parts, what breaks, what people say about it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tandem.fieldservice.models import VisitType


@dataclass(frozen=True)
class Job:
    """said: what the customer reports. done: what the worker writes. parts: codes of PARTS."""

    said: str
    done: str
    parts: tuple[str, ...] = ()
    minutes: int = 40
    type: VisitType = VisitType.COMPLAINT


MODELS_AT_HOME: Final = (
    "AquaPure X1",
    "AquaPure X1",
    "AquaPure X2 Hot & Cold",
    "AquaPure Mini UV",
    "AquaPure Copper 8L",
)
MODELS_AT_WORK: Final = ("AquaPure Pro 50 LPH", "AquaPure Pro 100 LPH", "SoftFlow 25 water softener")
MODEL_OF_ANOTHER_MAKE: Final = "RO purifier 10 L (other make)"

# code → name, price of one piece, whether it carries a serial number
PARTS: Final[dict[str, tuple[str, Decimal, bool]]] = {
    "F01": ("Sediment filter", Decimal("180.00"), False),
    "F02": ("Carbon filter", Decimal("240.00"), False),
    "M01": ("RO membrane 75 GPD", Decimal("1450.00"), True),
    "P01": ("Booster pump", Decimal("1650.00"), True),
    "V01": ("Solenoid valve", Decimal("320.00"), False),
    "V02": ("Float valve", Decimal("150.00"), False),
    "T01": ("Tap", Decimal("130.00"), False),
    "A01": ("Adapter 24 V", Decimal("450.00"), True),
    "U01": ("UV lamp 11 W", Decimal("520.00"), False),
}

INSTALLATION: Final = Job(
    "Installation of a new machine",
    "Installed and tested, explained the use to the customer. TDS 38 ppm.",
    minutes=70,
    type=VisitType.INSTALLATION,
)
SERVICES: Final = (
    Job("Regular service", "Cleaned filters and tank, checked pressure and TDS.", (), 35, VisitType.MANDATORY_SERVICE),
    Job(
        "Regular service", "Replaced the sediment filter, cleaned the tank.", ("F01",), 40, VisitType.MANDATORY_SERVICE
    ),
    Job("Regular service", "Replaced both filters, TDS 41 ppm.", ("F01", "F02"), 50, VisitType.MANDATORY_SERVICE),
)
CONTRACT_SERVICES: Final = (
    Job(
        "Service of the yearly contract",
        "Filters replaced under the contract.",
        ("F01", "F02"),
        50,
        VisitType.CONTRACT_SERVICE,
    ),
    Job("Service of the yearly contract", "Sanitised the tank, all in order.", (), 40, VisitType.CONTRACT_SERVICE),
)
COMPLAINTS: Final = (
    Job("Not dispensing water", "Solenoid valve was stuck, replaced it.", ("V01",)),
    Job("Water leaks below the machine", "Replaced the tap and tightened the fittings.", ("T01",)),
    Job("Water tastes salty", "TDS was 410 ppm. Replaced the membrane, now 45 ppm.", ("M01",), 60),
    Job("Machine does not switch on", "Adapter had failed after a power cut, replaced it.", ("A01",), 30),
    Job("Tank overflows at night", "Replaced the float valve.", ("V02",), 35),
    Job("Very slow flow", "Filters were blocked with mud, replaced both.", ("F01", "F02"), 50),
    Job("Loud noise while filling", "Booster pump was worn, replaced it.", ("P01",), 60),
    Job("UV indicator is red", "Replaced the UV lamp.", ("U01",), 30),
    Job("Bad smell of the water", "Sanitised the tank, replaced the carbon filter.", ("F02",), 50, VisitType.ONSITE),
    Job(
        "Customer wants the machine moved to the new kitchen",
        "Moved the machine, new inlet pipe.",
        (),
        60,
        VisitType.ONSITE,
    ),
    Job("How is the machine doing? Yearly call", "Called; all is well.", (), 15, VisitType.COURTESY_CALL),
    Job("Blinking lights after thunderstorm", "Guided the reset by phone.", (), 20, VisitType.REMOTE),
)
WORKSHOP: Final = Job(
    "Pump and board damaged by high voltage", "Repaired in the workshop.", ("P01", "A01"), 90, VisitType.WORKSHOP
)

CALL_OUT_CHARGE: Final = Decimal("250.00")

CANCELLED_BY_CUSTOMER: Final = (
    "The machine works again",
    "We are out of town that week",
    "Booked twice by mistake",
    "Found out that the inlet tap was closed",
    "Function at home, will call later",
)
CANCELLED_BY_OFFICE: Final = (
    "Customer could not be reached",
    "Spare part not in stock, will book anew",
    "Heavy rain, road closed",
    "Customer shifted the house",
)

# rating → how often of 100, and comments
RATINGS: Final[dict[int, tuple[int, tuple[str, ...]]]] = {
    5: (52, ("Great", "Came on time, very polite.", "Water tastes good again. Thank you!", "", "")),
    4: (28, ("Good service", "Work good, came a little late.", "", "")),
    3: (11, ("Ok", "Had to call twice.", "")),
    2: (6, ("Came two hours late.", "Did not clean up after the work.")),
    1: (3, ("Same problem again after a week.", "Very costly for such a small part.")),
}
