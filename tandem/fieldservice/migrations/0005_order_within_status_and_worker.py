from django.db import migrations, models

from tandem.common.migrating import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('fieldservice', '0004_every_visit_has_a_customer'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='visit',
            index=models.Index(fields=['status', 'schedule_key', 'created_at', 'id'], name='visits_by_status'),
        ),
        AddIndexConcurrently(
            model_name='visit',
            index=models.Index(fields=['assigned_to', 'schedule_key', 'created_at', 'id'], name='visits_of_worker'),
        ),
    ]
