"""Work that takes longer than a request may: put aside with its input, done by a worker, followed by its id."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "tandem.jobs"
    label = "jobs"
