import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='LoginFailures',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('bucket', models.CharField(max_length=64, unique=True)),
                ('last_at', models.DateTimeField()),
                ('failures', models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('username', models.CharField(blank=True, max_length=150, null=True)),
                ('name', models.CharField(blank=True, max_length=150)),
                ('phone', models.CharField(blank=True, max_length=16, null=True, unique=True)),
                ('email', models.EmailField(blank=True, max_length=254)),
                ('role', models.CharField(choices=[('customer', 'Customer'), ('worker', 'Worker'), ('admin', 'Admin'), ('office', 'Office')], default='customer', max_length=10)),
                ('region', models.CharField(blank=True, max_length=50)),
                ('address', models.CharField(blank=True, max_length=255)),
                ('city', models.CharField(blank=True, max_length=100)),
                ('postal_code', models.CharField(blank=True, max_length=20)),
                ('is_active', models.BooleanField(default=True)),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now)),
                ('session_epoch', models.PositiveIntegerField(default=0)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'permissions': [('add_attribute', 'Can add attribute'), ('add_client', 'Can add client'), ('add_cohort', 'Can add cohort'), ('add_enrollment', 'Can add enrollment'), ('add_enrollmentdetail', 'Can add enrollmentdetail'), ('add_followup', 'Can add followup'), ('add_lead', 'Can add lead'), ('add_pipeline', 'Can add pipeline'), ('add_service', 'Can add service'), ('add_transferrequest', 'Can add transferrequest'), ('add_webhook', 'Can add webhook'), ('change_attribute', 'Can change attribute'), ('change_client', 'Can change client'), ('change_cohort', 'Can change cohort'), ('change_enrollment', 'Can change enrollment'), ('change_enrollmentdetail', 'Can change enrollmentdetail'), ('change_followup', 'Can change followup'), ('change_lead', 'Can change lead'), ('change_pipeline', 'Can change pipeline'), ('change_service', 'Can change service'), ('change_transferrequest', 'Can change transferrequest'), ('change_webhook', 'Can change webhook'), ('delete_attribute', 'Can delete attribute'), ('delete_client', 'Can delete client'), ('delete_cohort', 'Can delete cohort'), ('delete_enrollment', 'Can delete enrollment'), ('delete_enrollmentdetail', 'Can delete enrollmentdetail'), ('delete_followup', 'Can delete followup'), ('delete_lead', 'Can delete lead'), ('delete_pipeline', 'Can delete pipeline'), ('delete_service', 'Can delete service'), ('delete_transferrequest', 'Can delete transferrequest'), ('delete_webhook', 'Can delete webhook'), ('view_attribute', 'Can view attribute'), ('view_client', 'Can view client'), ('view_cohort', 'Can view cohort'), ('view_enrollment', 'Can view enrollment'), ('view_enrollmentdetail', 'Can view enrollmentdetail'), ('view_followup', 'Can view followup'), ('view_lead', 'Can view lead'), ('view_pipeline', 'Can view pipeline'), ('view_service', 'Can view service'), ('view_transferrequest', 'Can view transferrequest'), ('view_webhook', 'Can view webhook')],
            },
        ),
        migrations.CreateModel(
            name='AccessKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='access_keys', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='RefreshSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('jti', models.CharField(max_length=40, unique=True)),
                ('family', models.UUIDField(db_index=True)),
                ('issued_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('rotated_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refresh_sessions', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(fields=['role', 'is_active'], name='users_by_role'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('username'), name='one_user_per_username'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('username__isnull', False), ('phone__isnull', False), _connector='OR'), name='user_has_username_or_phone'),
        ),
    ]
