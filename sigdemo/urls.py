"""The site's addresses."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from sigdemo.home import home, trace
from sigdemo.throttle.limits import login

favicon = lazy(static, str)("site/favicon.svg")  # its name is known only after collectstatic

urlpatterns = [
    path("", home, name="home"),
    path("trace/<uuid:public_id>/", trace, name="trace"),
    path("shop/", include("sigdemo.shop.urls")),
    path("lab/", include("sigdemo.lab.urls")),
    path("admin/login/", login),
    path("admin/", admin.site.urls),
    path("", include("signals_app.urls")),
    path("favicon.ico", RedirectView.as_view(url=favicon), name="favicon"),
]

handler400 = "sigdemo.errors.bad_request"
handler403 = "sigdemo.errors.permission_denied"
handler404 = "sigdemo.errors.page_not_found"
handler500 = "sigdemo.errors.server_error"
