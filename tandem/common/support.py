"""What every page of the support site is: a look at stored rows, never a way round the actions.

Nothing can be added, changed or deleted through the ORM here. A page that offers a change names it in
`actions_detail` and calls the action for it (see `called`), so rules, events and ended sessions come along. Each page
lists the fields that it shows, so a new column (a digest, a sealed text) is hidden until somebody decides otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action

from tandem.common.errors import Invalid, Refusal


class _LookOnly:
    """Whoever may open the site (an active admin) may look at everything in it, and nobody may write."""

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class SupportPage(_LookOnly, ModelAdmin):
    """List and detail of one table; say `fields` or `fieldsets`, and `list_select_related` for joined columns.

    has_history: whether there is something behind the button "History" of a record.
    """

    has_history: ClassVar[bool] = False
    actions = ()
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    list_fullwidth = True

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        shown = {**context, "show_history": self.has_history}
        return super().render_change_form(request, shown, *args, **options)


class SupportInline(_LookOnly, TabularInline):
    """Rows of another table on a detail page. joined: the foreign keys whose names are shown."""

    joined: ClassVar[tuple[str, ...]] = ()
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        return tuple(self.fields or ())

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.joined)


def button(label: str, *, asks: str, icon: str, needs: str, form: type | None = None) -> Callable[..., Any]:
    """A button on a detail page that asks before it does anything; the answer is a POST with a CSRF token.

    needs: the page's `has_<needs>_permission(request, object_id)` says where the button is.
    """
    dialog = {"title": label, "description": asks, "form_class": form, "form_submit_text": label}
    return action(description=label, icon=icon, permissions=[needs], dialog=dialog)


def called(
    page: SupportPage, request: HttpRequest, pk: Any, change: Callable[[], object], *, done: str
) -> HttpResponse:
    """Carry out a change that a dialog was confirmed for, and go back to the record with what came of it."""
    try:
        change()
    except Refusal as refused:
        page.message_user(request, _in_one_line(refused), messages.ERROR)
    else:
        page.message_user(request, done, messages.SUCCESS)
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}_change"
    return HttpResponse(headers={"HX-Redirect": reverse(name, args=[pk])})


def _in_one_line(refused: Refusal) -> str:
    if isinstance(refused, Invalid):
        return " ".join(f"{field}: {' '.join(texts)}" for field, texts in refused.fields.items())
    return refused.message
