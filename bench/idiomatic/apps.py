from __future__ import annotations

from django.apps import AppConfig


class IdiomaticConfig(AppConfig):
    name = "bench.idiomatic"
    label = "idiomatic"
