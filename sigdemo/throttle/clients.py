"""Who asks."""

from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

NETWORK = 64  # bits of an IPv6 address that tell one customer of a provider from another


def client_of(request: HttpRequest) -> str:
    """Return who asks, as a keyed hash of the address, so that no address is kept."""
    return salted_hmac("sigdemo.throttle.client", _network(_address(request)), algorithm="sha256").hexdigest()


def _address(request: HttpRequest) -> str:
    """Return the address that the outermost proxy of ours saw; what stands further left anybody may write."""
    if settings.PROXIES:
        passed_on = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        if len(passed_on) >= settings.PROXIES and passed_on[-settings.PROXIES]:
            return passed_on[-settings.PROXIES]
    return str(request.META.get("REMOTE_ADDR", ""))


def _network(address: str) -> str:
    """Return the address without a port, or the network of an IPv6 one. All that are none are one client."""
    bare = address.strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare.partition("%")[0])  # without the zone of a link
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(IPv6Network((int(parsed), NETWORK), strict=False))
