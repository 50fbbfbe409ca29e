"""Files behind signed links; mounted at /api/files/."""

from __future__ import annotations

from django.urls import path

from tandem.files.api import files

urlpatterns = [
    path("<path:key>", files.FileBehindLink.as_view()),
]
