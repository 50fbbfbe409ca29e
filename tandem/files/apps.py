from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "tandem.files"
    label = "files"
