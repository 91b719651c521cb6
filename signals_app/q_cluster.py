"""Django-Q's ``Q_CLUSTER`` as every cluster of the site reads it: the main one, and those of ``ALT_CLUSTERS``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

VARIABLE = "Q_CLUSTER_NAME"  # of the environment; says which cluster a process is


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster: ``values`` holds for it, ``own`` is the part that is said of it alone, at ``place``."""

    name: str
    place: str
    own: Mapping[str, Any]
    values: Mapping[str, Any]
    is_main: bool = False

    def decides(self, *keys: str) -> bool:
        """Tell whether any of these keys is this cluster's to say; the main one speaks for those that do not."""
        return self.is_main or any(key in self.own for key in keys)


def q_cluster() -> Mapping[str, Any]:
    """Return the project's ``Q_CLUSTER`` as written; empty where there is none."""
    value = getattr(settings, "Q_CLUSTER", {})
    return value if isinstance(value, Mapping) else {}


def main_queue() -> str:
    """Return the name of the main cluster, which is the default queue."""
    cluster = q_cluster()
    return str(cluster.get("cluster_name") or cluster.get("name") or "default")


def named_here() -> str:
    """Return the cluster that the environment names, "" where it names none beside the main one."""
    name, cluster = os.environ.get(VARIABLE, ""), q_cluster()
    return "" if name in (cluster.get("name"), cluster.get("cluster_name")) else name


def clusters() -> list[Cluster]:
    """Return the main cluster, then those of ``ALT_CLUSTERS``. What is no dict there says nothing to Django-Q."""
    shared = {key: value for key, value in q_cluster().items() if key != "ALT_CLUSTERS"}
    found = [Cluster(name=main_queue(), place="Q_CLUSTER", own=shared, values=shared, is_main=True)]
    others = q_cluster().get("ALT_CLUSTERS")
    for name, given in (others if isinstance(others, dict) else {}).items():
        own = given if isinstance(given, dict) else {}
        place = f"Q_CLUSTER['ALT_CLUSTERS'][{name!r}]"
        found.append(Cluster(name=str(name), place=place, own=own, values=shared | own))
    return found
