from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def take_the_owners(apps, schema_editor):
    """Whose machine it is today: whose it was before, nobody wrote down."""
    visits, cards = apps.get_model("fieldservice", "Visit"), apps.get_model("fieldservice", "Card")
    owner = cards.objects.filter(pk=OuterRef("card")).values("customer")
    visits.objects.update(customer=Subquery(owner))


class Migration(migrations.Migration):

    dependencies = [
        ('fieldservice', '0002_wrong_guesses_of_a_day'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='visit',
            name='customer',
            field=models.ForeignKey(null=True, on_delete=models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.RunPython(take_the_owners, migrations.RunPython.noop),
    ]
