"""Clusters in the admin: which ones have been heard of, and whether they live."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from signals_app.console.admin.changelist import ReadOnlyAdmin
from signals_app.models import ClusterStat


class ClusterAdmin(ReadOnlyAdmin):
    """The list of clusters; each says twice a second that it is there, and what is old goes when a cluster starts."""

    list_display = ("queue", "host", "is_alive", "seen_at")
    list_display_links = None
    list_filter = ("queue",)
    ordering = ("queue", "host", "-seen_at")

    @admin.display(description=_("alive"), boolean=True)
    def is_alive(self, stat: ClusterStat) -> bool:
        return stat.expires_at > timezone.now()
