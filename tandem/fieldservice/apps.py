from django.apps import AppConfig


class FieldserviceConfig(AppConfig):
    name = "tandem.fieldservice"
    label = "fieldservice"
    verbose_name = "Field service"
