"""The pages of the shop. Each validates, acts and answers; none knows who receives a signal."""

from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from sigdemo.shop.checkout import place_order
from sigdemo.shop.exceptions import ShopError
from sigdemo.shop.forms import OrderForm, OutageForm
from sigdemo.shop.models import Invoice, Order, Product, WarehouseNotice, WarehouseOutage
from sigdemo.shop.tracking import tracking_of
from sigdemo.throttle.limits import CHECKOUT, OUTAGE, limited

UNPROCESSABLE = 422  # a form that was understood and refused; the page says what to change
LATEST = 20
MOST_REMEMBERED = 10  # orders of one visitor, for the start page


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited(CHECKOUT)
def shop(request: HttpRequest) -> HttpResponse:
    """Show what is for sale; a valid POST places the order and leads to its page.

    A refused form comes back filled in, with status 422 and a message per mistake.
    """
    posted = request.POST if request.method == "POST" else None
    form = OrderForm(Product.objects.filter(active=True), posted)
    if form.is_valid():
        try:
            placement = place_order(form.checkout())
        except ShopError as error:
            form.add_error(None, str(error))
        else:
            earlier = [one for one in request.session.get("orders", []) if one != str(placement.order.public_id)]
            request.session["orders"] = [*earlier, str(placement.order.public_id)][-MOST_REMEMBERED:]
            repeated = "?repeated" if placement.repeated else ""
            return redirect(f"{placement.order.get_absolute_url()}{repeated}")
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "shop/shop.html", {"form": form, "section": "shop"}, status=status)


@never_cache
@require_safe
def order(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show an order and where each of its deliveries stands."""
    return _order_page(request, public_id, "shop/order.html")


@never_cache
@require_safe
def deliveries(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show the deliveries alone, for the order page's script to ask for again and again."""
    return _order_page(request, public_id, "shop/deliveries.html")


@never_cache
@require_safe
def invoice(request: HttpRequest, public_id: UUID) -> FileResponse:
    """Hand out an order's invoice as a PDF; 404 until it has been rendered."""
    found = get_object_or_404(Invoice.objects.select_related("order"), order__public_id=public_id)
    try:
        content = found.file.open("rb")
    except FileNotFoundError:
        raise Http404("The invoice's file is gone from the storage.") from None
    return FileResponse(content, as_attachment=True, filename=f"{found.order}.pdf", content_type="application/pdf")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited(OUTAGE)
def outage(request: HttpRequest) -> HttpResponse:
    """Show what the warehouse got, and let staff (everyone in DEBUG) make it fail for a while."""
    if not (settings.DEBUG or getattr(request.user, "is_staff", False)):
        raise PermissionDenied("Only staff may make the warehouse fail. Log in to the admin first.")
    posted = request.POST if request.method == "POST" else None
    form = OutageForm(posted, initial={"failures": 3}, label_suffix="")
    if form.is_valid():
        WarehouseOutage.plan(form.cleaned_data["failures"])
        return redirect("shop:outage")
    context = {
        "form": form,
        "section": "warehouse",
        "failures_left": WarehouseOutage.left(),
        "notices": WarehouseNotice.objects.all()[:LATEST],
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "shop/outage.html", context, status=status)


def _order_page(request: HttpRequest, public_id: UUID, template: str) -> HttpResponse:
    # the template reads the invoice after the deliveries: once they are all done, nobody asks for it again
    found = get_object_or_404(Order.objects.prefetch_related("lines"), public_id=public_id)
    context = {
        "order": found,
        "tracking": tracking_of(found),
        "repeated": "repeated" in request.GET,
        # errors, hosts and processes are for those who may see them in the admin as well
        "backstage": settings.DEBUG or request.user.has_perm("signals_app.view_delivery"),
        "section": "shop",
    }
    return render(request, template, context)
