"""Addresses of the lab."""

from django.urls import path

from sigdemo.lab import views

app_name = "lab"
urlpatterns = [
    path("", views.lab, name="lab"),
    path("crash/", views.crash_test, name="crash"),
    path("cluster/", views.cluster, name="cluster"),
    path("ping/", views.ping, name="ping"),
    path("run/<uuid:public_id>/", views.run, name="run"),
    path("run/<uuid:public_id>/result/", views.result, name="result"),
    path("run/<uuid:public_id>/state/", views.state, name="state"),
    path("run/<uuid:public_id>/pings/<slug:stretch>/", views.pings, name="pings"),
    path("run/<uuid:public_id>/crash/", views.run_crash, name="run-crash"),
    path("run/<uuid:public_id>/<slug:way>/", views.run_lane, name="lane"),
]
