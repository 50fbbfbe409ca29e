"""Users, their keys and refresh tokens, and the counters of failed logins."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from tandem.accounts import rights


class Role(models.TextChoices):
    CUSTOMER = "customer"
    WORKER = "worker"
    ADMIN = "admin"
    OFFICE = "office"  # people who use the sales-and-academy contract only


class UserManager(BaseUserManager["User"]):
    def named(self, username: str) -> models.QuerySet[User]:
        """The user of a username, in any case; both sides are lowered by the database, so its index answers."""
        return self.alias(lowered=Lower("username")).filter(lowered=Lower(models.Value(username)))

    def get_by_natural_key(self, username: str | None) -> User:
        return self.named(username or "").get()


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. Contract §1.

    username and phone: either may be missing, not both; a username always holds a letter, so no username can be
    mistaken for a phone. phone: E.164. session_epoch: raised when every session of the user must end; tokens carry
    the epoch that they were made in. Who may do everything follows from the role, so there is no column for it.
    """

    username = models.CharField(max_length=150, null=True, blank=True)
    name = models.CharField(max_length=150, blank=True)
    phone = models.CharField(max_length=16, null=True, blank=True, unique=True)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.CUSTOMER)
    region = models.CharField(max_length=50, blank=True)
    address = models.CharField(max_length=255, blank=True)
    city = models.CharField(max_length=100, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)
    session_epoch = models.PositiveIntegerField(default=0)

    objects = UserManager()
    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="one_user_per_username"),
            models.CheckConstraint(
                condition=models.Q(username__isnull=False) | models.Q(phone__isnull=False),
                name="user_has_username_or_phone",
            ),
        ]
        indexes = [models.Index(fields=["role", "is_active"], name="users_by_role")]
        # The permissions of contract A hang here, whatever the models behind them are called.
        permissions = [(codename, f"Can {codename.replace('_', ' ')}") for codename in rights.CODENAMES]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        return self.name or self.username or self.phone or f"user {self.pk}"

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    # Django's two names for it: "may open the admin pages" and "has every permission".
    is_staff = is_admin
    is_superuser = is_admin

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name

    def get_session_auth_hash(self) -> str:
        """What a browser session of the admin pages is bound to: it ends with the password and with the epoch."""
        return f"{super().get_session_auth_hash()}.{self.session_epoch}"


class AccessKey(models.Model):
    """A key of `Authorization: Token <key>`. Only its SHA-256 is stored; the key is shown once, when it is made."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="access_keys")
    created_at = models.DateTimeField(default=timezone.now)


class RefreshSession(models.Model):
    """One refresh token that may still be used, by its `jti`; a token without a row is refused.

    Contract §1. Rotating marks the row and adds the next one of the same family; a rotated token works again for a
    grace of 60 seconds (parallel refreshes of one client). Logging out deletes the whole family.
    """

    jti = models.CharField(max_length=40, unique=True)
    family = models.UUIDField(db_index=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="refresh_sessions")
    issued_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    rotated_at = models.DateTimeField(null=True)


class LoginFailures(models.Model):
    """How many logins failed in a row, the latest at `last_at`; see `accounts.throttle` for what a bucket is."""

    bucket = models.CharField(max_length=64, unique=True)
    last_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)
