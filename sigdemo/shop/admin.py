"""The shop in the admin: products are edited, what happened is only read."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from sigdemo.shop.models import DailySales, Invoice, Order, OrderLine, Product, StockNotice, WarehouseNotice

if TYPE_CHECKING:  # generic for the type checker only
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


class ReadOnly:
    """Nobody adds, changes or deletes by hand what the site recorded."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    list_display = ("name", "sku", "price", "stock", "active")
    list_filter = ("active",)
    search_fields = ("name", "sku")
    list_per_page = 50


class OrderLineInline(ReadOnly, TabularInline):
    model = OrderLine
    fields = ("name", "quantity", "unit_price")
    extra = 0


@admin.register(Order)
class OrderAdmin(ReadOnly, ModelAdmin):
    list_display = ("number", "name", "email", "total", "placed_at", "placed_by")
    search_fields = ("name", "email", "public_id")
    date_hierarchy = "placed_at"
    inlines = (OrderLineInline,)


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly, ModelAdmin):
    """Rendered invoices. The file itself is handed out on the order's page."""

    list_display = ("order", "stored_at")
    list_select_related = ("order",)
    fields = ("order", "stored_at")


@admin.register(DailySales)
class DailySalesAdmin(ReadOnly, ModelAdmin):
    list_display = ("date", "product", "quantity", "revenue")
    list_select_related = ("product",)
    list_filter = ("product",)
    date_hierarchy = "date"


@admin.register(StockNotice)
class StockNoticeAdmin(ReadOnly, ModelAdmin):
    list_display = ("product", "stock", "noticed_at")
    list_select_related = ("product",)
    date_hierarchy = "noticed_at"


@admin.register(WarehouseNotice)
class WarehouseNoticeAdmin(ReadOnly, ModelAdmin):
    list_display = ("order_number", "pieces", "received_at", "key")
    search_fields = ("order_number", "key")
