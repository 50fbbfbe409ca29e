from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fieldservice', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='visit',
            name='otp_guesses_on_day',
            field=models.PositiveSmallIntegerField(default=0),
        ),
    ]
