"""`<dns>`: the names that guests can ask for.

The rule kept here: a record says what the answer will be; where else to ask is a forwarder.
"""

from __future__ import annotations

from typing import Annotated

from virtory.codec.xml import At, Attr, Element, Range, Text, YesNo


class Forwarder(Element, tag="forwarder"):
    """`<forwarder>`: another server to ask, for one domain or for all."""

    domain: Attr[str | None] = None
    addr: Attr[str | None] = None


class TextRecord(Element, tag="txt"):
    """`<txt>`: a TXT record."""

    name: Attr[str]
    value: Attr[str]


class ServiceRecord(Element, tag="srv"):
    """`<srv>`: an SRV record (RFC 2782)."""

    service: Attr[str]
    protocol: Attr[str]
    domain: Attr[str | None] = None
    target: Attr[str | None] = None
    port: Attr[Annotated[int | None, Range(1, 65535)]] = None
    priority: Attr[Annotated[int | None, Range(0, 65535)]] = None
    weight: Attr[Annotated[int | None, Range(0, 65535)]] = None


class DnsName(Element, tag="hostname"):
    """`<hostname>`: one name of an address."""

    name: Text[str] = ""


class DnsHost(Element, tag="host"):
    """`<host>`: an address and its names."""

    ip: Attr[str]
    names: tuple[DnsName, ...] = ()


class Dns(Element):
    """`<dns>`: names served by the network itself."""

    enable: Attr[YesNo | None] = None
    forward_plain_names: Annotated[YesNo | None, At("@forwardPlainNames")] = None
    forwarders: tuple[Forwarder, ...] = ()
    txts: tuple[TextRecord, ...] = ()
    srvs: tuple[ServiceRecord, ...] = ()
    hosts: tuple[DnsHost, ...] = ()
