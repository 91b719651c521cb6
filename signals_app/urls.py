"""Addresses for monitoring systems: ``path("", include("signals_app.urls"))``."""

from importlib.util import find_spec

from django.urls import path

from signals_app.monitoring import views

app_name = "signals_app"

urlpatterns = [
    path("health/", views.health, name="health"),
    path("health/ready/", views.ready, name="ready"),
    path("health/live/", views.live, name="live"),
]

if find_spec("prometheus_client"):
    from signals_app.monitoring.metrics import metrics

    urlpatterns.append(path("metrics", metrics, name="metrics"))
