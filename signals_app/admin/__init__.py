"""Deliveries, attempts and clusters in Django's admin."""

from django.contrib import admin

from signals_app.admin.attempts import AttemptAdmin
from signals_app.admin.clusters import ClusterAdmin
from signals_app.admin.deliveries import DeliveryAdmin
from signals_app.models import Attempt, ClusterStat, Delivery

admin.site.register(Delivery, DeliveryAdmin)
admin.site.register(Attempt, AttemptAdmin)
admin.site.register(ClusterStat, ClusterAdmin)
