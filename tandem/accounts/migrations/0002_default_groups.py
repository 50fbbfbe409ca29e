"""The five groups with their default permissions, on a new install only. Contract §1.

It runs once, so what an admin changes later stays changed. A group that already has the name is left as it is.
"""

from django.db import migrations

from tandem.accounts.rights import CODENAMES, DEFAULTS_BY_GROUP


def create_groups(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    # Django makes permissions after the last migration, too late for this one; it then finds these.
    user, _ = ContentType.objects.get_or_create(app_label="accounts", model="user")
    permissions = {
        codename: Permission.objects.get_or_create(
            content_type=user, codename=codename, defaults={"name": f"Can {codename.replace('_', ' ')}"}
        )[0]
        for codename in CODENAMES
    }
    for name, codenames in DEFAULTS_BY_GROUP.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set([permissions[codename] for codename in sorted(codenames)])


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_groups, migrations.RunPython.noop, elidable=False)]
