"""The columns of the list of deliveries; on a phone each value bears its column's name."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals_app.admin import badges, durations
from signals_app.logs import one_line
from signals_app.models import Delivery, State


class DeliveryColumns:
    """What a row says, for the admin of deliveries to inherit."""

    @admin.display(description=_("delivery"), ordering="pk")
    def number(self, delivery: Delivery) -> str:
        """The id."""
        return f"#{delivery.pk}"

    @admin.display(description=_("state"))
    def standing(self, delivery: Delivery) -> SafeString:
        """The state, and what matters about it now."""
        marks: list[str | SafeString] = [badges.state_badge(delivery)]
        if delivery.unroutable:
            marks.append(badges.unroutable_badge())
        if delivery.state == State.RUNNING:
            marks.append(badges.progress_bar(delivery))
        return format_html("{} {} {}", *marks, *[""] * (3 - len(marks)))

    @admin.display(description=_("receiver"))
    def by_receiver(self, delivery: Delivery) -> str:
        """The receiver's key."""
        return badges.name(delivery.receiver)

    @admin.display(description=_("signal"))
    def by_signal(self, delivery: Delivery) -> str:
        """The signal's name."""
        return badges.name(delivery.signal)

    @admin.display(description=_("queue"))
    def by_queue(self, delivery: Delivery) -> SafeString:
        """The queue."""
        return badges.cell(gettext("Queue"), one_line(delivery.queue))

    @admin.display(description=_("attempts"))
    def tries(self, delivery: Delivery) -> SafeString:
        """Attempts made, of those allowed."""
        return badges.cell(gettext("Attempts"), f"{delivery.attempts}/{delivery.max_attempts}")

    @admin.display(description=_("waited"))
    def waited(self, delivery: Delivery) -> SafeString:
        """How long it waited once it was due; when it is due, where that lies ahead."""
        now = timezone.now()
        if delivery.state == State.READY and delivery.due_at > now:
            return badges.cell(gettext("Due"), durations.until(delivery.due_at, now))
        return badges.cell(gettext("Waited"), durations.written(durations.waited(delivery, now)))

    @admin.display(description=_("ran"))
    def ran(self, delivery: Delivery) -> SafeString:
        """How long it ran or has been running."""
        return badges.cell(gettext("Ran"), durations.written(durations.ran(delivery, timezone.now())))

    @admin.display(description=_("finished"))
    def finished(self, delivery: Delivery) -> SafeString:
        """When it reached its final state."""
        return badges.cell(gettext("Finished"), durations.moment(delivery.finished_at))
