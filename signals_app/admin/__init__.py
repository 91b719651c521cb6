"""The overview, deliveries, attempts, clusters and the signals map in Django's admin."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from signals_app.admin.attempts import AttemptAdmin
from signals_app.admin.clusters import ClusterAdmin
from signals_app.admin.deliveries import DeliveryAdmin
from signals_app.admin.map_page import MapAdmin
from signals_app.admin.overview import ENTRY, OverviewAdmin
from signals_app.admin.pages import page_entry
from signals_app.models import Attempt, ClusterStat, Delivery

admin.site.register(ENTRY, OverviewAdmin)
admin.site.register(Delivery, DeliveryAdmin)
admin.site.register(Attempt, AttemptAdmin)
admin.site.register(ClusterStat, ClusterAdmin)
admin.site.register(page_entry("Map", _("signals map")), MapAdmin)
