"""Who there is in the demo company, and where. All of them are invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COMPANY: Final = "Malligai Water Care, Madurai"

# One per role. They are published, so the demo company belongs on no server that others can reach.
PASSWORD_OF_OFFICE: Final = "Neem-Tree-4-Desk"  # noqa: S105
PASSWORD_OF_WORKERS: Final = "Neem-Tree-4-Road"  # noqa: S105
PASSWORD_OF_CUSTOMER: Final = "Neem-Tree-4-Home"  # noqa: S105


@dataclass(frozen=True)
class Login:
    """username: "" for who signs in with the phone number."""

    name: str
    username: str
    phone: str
    password: str
    who: str


@dataclass(frozen=True)
class Worker:
    """region: "" for who goes anywhere. left_days_ago: None for who still works here."""

    name: str
    username: str
    region: str
    left_days_ago: int | None = None


@dataclass(frozen=True)
class Colleague:
    """Somebody of the academy's office. group: whose permissions he or she has."""

    name: str
    username: str
    group: str
    who: str


@dataclass(frozen=True)
class Region:
    """share: of 100 customers. places: locality and PIN code."""

    name: str
    share: int
    places: tuple[tuple[str, str], ...]


def phone_number(number: int) -> str:
    """A number that belongs to nobody; see the package's docstring."""
    return f"+9150000{number:05d}"


WORKERS: Final = (
    Worker("Selvam Pandian", "selvam", "Madurai"),
    Worker("Murugan Raja", "murugan", "Madurai"),
    Worker("Arun Prakash", "arun", "Madurai"),
    Worker("Fathima Beevi", "fathima", "Madurai"),
    Worker("Karthik Subbiah", "karthik", "Madurai"),
    Worker("Ganesan Muthu", "ganesan", "Rajapalayam"),
    Worker("Stella Mary", "stella", "Rajapalayam"),
    Worker("Ramesh Kannan", "ramesh", "Sivakasi"),
    Worker("Vijay Anand", "vijay", "Sivakasi"),
    Worker("Prabhu Doss", "prabhu", "Virudhunagar"),
    Worker("Dinesh Kumar", "dinesh", "Dindigul"),
    Worker("Balaji Sundar", "balaji", ""),
    Worker("Mani Maran", "mani", "Virudhunagar", left_days_ago=62),
)
# Marked absent today, in the morning, with visits that wait for somebody else.
ILL_TODAY: Final = "karthik"
# On leave from tomorrow on, for three days.
ON_LEAVE: Final = "stella"

COLLEAGUES: Final = (
    Colleague("Revathi Shankar", "revathi", "Sales", "sales: leads and clients"),
    Colleague("Imran Basha", "imran", "Sales", "sales: leads and clients"),
    Colleague("Lourdu Xavier", "lourdu", "Sales", "sales: leads and clients"),
    Colleague("Hemalatha Rajan", "hemalatha", "Operations", "operations: students, cohorts, transfers"),
    Colleague("Sundaram Pillai", "sundaram", "Instructors", "instructor of the morning groups"),
    Colleague("Gnanam Thomas", "gnanam", "Instructors", "instructor of the evening groups"),
    Colleague("Kavya Nathan", "kavya", "Teacher Assistant", "teaching assistant"),
    Colleague("Yusuf Ali", "yusuf", "Teacher Assistant", "teaching assistant"),
    Colleague("Alagar Samy", "alagar", "Management", "management: sees all of the academy"),
)

LOGINS: Final = (
    Login("Meenakshi Iyer", "meenakshi", phone_number(1), PASSWORD_OF_OFFICE, "admin: may do everything"),
    Login("Joseph Raj", "joseph", phone_number(2), PASSWORD_OF_OFFICE, "dispatcher (admin): plans visits, attendance"),
    *(
        Login(
            worker.name,
            worker.username,
            phone_number(10 + number),
            PASSWORD_OF_WORKERS,
            f"worker, {worker.region or 'all regions'}",
        )
        for number, worker in enumerate(WORKERS)
        if worker.left_days_ago is None
    ),
    *(
        Login(one.name, one.username, phone_number(40 + number), PASSWORD_OF_OFFICE, one.who)
        for number, one in enumerate(COLLEAGUES)
    ),
    Login("R. Kavitha", "", phone_number(101), PASSWORD_OF_CUSTOMER, "customer with two machines (by phone number)"),
)

REGIONS: Final = (
    Region(
        "Madurai",
        42,
        (
            ("Anna Nagar", "625020"),
            ("K.K. Nagar", "625020"),
            ("Tallakulam", "625002"),
            ("Simmakkal", "625001"),
            ("Villapuram", "625012"),
            ("Thirunagar", "625006"),
            ("Goripalayam", "625002"),
            ("Palanganatham", "625003"),
        ),
    ),
    Region(
        "Rajapalayam",
        18,
        (
            ("Malayadipatti", "626117"),
            ("Dhalavaipuram", "626188"),
            ("Tenkasi Road", "626117"),
            ("P.A.C.R. Nagar", "626117"),
        ),
    ),
    Region(
        "Sivakasi",
        17,
        (
            ("Thiruthangal", "626130"),
            ("Sithurajapuram", "626189"),
            ("Viswanatham", "626189"),
            ("Velayutham Road", "626123"),
        ),
    ),
    Region(
        "Virudhunagar", 13, (("Kooraikundu", "626003"), ("Aruppukottai Road", "626001"), ("Pandian Nagar", "626001"))
    ),
    Region("Dindigul", 10, (("Begampur", "624002"), ("R.M. Colony", "624001"), ("Nagal Nagar", "624003"))),
)

STREETS: Final = (
    "Gandhi Street",
    "Kamarajar Salai",
    "North Car Street",
    "Bharathi Street",
    "East Veli Street",
    "Pillaiyar Koil Street",
    "Nehru Nagar 2nd Cross",
    "School Street",
    "Temple View Road",
    "Lake Road",
    "Bazaar Street",
    "Railway Feeder Road",
)

INITIALS: Final = "ABCDEGHJKLMNPRSTV"
_FIRST_NAMES = """
Anitha Arumugam Bhuvaneswari Chandran Chitra Deepa Devaraj Durai Ezhilarasi Gayathri Gopal Gowri Hariharan
Ilango Indira Jayanthi Jeyakumar Kalaivani Kannan Kavin Kumaresan Lakshmi Latha Logesh Mahalakshmi Manikandan
Mariappan Meena Mohan Muthulakshmi Nagarajan Nandhini Natarajan Nirmala Padma Palani Parvathi Ponnusamy Priya
Rajeswari Ramalingam Revathi Sakthivel Sangeetha Saravanan Sathya Senthil Shanthi Sivakumar Sridevi Subramani
Sumathi Suresh Thangam Thenmozhi Uma Vasanthi Velmurugan Venkatesan Vidhya Yamuna Abdul Rahim Mary Antony
Xavier Ayesha Nasreen Ibrahim Peter Jenifer
"""
FIRST_NAMES: Final = tuple(_FIRST_NAMES.split())
# Customers with several machines.
INSTITUTIONS: Final = (
    "Blue Lotus Lodge",
    "Vaigai View Marriage Hall",
    "Little Sparrows School",
    "Annapoorani Mess",
    "Kurinji Women's Hostel",
    "Palm Grove Clinic",
    "Thendral Textiles",
    "Seven Stars Fireworks Office",
    "Green Leaf Bakery",
    "Saraswathi Tuition Centre",
)
