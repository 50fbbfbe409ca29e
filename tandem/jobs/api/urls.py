"""Jobs; mounted at /api/jobs/."""

from __future__ import annotations

from django.urls import path

from tandem.jobs.api import jobs

urlpatterns = [
    path("<uuid:pk>/", jobs.JobDetail.as_view()),
]
