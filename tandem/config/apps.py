from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Joins what may not know of each other, once all packages are loaded."""

    name = "tandem.config"
    label = "config"

    def ready(self) -> None:
        from tandem.config import hooks

        hooks.join()
