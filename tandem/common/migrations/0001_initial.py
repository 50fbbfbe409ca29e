import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='IdempotentAnswer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('caller', models.BigIntegerField()),
                ('method_and_path', models.CharField(max_length=300)),
                ('key', models.CharField(max_length=255)),
                ('body_hash', models.CharField(max_length=64)),
                ('created_at', models.DateTimeField()),
                ('runner', models.UUIDField(default=uuid.uuid4)),
                ('lease_until', models.DateTimeField()),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('headers', models.JSONField(default=dict)),
                ('sealed_body', models.BinaryField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['created_at'], name='idempotent_answer_age')],
                'constraints': [models.UniqueConstraint(fields=('caller', 'method_and_path', 'key'), name='one_answer_per_idempotency_key')],
            },
        ),
    ]
