"""Names under which the service answers.

A page of another site can let its own name resolve to this machine and then read the answers (DNS
rebinding). Its requests still carry its name in the header ``Host``, so a request with an unknown name is
rejected. An address such as ``127.0.0.1`` is always accepted: no name was resolved.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

_HOST = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")


def known_hosts(names: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of this machine and further `names`, in lower case."""
    return frozenset(_fold(name) for name in ("localhost", socket.gethostname(), socket.getfqdn(), *names))


def is_known(header: str, names: frozenset[str]) -> bool:
    """Return whether a header ``Host`` is an IP address or one of `names`.

    It may have a port.

    >>> [is_known(host, frozenset({"localhost"})) for host in ("Localhost:8000", "[::1]:8000", "example.org")]
    [True, True, False]
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    host = match["address"] or match["name"]
    if _fold(host) in names:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that listens on `host`.

    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "waste.example.org")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return _fold(host) == "localhost"


def _fold(name: str) -> str:
    return name.strip().lower().rstrip(".")
