"""The whole map on one page."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerView

from tandem.academy.api.urls import FOLLOW_UPS
from tandem.config import health
from tandem.config.schema_page import SchemaPage

urlpatterns = [
    # First what is called most: Django tries one pattern after the other, and those of "" for every request.
    path("api/crm/", include("tandem.fieldservice.api.urls")),
    path("", include("tandem.accounts.api.urls")),
    path("api/", include("tandem.academy.api.urls")),
    path("", include(FOLLOW_UPS)),
    path("api/webhooks/", include("tandem.webhooks.api.urls")),
    path("api/jobs/", include("tandem.jobs.api.urls")),
    path("api/files/", include("tandem.files.api.urls")),
    path("api/schema/", SchemaPage.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("admin/", admin.site.urls),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", health.metrics_page),
    path("", RedirectView.as_view(pattern_name="docs")),
]
