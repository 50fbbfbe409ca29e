from django.db import migrations, models

from tandem.common.migrating import AddIndexConcurrently

LIVE = models.Q(('deleted_at', None))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('academy', '0007_open_tasks_by_record'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='enrollmentdetail',
            index=models.Index(condition=LIVE, fields=['-created_at', '-id'], name='seats_newest_first'),
        ),
        AddIndexConcurrently(
            model_name='transferrequest',
            index=models.Index(condition=LIVE, fields=['-created_at', '-id'], name='transfers_newest_first'),
        ),
    ]
