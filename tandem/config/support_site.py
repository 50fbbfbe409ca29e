"""How the support site looks: its name and what its sidebar lists. The pages are in each package's `admin.py`."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _page(title: str, icon: str, model: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Tandem support",
    "SITE_HEADER": "Tandem support",
    "SITE_SYMBOL": "water_drop",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("tandem/favicon.svg")},
    ],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .013 236.62)",
            "100": "oklch(95.1% .026 236.824)",
            "200": "oklch(90.1% .058 230.902)",
            "300": "oklch(82.8% .111 230.318)",
            "400": "oklch(74.6% .16 232.661)",
            "500": "oklch(68.5% .169 237.323)",
            "600": "oklch(58.8% .158 241.966)",
            "700": "oklch(50% .134 242.749)",
            "800": "oklch(44.3% .11 240.79)",
            "900": "oklch(39.1% .09 240.876)",
            "950": "oklch(29.3% .066 243.157)",
        }
    },
    "DASHBOARD_CALLBACK": "tandem.config.support_figures.add_figures",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Field service",
                "items": [
                    {"title": "Today", "icon": "today", "link": reverse_lazy("admin:index")},
                    _page("Visits", "event", "fieldservice_visit"),
                    _page("Cards", "water_drop", "fieldservice_card"),
                    _page("Entries", "build", "fieldservice_serviceentry"),
                    _page("Feedback", "star", "fieldservice_feedback"),
                    _page("Attendance", "how_to_reg", "fieldservice_attendance"),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _page("Users", "group", "accounts_user"),
                    _page("Groups", "shield_person", "auth_group"),
                ],
            },
            {
                "title": "Behind the scenes",
                "separator": True,
                "items": [
                    _page("Events", "history", "events_event"),
                    _page("Text messages", "sms", "sms_message"),
                    _page("Webhooks", "webhook", "webhooks_webhook"),
                    _page("Deliveries", "outbox", "webhooks_delivery"),
                    _page("Periodic jobs", "schedule", "common_periodicjob"),
                ],
            },
        ],
    },
}
