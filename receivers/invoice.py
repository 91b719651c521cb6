"""The invoice's place in the storage."""

from collections.abc import Callable

from django.core.files.base import ContentFile

from sigdemo.shop.models import Invoice, Order


def store(order: Order, *, report: Callable[[int, int], None]) -> Invoice:
    """Render the invoice of ``order`` unless it is stored already; return it.

    ``report`` is told after each step how many of how many are done.
    """
    stored = Invoice.objects.filter(order=order).first()
    if stored is not None and stored.file.storage.exists(stored.file.name or ""):
        return stored
    from receivers import invoice_pdf  # takes longer to import than Django, and few processes make invoices

    return _save(order, stored or Invoice(order=order), invoice_pdf.render(order, report=report))


def _save(order: Order, invoice: Invoice, pdf: bytes) -> Invoice:
    # A worker that died between file and row left its file behind: take the name back, or the
    # storage would invent another and keep both.
    field = Invoice._meta.get_field("file")
    storage, name = field.storage, field.generate_filename(invoice, f"{order.public_id}.pdf")
    storage.delete(name)
    invoice.file.save(f"{order.public_id}.pdf", ContentFile(pdf), save=False)
    Invoice.objects.update_or_create(order=order, defaults={"file": invoice.file.name})
    return Invoice.objects.get(order=order)
