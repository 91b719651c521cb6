"""What every page of ours in the admin has: its frame, who may see it, and that nobody edits a record in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import django
from django import forms
from django.apps import apps
from django.apps.registry import Apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.db.models.base import ModelBase
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

LIVE: Any = Script("signals_app/live.js", defer=True)

if TYPE_CHECKING:  # generic for the type checker only
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Nobody adds, changes or deletes by hand what the app recorded: a running delivery would go on without it."""

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission

    def show(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        """Answer with a page whose template extends ``admin/signals_app/page.html``."""
        request.current_app = self.admin_site.name  # {% url %} reads it
        standard = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": capfirst(str(self.opts.verbose_name_plural)).strip(),
            "media": self.media,
            "is_list_of_crumbs": django.VERSION >= (6, 0),  # each version styles its own markup only
        }
        return TemplateResponse(request, template, standard | context)

    def lead_back(self, request: HttpRequest, address: str) -> HttpResponse:
        """Answer a GET of what only a button opens: it was reloaded, bookmarked, or a login came between."""
        self.message_user(request, _("Nothing was changed. Press the button on this page again."), messages.WARNING)
        return HttpResponseRedirect(address)


class PageAdmin(ReadOnlyAdmin):
    """One page that belongs to no model, for those who may view deliveries."""

    template: ClassVar[str]

    @property
    def media(self) -> forms.Media:
        return forms.Media(type(self).Media)  # without the scripts of forms and lists

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the template shows, beside what every page of the admin has."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"  # as the admin's index calls it
        return [path("", self.admin_site.admin_view(self.page_view), name=name)]

    @method_decorator(require_safe)
    def page_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.show(request, self.template, **self.page_context(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("signals_app.view_delivery")

    has_module_permission = has_view_permission


def page_entry(name: str, title: str | Promise) -> type[Model]:
    """Return what ``register`` takes in place of a model; the page's address is its name in lower case.

    It lives in no registry of models, so there is no table, migration, content type or permission of it.
    """
    words = {"app_label": "signals_app", "apps": Apps(), "verbose_name": title, "verbose_name_plural": title}
    made = ModelBase(name, (Model,), {"__module__": __name__, "Meta": type("Meta", (), words)})
    made._meta.apps = apps  # type: ignore[attr-defined]  # where pages look for the name of the app
    return cast("type[Model]", made)
