from django.apps import AppConfig


class AcademyConfig(AppConfig):
    name = "tandem.academy"
    label = "academy"
