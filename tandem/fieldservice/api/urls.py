"""Contract F, in its own order; mounted at /api/crm/."""

from __future__ import annotations

from django.urls import path

from tandem.fieldservice.api import (
    attendance,
    autoassign,
    cards,
    completion,
    entries,
    feedback,
    history,
    reports,
    visits,
)

urlpatterns = [
    # 3. Cards
    path("cards/", cards.CardList.as_view()),
    path("cards/<int:pk>/", cards.CardDetail.as_view()),
    path("cards/<int:pk>/restore/", cards.CardRestore.as_view()),
    path("cards/<int:pk>/history/", history.CardHistory.as_view()),
    # 4. Visits (the contract's "services")
    path("services/", visits.VisitList.as_view()),
    path("services/<int:pk>/", visits.VisitDetail.as_view()),
    path("services/<int:pk>/assign/", visits.VisitAssign.as_view()),
    path("services/<int:pk>/reschedule/", visits.VisitReschedule.as_view()),
    path("services/<int:pk>/cancel/", visits.VisitCancel.as_view()),
    path("services/<int:pk>/history/", history.VisitHistory.as_view()),
    # 5. OTP and completion
    path("services/<int:pk>/request_otp/", completion.RequestOtp.as_view()),
    path("services/<int:pk>/verify_otp/", completion.VerifyOtp.as_view()),
    # 6. Work logs
    path("service-entries/", entries.EntryList.as_view()),
    # 7. Feedback
    path("feedbacks/", feedback.FeedbackList.as_view()),
    # 8. Attendance
    path("attendance/", attendance.AttendanceList.as_view()),
    path("attendance/mark_present/", attendance.MarkPresent.as_view()),
    path("attendance/mark_absent/", attendance.MarkAbsent.as_view()),
    path("attendance/me/", attendance.AttendanceMe.as_view()),
    path("attendance/bulk/", attendance.AttendanceBulk.as_view()),
    path("attendance/by_date/", attendance.AttendanceByDate.as_view()),
    # 9. Reports and what else the office needs
    path("reports/warranty/", reports.WarrantyReport.as_view()),
    path("reports/upcoming-services/", reports.UpcomingVisits.as_view()),
    path("autoassign/run/", autoassign.AutoassignRun.as_view()),
    path("admin/export/services/", reports.VisitExport.as_view()),
]
