from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from bench.idiomatic.views import CardViewSet, LeadViewSet, VisitViewSet

router = DefaultRouter()
router.register("services", VisitViewSet, basename="visit")
router.register("cards", CardViewSet, basename="card")
academy = DefaultRouter()
academy.register("leads", LeadViewSet, basename="lead")
urlpatterns = [path("api/crm/", include(router.urls)), path("api/", include(academy.urls))]
