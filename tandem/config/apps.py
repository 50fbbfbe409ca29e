from django.apps import AppConfig
from django.conf import settings


class ConfigConfig(AppConfig):
    """Joins what may not know of each other, once all packages are loaded."""

    name = "tandem.config"
    label = "config"

    def ready(self) -> None:
        from tandem.config import hooks

        hooks.join()
        if settings.BROKER_URL:
            from tandem.common.hints import carriers
            from tandem.config.broker import Crier

            carriers.append(Crier(settings.BROKER_URL))
