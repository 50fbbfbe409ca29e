from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fieldservice', '0003_customer_of_a_visit'),
    ]

    operations = [
        migrations.AlterField(
            model_name='visit',
            name='customer',
            field=models.ForeignKey(on_delete=models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
    ]
