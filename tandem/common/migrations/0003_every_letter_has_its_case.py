"""Make SQLite's indexes over lower case anew, since LOWER knows more letters than A to Z (common/sqlite/base.py)."""

from typing import Any

from django.db import IntegrityError, migrations


def reindex(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%%LOWER(%%'")
        for name, table in cursor.fetchall():
            try:
                cursor.execute(f'REINDEX "{name}"')
            except IntegrityError:
                raise SystemExit(
                    f"tandem: two rows of {table} differ only in upper and lower case ({name}), such as Ümit and ümit, "
                    "which this version takes for one. Nothing was changed: rename one with the version that you had."
                ) from None


class Migration(migrations.Migration):
    dependencies = [("common", "0002_periodic_job")]

    operations = [migrations.RunPython(reindex, migrations.RunPython.noop)]
