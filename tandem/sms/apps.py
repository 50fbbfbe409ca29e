from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "tandem.sms"
    label = "sms"
    verbose_name = "Text messages"
