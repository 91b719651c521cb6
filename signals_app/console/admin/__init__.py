"""The overview, deliveries, attempts and the signals map in Django's admin."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.core import checks
from django.utils.translation import gettext_lazy as _

from signals_app.console.admin.attempts import AttemptAdmin
from signals_app.console.admin.batches import BatchAdmin
from signals_app.console.admin.deliveries import DeliveryAdmin
from signals_app.console.admin.map_page import MapAdmin
from signals_app.console.admin.overview import ENTRY, ClusterAdmin, OverviewAdmin
from signals_app.console.admin.pages import page_entry
from signals_app.models import Attempt, Batch, ClusterStat, Delivery

_MAP = page_entry("Map", _("signals map"))


def register(site: admin.AdminSite) -> None:
    """Put all our pages into another ``AdminSite``; they link to each other within it."""
    site.register(ENTRY, OverviewAdmin)
    site.register(Delivery, DeliveryAdmin)
    site.register(Attempt, AttemptAdmin)
    site.register(Batch, BatchAdmin)
    site.register(ClusterStat, ClusterAdmin)
    site.register(_MAP, MapAdmin)


register(admin.site)


@checks.register("signals_app")
def check_sites(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check that no ``AdminSite`` has only some of the pages that lead to each other."""
    linked = (ENTRY, Delivery, Attempt, Batch)
    return [
        checks.Warning(
            f"The admin site {site.name!r} has only some of signals_app's pages, and they lead to the others.",
            hint="Call signals_app.admin.register(site) in place of registering them one by one.",
            id="signals_app.W008",
        )
        for site in all_sites
        if len({site.is_registered(one) for one in linked}) > 1
    ]
