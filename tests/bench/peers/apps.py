"""The app of the orders. It brings in the receivers of the queue that this process belongs to."""

import os
from importlib import import_module

from django.apps import AppConfig

from tests.bench.peers.peers import PEERS


class PeersConfig(AppConfig):
    """Imports one side, and no other."""

    name = "tests.bench.peers"
    label = "peers"

    def ready(self) -> None:
        import_module(f"tests.bench.peers.sides.{PEERS[os.environ['PEER']].side}")
