"""Hosts of the tests' own: by their name alone, or on one switch, each with a cable that can be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network

import pytest

RANGE = IPv4Network("198.18.0.0/15")  # for tests of networks, RFC 2544; never routed
MISSING = "Network namespaces cannot be made here: that takes root, and ip, of the package iproute2."
NO_NAME = "Processes cannot be given another host's name here: that takes root."


class Host:
    """A network namespace with a host name of its own, so that its processes count as another host's."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def within(self) -> tuple[str, ...]:
        """The command that starts another one on this host."""
        return ("ip", "netns", "exec", self.name, *_renamed(self.name))

    def pull_cable(self) -> None:
        """Lose every packet from now on, in both directions; nobody is told."""
        _ip("link", "set", self.name, "down")

    def plug_in(self) -> None:
        """Mend the cable."""
        _ip("link", "set", self.name, "up")


class Switch:
    """A bridge that this machine and its hosts are on; ``address`` is this machine's."""

    def __init__(self, number: int) -> None:
        blocks = 2 ** (28 - RANGE.prefixlen)
        first = int(RANGE.network_address) + number % blocks * 16
        self.network = IPv4Network((first, 28))
        self.address, *self._free = map(str, self.network.hosts())
        self.name = f"sw{number}"
        self.hosts: list[Host] = []

    def add_host(self) -> Host:
        """Make another host, plugged in."""
        host = Host(f"h{self.name}-{len(self.hosts)}")
        self.hosts.append(host)
        _ip("netns", "add", host.name)
        _ip("link", "add", host.name, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _ip("link", "set", host.name, "master", self.name, "up")
        for command in (
            ("addr", "add", f"{self._free.pop(0)}/28", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-netns", host.name, *command)
        return host


@contextmanager
def switch(number: int) -> Iterator[Switch]:
    """Make a switch; ``number`` tells it from those of other runs. It goes away after the block, with its hosts.

    Skips the test where that is not allowed.
    """
    one = Switch(number)
    if os.getuid() or not shutil.which("ip") or not _is_allowed(one.name):
        pytest.skip(MISSING)
    try:
        _ip("link", "add", one.name, "type", "bridge")
        _ip("addr", "add", f"{one.address}/28", "dev", one.name)
        _ip("link", "set", one.name, "up")
        yield one
    finally:
        for host in one.hosts:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", host.name)  # its end of the cable goes with it, and so does ours
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", one.name)


def elsewhere() -> tuple[str, ...]:
    """Return the command that starts another one on this machine, with another host's name, or skip the test."""
    command = _renamed("another-host")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip(NO_NAME)
    return command


def _renamed(host: str) -> tuple[str, ...]:
    return ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host)


def _is_allowed(name: str) -> bool:
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except subprocess.CalledProcessError:
        return False
    return True


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
