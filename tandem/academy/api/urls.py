"""Contract A, in its own order; mounted at /api/."""

from __future__ import annotations

from django.urls import path

from tandem.academy.api import (
    attributes,
    clients,
    cohorts,
    conversion,
    enrollment_details,
    enrollments,
    follow_ups,
    leads,
    my_tasks,
    pipelines,
    students,
    transfer_requests,
)
from tandem.academy.api.exports import export_of
from tandem.academy.api.imports import import_of
from tandem.academy.api.records import kept_paths_of, paths_of
from tandem.academy.api.sheets import KINDS
from tandem.academy.api.user_lists import members_of

_FOLLOW_UPS = "services/<uuid:student>/follow-ups/"

# The contract's document shows these without /api/, so they are mounted at both addresses.
FOLLOW_UPS = [
    path(_FOLLOW_UPS, follow_ups.FollowUpList.as_view()),
    path(f"{_FOLLOW_UPS}<uuid:pk>/", follow_ups.FollowUpDetail.as_view()),
    path(f"{_FOLLOW_UPS}<uuid:pk>/restore/", follow_ups.FollowUpRestore.as_view()),
    path(f"{_FOLLOW_UPS}<uuid:pk>/history/", follow_ups.FollowUpHistory.as_view()),
]

urlpatterns = [
    # 1. Attributes; a UUID in the entity's place is an attribute
    path("attributes/<uuid:pk>/", attributes.AttributeDetail.as_view()),
    path("attributes/<uuid:pk>/history/", attributes.AttributeHistory.as_view()),
    path("attributes/<slug:entity>/", attributes.AttributeList.as_view()),
    # 2. Clients
    path("clients/", clients.ClientList.as_view()),
    path("clients/<uuid:pk>/", clients.ClientDetail.as_view()),
    *paths_of("clients/", clients.RESOURCE),
    # 3. Students
    path("services/", students.StudentList.as_view()),
    path("services/<uuid:pk>/", students.StudentDetail.as_view()),
    *paths_of("services/", students.RESOURCE),
    # 4. Pipelines
    path("pipelines/", pipelines.PipelineList.as_view()),
    path("pipelines/<uuid:pk>/", pipelines.PipelineDetail.as_view()),
    *kept_paths_of("pipelines/", pipelines.RESOURCE),
    # 5. Leads
    path("leads/", leads.LeadList.as_view()),
    path("leads/reassign/", leads.LeadsReassign.as_view()),
    path("leads/<uuid:pk>/", leads.LeadDetail.as_view()),
    path("leads/<uuid:pk>/stages/", leads.LeadStages.as_view()),
    path("leads/<uuid:pk>/convert/", conversion.LeadConvert.as_view()),
    *paths_of("leads/", leads.RESOURCE),
    # 6. Follow-ups
    *FOLLOW_UPS,
    # 7. Cohorts
    path("cohorts/", cohorts.CohortList.as_view()),
    path("cohorts/<uuid:pk>/", cohorts.CohortDetail.as_view()),
    *kept_paths_of("cohorts/", cohorts.RESOURCE),
    # 8. Enrollments
    path("enrollments/", enrollments.EnrollmentList.as_view()),
    path("enrollments/<uuid:pk>/", enrollments.EnrollmentDetail.as_view()),
    *kept_paths_of("enrollments/", enrollments.RESOURCE),
    # 9. Students in enrollments
    path("enrollment-details/", enrollment_details.SeatList.as_view()),
    path("enrollment-details/<uuid:pk>/", enrollment_details.SeatDetail.as_view()),
    *kept_paths_of("enrollment-details/", enrollment_details.RESOURCE),
    # 10. Transfer requests
    path("transfer-requests/", transfer_requests.TransferList.as_view()),
    path("transfer-requests/<uuid:pk>/", transfer_requests.TransferDetail.as_view()),
    path("transfer-requests/<uuid:pk>/approve/", transfer_requests.TransferApprove.as_view()),
    path("transfer-requests/<uuid:pk>/reject/", transfer_requests.TransferReject.as_view()),
    *kept_paths_of("transfer-requests/", transfer_requests.RESOURCE),
    # 12. Who can be chosen
    path("instructors/", members_of("Instructors")),
    path("tas/", members_of("Teacher Assistant")),
    path("sales/", members_of("Sales")),
    path("operations/", members_of("Operations")),
    # Beyond the document
    path("my-tasks/", my_tasks.MyTasks.as_view()),
    *(path(f"{plural}/import/", import_of(kind)) for plural, kind in KINDS.items()),
    *(path(f"{plural}/export/", export_of(kind)) for plural, kind in KINDS.items()),
]
