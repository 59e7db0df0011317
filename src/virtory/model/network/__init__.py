"""A virtual network's description: values that mirror libvirt's network XML, in both directions.

The rule kept here: everything in this package is pure; it knows libvirt's XML and nothing of the
host.

    network = parse_network(text)
    problems(network)                      # [(xpath, message), …], all of them at once
    format_network(dataclasses.replace(network, name="other"))
"""

from __future__ import annotations

from virtory.codec import xml
from virtory.model.network.network import Network
from virtory.model.network.problems import problems, unserved

__all__ = ["Network", "format_network", "parse_network", "problems", "unserved"]


def parse_network(text: str, *, lenient: bool = False) -> Network:
    """The network that `text` describes.

    Raises:
        XmlError: malformed, hostile or invalid; all problems at once.
        ConfigUnsupported: valid, but with elements that are not served.
    """
    return xml.parse(Network, text, lenient=lenient)


def format_network(network: Network) -> str:
    """The description as `virsh net-dumpxml` prints it."""
    return xml.format(network)
