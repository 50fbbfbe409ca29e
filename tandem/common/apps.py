from django.apps import AppConfig
from django.db.models import CharField
from django.db.models.functions import Lower


class CommonConfig(AppConfig):
    name = "tandem.common"
    label = "common"
    verbose_name = "Behind the scenes"

    def ready(self) -> None:
        # `region__lower="x"` compares case-insensitively through an index on Lower("region").
        CharField.register_lookup(Lower)
