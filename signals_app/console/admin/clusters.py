"""Clusters in the admin: which ones have been heard of, and whether they live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from signals_app import ledger
from signals_app.models import ClusterStat

if TYPE_CHECKING:  # generic for the type checker only
    ModelAdmin = admin.ModelAdmin[ClusterStat]
else:
    ModelAdmin = admin.ModelAdmin


class ClusterAdmin(ModelAdmin):
    """The list of clusters; each says twice a second that it is there."""

    list_display = ("queue", "host", "is_alive", "seen_at")
    list_display_links = None
    list_filter = ("queue",)
    ordering = ("queue", "host", "-seen_at")
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClusterStat]:
        """Read where the clusters write; a replica may be behind."""
        return super().get_queryset(request).using(ledger.connection().alias)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list under its own name; there is nothing to select."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what is old goes by itself when a cluster starts."""
        return False

    @admin.display(description=_("alive"), boolean=True)
    def is_alive(self, stat: ClusterStat) -> bool:
        """Whether it was heard of within the last seconds."""
        return stat.expires_at > timezone.now()
