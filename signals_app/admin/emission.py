"""The page of one ``send()``, answered."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from signals_app.admin.emission_page import page_of_emission
from signals_app.admin.live import LIVE
from signals_app.admin.pages import crumbs
from signals_app.models import Delivery

STYLES = ("signals_app/admin.css", "signals_app/overview.css", "signals_app/emission.css")


def show_emission(of: ModelAdmin[Delivery], request: HttpRequest, emission: UUID) -> HttpResponse:
    """Answer with the page. Raises Http404 where no delivery has that emission."""
    page = page_of_emission(emission, of.get_queryset(request), site=of.admin_site.name, now=timezone.now())
    if page is None:
        raise Http404(_("No delivery has that emission."))
    context = {
        **of.admin_site.each_context(request),
        **crumbs(of.opts),
        "title": _("Emission"),
        "page": page,
        "media": forms.Media(css={"all": STYLES}, js=(LIVE,)),
    }
    return TemplateResponse(request, "admin/signals_app/emission.html", context)
