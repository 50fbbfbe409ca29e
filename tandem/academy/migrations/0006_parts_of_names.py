import sys
from typing import Any

from django.db import migrations

from tandem.academy.trigrams import index_names


def make_indexes(apps: Any, schema_editor: Any) -> None:
    """Not among the models' indexes: a role that may not create extensions gets along without them."""
    why_not = index_names(schema_editor.connection)
    if why_not:
        print(f"tandem: searches for names will read whole tables ({why_not}); see `tandem doctor`", file=sys.stderr)


class Migration(migrations.Migration):
    dependencies = [("academy", "0005_files_by_key")]

    operations = [migrations.RunPython(make_indexes, migrations.RunPython.noop, elidable=False)]
