"""Users and groups on the admin pages: to look at, and to grant rights of contract A.

Nothing here writes by itself. What may be changed goes through an action; the rest is the API's (users, passwords).
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group
from django.contrib.auth.views import PasswordChangeView
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import display
from unfold.forms import AdminOwnPasswordChangeForm, BaseDialogForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from tandem.accounts.actions.rights import grant_to_group, grant_to_user, grantable
from tandem.accounts.actions.users import change_own_password, update_user_by_admin
from tandem.accounts.models import Role, User
from tandem.accounts.rights import DEFAULTS_BY_GROUP
from tandem.common import moments
from tandem.common.addresses import client_address
from tandem.common.errors import Invalid, Refusal
from tandem.common.support import button, called
from tandem.events.admin import PageWithHistory

ROLE_COLOURS = {Role.CUSTOMER: "info", Role.WORKER: "success", Role.ADMIN: "danger", Role.OFFICE: "warning"}


class _Rights(forms.ModelMultipleChoiceField):
    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminCheckboxSelectMultipleWidget
        super().__init__(queryset=grantable(), required=False, widget=widget, **options)

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.name)


class UserRights(forms.ModelForm):
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    user_permissions = _Rights(help_text="Beside those of the groups.")

    class Meta:
        model = User
        fields = ("groups", "user_permissions")


class GroupRights(forms.ModelForm):
    permissions = _Rights()

    class Meta:
        model = Group
        fields = ("name", "permissions")


@admin.register(User)
class Users(PageWithHistory):
    """Rights are granted by the form; deactivating and reactivating are buttons; the rest is the API's."""

    subject = "user"
    form = UserRights
    list_display = ("id", "display_name", "shown_role", "phone", "username", "region", "is_active", "date_joined")
    list_display_links = ("id", "display_name")
    list_filter = ("role", "is_active", "groups")
    search_fields = ("name", "username", "phone", "email")
    search_help_text = "Name, username, phone (digits) or mail address"
    ordering = ("-id",)
    readonly_fields = (
        *("name", "role", "phone", "username", "email", "is_active", "region", "city", "address", "postal_code"),
        *("date_joined", "last_login", "sessions"),
    )
    fieldsets = (
        (None, {"fields": (("name", "role"), ("phone", "username"), ("email", "is_active"))}),
        ("Where", {"fields": (("region", "city"), ("address", "postal_code"))}),
        ("Signing in", {"fields": (("date_joined", "last_login"), "sessions")}),
        ("Rights", {"fields": ("groups", "user_permissions")}),
    )
    actions_detail = ("deactivate", "reactivate")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only rights can change here; `save_related` grants them."""
        return self.has_view_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Only rights can change here; `save_related` grants them."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        given = form.cleaned_data
        grant_to_user(
            form.instance,
            groups=given["groups"],
            permissions=given["user_permissions"],
            by=caller(request),
            now=moments.now(),
        )

    @display(description="Role", ordering="role", label=ROLE_COLOURS)
    def shown_role(self, user: User) -> tuple[str, str]:
        return user.role, user.get_role_display()

    @admin.display(description="Name", ordering="name")
    def display_name(self, user: User) -> str:
        return user.display_name

    @admin.display(description="Open sessions")
    def sessions(self, user: User) -> str:
        apps = user.refresh_sessions.filter(rotated_at=None, expires_at__gt=moments.now()).count()
        return f"{apps} with a refresh token, {user.access_keys.count()} with a key"

    @button(
        "Deactivate",
        asks="This person cannot sign in any more, and every open session ends at once.",
        icon="person_off",
        needs="deactivate",
    )
    def deactivate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._set_active(request, object_id, is_active=False, done="Deactivated; every session has ended.")

    @button("Reactivate", asks="This person can sign in again.", icon="person_check", needs="reactivate")
    def reactivate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._set_active(request, object_id, is_active=True, done="Reactivated.")

    def has_deactivate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._is_active(request, object_id) is True

    def has_reactivate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._is_active(request, object_id) is False

    def _set_active(self, request: HttpRequest, object_id: str, *, is_active: bool, done: str) -> HttpResponse:
        user = User.objects.get(pk=object_id)

        def change() -> None:
            update_user_by_admin(user, {"is_active": is_active}, by=caller(request), now=moments.now())

        return called(self, request, object_id, change, done=done)

    def _is_active(self, request: HttpRequest, object_id: str | None) -> bool | None:
        """None for a user who does not exist, and for who may not look."""
        user = self.get_object(request, object_id) if object_id and self.has_view_permission(request) else None
        return user.is_active if user else None


admin.site.unregister(Group)


@admin.register(Group)
class Groups(PageWithHistory):
    subject = "group"
    form = GroupRights
    list_display = ("name", "people")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "permissions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(people=Count("user"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Groups of contract A are known by their names; the action refuses others for them."""
        return ["name"] if obj is not None and obj.name in DEFAULTS_BY_GROUP else []

    @admin.display(description="People", ordering="people")
    def people(self, group: Any) -> int:
        return group.people

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """`save_model` grants by the action."""
        return self.has_view_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        grant_to_group(obj, form.cleaned_data["permissions"], by=caller(request), now=moments.now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Done by `save_model`."""


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    def clean_old_password(self) -> str:
        """The action compares it, and counts the try."""
        return str(self.cleaned_data["old_password"])


class OwnPassword(PasswordChangeView):
    """Changing one's password on the admin pages. This browser stays signed in, all other sessions end."""

    form_class = OwnPasswordForm
    template_name = "registration/password_change_form.html"

    def get_success_url(self) -> str:
        return reverse("admin:password_change_done")

    def form_valid(self, form: Any) -> HttpResponse:
        user, given = caller(self.request), form.cleaned_data
        try:
            change_own_password(
                user,
                old=given["old_password"],
                new=given["new_password1"],
                address=client_address(self.request),
                now=moments.now(),
            )
        except Invalid as refused:
            for messages in refused.fields.values():
                form.add_error(None, messages)
            return self.form_invalid(form)
        except Refusal as refused:
            form.add_error(None, refused.message)
            return self.form_invalid(form)
        update_session_auth_hash(self.request, User.objects.get(pk=user.pk))
        return HttpResponseRedirect(self.get_success_url())


def _change_own_password(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    request.current_app = admin.site.name
    context = {**admin.site.each_context(request), **(extra_context or {})}
    return cast(HttpResponse, OwnPassword.as_view(extra_context=context)(request))


# The site's own view would write past the action: no event, and other sessions would go on.
admin.site.password_change = _change_own_password  # type: ignore[method-assign, assignment]


def caller(request: HttpRequest) -> User:
    """Who pressed a button."""
    assert isinstance(request.user, User)  # the site lets nobody else in
    return request.user
