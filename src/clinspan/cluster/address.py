"""Which Ray clusters notes may be sent to."""

import ipaddress
import re
import socket
from collections.abc import Iterable

from clinspan.errors import ClusterError, ConfigError, PrivacyError

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
_PATIENCE = 5.0
_CONSENT = "If your notes may go there, say so with --allow-remote."


def permitted(address: str, *, allow_remote: bool) -> str:
    """The address of a cluster's head, if notes may be sent to it.

    Args:
        address: `HOST:PORT`.
        allow_remote: the user's word that notes may leave this machine.

    Raises:
        ConfigError: when it is no address.
        PrivacyError: when its host is not this machine's loopback and `allow_remote` is False.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or not 0 < int(parts["port"]) < 65536:
        raise ConfigError(
            f"{address!r} is no address of a Ray cluster",
            expected="HOST:PORT, as `ray start --head` prints it",
            fix="Start this command on a machine that belongs to the cluster.",
        )
    if not allow_remote and not _is_loopback(parts["host"].strip("[]")):
        raise PrivacyError(
            "the notes would leave this machine: they would be sent to a Ray cluster that is not known to be on it",
            where=address,
            expected="127.0.0.1:PORT, or no --ray-address for a cluster on this machine alone",
            fix=_CONSENT,
        )
    return address


def check_nodes(nodes: Iterable[str], *, here: str, allow_remote: bool) -> None:
    """A cluster whose head is on this machine may have nodes elsewhere.

    Args:
        nodes: the addresses of the cluster's nodes.
        here: the address that this machine has in the cluster.
        allow_remote: the user's word that notes may leave this machine.

    Raises:
        PrivacyError: when there are others and `allow_remote` is False.
    """
    others = sorted(set(nodes) - {here})
    if others and not allow_remote:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise PrivacyError(
            f"the notes would leave this machine: the Ray cluster has nodes on others ({shown})",
            where=here,
            fix=_CONSENT,
        )


def check_answers(address: str) -> None:
    """Ray itself tries for long before it says that nobody is there.

    Raises:
        ClusterError: when nothing takes a connection at the address.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise ClusterError(
            f"no Ray cluster can be reached: {error.strerror or error}",
            where=address,
            fix="See where it is with: ray status",
        ) from None


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
