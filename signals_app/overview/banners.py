"""What is wrong enough to be said before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from django.core import checks
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import ledger
from signals_app.ledger import Figures
from signals_app.monitoring import health
from signals_app.overview.fleet import Cluster
from signals_app.overview.hour import Minute

RISING_OVER = 5  # minutes in which more was handed off than ended
MOST_QUEUES = 10  # without a cluster that are told one by one
DEPTH = 100  # deliveries that have to be due before a rising depth is worth a word


class Weight(StrEnum):
    """How bad it is; the name of an icon and of colours."""

    BAD = auto()
    WORTH_KNOWING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """One sentence, and what to do."""

    weight: Weight
    text: str
    cure: str = ""


def banners(figures: Figures, clusters: Sequence[Cluster], hour: Sequence[Minute]) -> list[Banner]:
    """Return what is wrong, the worst first."""
    found = [*_without_cluster(figures, clusters), *_rising(figures, hour), *_settings()]
    return sorted(found, key=lambda banner: banner.weight != Weight.BAD)


def _without_cluster(figures: Figures, clusters: Sequence[Cluster]) -> list[Banner]:
    alive = [cluster.queue for cluster in clusters if cluster.is_alive]
    cure = _("Start one: manage.py qcluster. Nothing is lost while none runs.")
    if not alive:
        return [Banner(weight=Weight.BAD, text=_("No cluster is alive, so nothing runs."), cure=cure)]
    waits = {queue.name: queue.oldest_wait for queue in figures.queues if queue.waiting}
    lacking = [queue.name for queue in health.queues(alive, waits) if queue.lacks_cluster()]
    texts = [_("No cluster of the queue %(queue)s is alive.") % {"queue": name} for name in lacking[:MOST_QUEUES]]
    if more := len(lacking) - len(texts):
        text = ngettext("%(more)d more queue has no cluster.", "%(more)d more queues have no cluster.", more)
        texts.append(text % {"more": more})
    return [Banner(weight=Weight.BAD, text=text, cure=cure) for text in texts]


def _rising(figures: Figures, hour: Sequence[Minute]) -> list[Banner]:
    due = sum(queue.due for queue in figures.queues)
    ended = sum(minute.total for minute in hour[-RISING_OVER - 1 :])
    sent = ledger.handed_off_lately(RISING_OVER * 60)
    if due < DEPTH or sent <= ended:
        return []
    text = ngettext(
        "The depth is rising: %(sent)d handed off in the last %(minutes)d minutes, %(ended)d ended, %(due)d is due.",
        "The depth is rising: %(sent)d handed off in the last %(minutes)d minutes, %(ended)d ended, %(due)d are due.",
        due,
    ) % {"sent": sent, "ended": ended, "minutes": RISING_OVER, "due": due}
    return [
        Banner(weight=Weight.WORTH_KNOWING, text=text, cure=_("More workers, or a queue of its own for slow work."))
    ]


def _settings() -> list[Banner]:
    said = checks.run_checks(tags=["signals_app"])
    return [
        Banner(
            weight=Weight.BAD if message.level >= checks.ERROR else Weight.WORTH_KNOWING,
            text=f"{message.msg} ({message.id})",
            cure=message.hint or "",
        )
        for message in said
        if not message.is_silenced()
    ]
