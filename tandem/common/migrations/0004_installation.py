"""The one row about the installation itself."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("common", "0003_every_letter_has_its_case"),
    ]

    operations = [
        migrations.CreateModel(
            name="Installation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("written_at", models.DateTimeField(null=True)),
                ("key_fingerprint", models.CharField(blank=True, max_length=64)),
            ],
        ),
    ]
