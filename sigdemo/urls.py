"""The site's addresses."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(url="/shop/"), name="home"),
    path("shop/", include("sigdemo.shop.urls")),
    path("admin/", admin.site.urls),
]
