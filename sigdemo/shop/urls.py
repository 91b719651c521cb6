"""Addresses of the shop."""

from django.urls import path

from sigdemo.shop import views, warehouse_api

app_name = "shop"
urlpatterns = [
    path("", views.shop, name="shop"),
    path("orders/<uuid:public_id>/", views.order, name="order"),
    path("orders/<uuid:public_id>/deliveries/", views.deliveries, name="deliveries"),
    path("orders/<uuid:public_id>/invoice/", views.invoice, name="invoice"),
    path("warehouse/", warehouse_api.notices, name="warehouse"),
    path("warehouse/outage/", views.outage, name="outage"),
]
