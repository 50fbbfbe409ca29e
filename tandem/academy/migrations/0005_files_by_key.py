from typing import Any

from django.db import migrations

from tandem.files.keys import key_in, owner_in


def keep_keys(apps: Any, schema_editor: Any) -> None:
    """Attributes of type file held the link as it was sent, which expired. What is no link of ours stays as it is."""
    models = {"client": "Client", "service": "Student", "lead": "Lead", "follow_up": "FollowUp"}
    for entity, name in apps.get_model("academy", "Attribute").objects.filter(type="file").values_list("entity", "name"):
        records = apps.get_model("academy", models[entity]).objects.filter(attributes__has_key=name)
        for record in records.only("attributes").iterator():
            key = key_in(str(record.attributes[name])) or ""
            if owner_in(key):
                record.attributes[name] = key
                record.save(update_fields=["attributes"])


class Migration(migrations.Migration):
    dependencies = [("academy", "0004_leads_by_pipeline_and_stage")]

    operations = [migrations.RunPython(keep_keys, migrations.RunPython.noop, elidable=True)]
