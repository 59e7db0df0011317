"""Ports of the host that lead into a guest on user-mode networking, in its description.

The rule kept here: pure. A forward is one `<portForward>` with one port in its `<range>`; the card
is the first on user-mode networking.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from virtory.errors import InvalidArgument, OperationInvalid, OperationUnsupported
from virtory.model.domain.devices.interface import PortForward, PortRange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.domain import Domain
    from virtory.model.domain.devices.interface import Interface


class Forward(NamedTuple):
    """One port; no `address` means all of the host's."""

    protocol: Literal["tcp", "udp"]
    address: str | None
    host_port: int
    guest_port: int

    @property
    def where(self) -> str:
        """As a user names it."""
        place = f"{self.address}:" if self.address else ""
        return f"{self.protocol} port {place}{self.host_port}"


def checked(forward: Forward) -> Forward:
    """InvalidArgument for what is no forward at all."""
    import ipaddress

    if forward.protocol not in ("tcp", "udp"):
        raise InvalidArgument(f"'{forward.protocol}' is no protocol", cure="tcp or udp")
    for what, port in (("host", forward.host_port), ("guest", forward.guest_port)):
        if not 1 <= port <= 65535:
            raise InvalidArgument(f"{port} is no port of the {what}", cure="1 to 65535")
    if forward.address is not None:
        try:
            ipaddress.IPv4Address(forward.address)
        except ValueError:
            raise InvalidArgument(f"'{forward.address}' is no IPv4 address of the host") from None
    return forward


def card_of(domain: Domain) -> Interface:
    """The card whose ports are forwarded; OperationUnsupported says what to do without one."""
    for card in domain.devices.interfaces:
        if card.type == "user":
            return card
    networks = [
        card.source.network or card.source.bridge
        for card in domain.devices.interfaces
        if card.source is not None and (card.source.network or card.source.bridge)
    ]
    if networks:
        raise OperationUnsupported(
            f"domain '{domain.name}' is on network '{networks[0]}', where it has an address of its "
            "own: ports are published on user-mode networking only",
            cure=f"reach it at its own address: virtory domifaddr {domain.name}",
        )
    raise OperationUnsupported(
        f"domain '{domain.name}' has no network card on user-mode networking",
        cure="add one: <interface type='user'/>",
    )


def published(card: Interface) -> Iterator[Forward]:
    """Every forwarded port of a card, one by one."""
    for forward in card.port_forwards:
        for span in forward.ranges:
            if not span.exclude:
                first = span.to or span.start
                for port in range(span.start, (span.end or span.start) + 1):
                    yield Forward(forward.proto, forward.address, port, first + port - span.start)


def with_forward(domain: Domain, forward: Forward) -> Domain:
    """The domain with one more; InvalidArgument when the host's port leads somewhere already."""
    card = card_of(domain)
    for known in published(card):
        same = (known.protocol, known.host_port) == (forward.protocol, forward.host_port)
        if same and (known.address == forward.address or not known.address or not forward.address):
            raise InvalidArgument(
                f"{known.where} of domain '{domain.name}' leads to its port {known.guest_port} "
                "already",
                cure=f"virtory publish {domain.name} {forward.host_port} --remove",
            )
    made = PortForward(
        proto=forward.protocol,
        address=forward.address,
        ranges=(PortRange(start=forward.host_port, to=forward.guest_port),),
    )
    return _replaced(domain, card, replace(card, port_forwards=(*card.port_forwards, made)))


def without_forward(domain: Domain, forward: Forward) -> tuple[Domain, Forward]:
    """The domain without it, and the forward as it was; its guest port need not be given."""
    card = card_of(domain)
    for place, one in enumerate(card.port_forwards):
        if one.proto != forward.protocol or forward.address not in (None, one.address):
            continue
        for span in one.ranges:
            if span.exclude or not span.start <= forward.host_port <= (span.end or span.start):
                continue
            if span.end is not None and span.end != span.start:
                raise OperationUnsupported(
                    f"{forward.where} is one of {span.start} to {span.end} that are forwarded "
                    "together",
                    cure=f"virtory edit {domain.name}",
                )
            kept = tuple(other for other in one.ranges if other is not span)
            forwards = list(card.port_forwards)
            forwards[place : place + 1] = [replace(one, ranges=kept)] if kept else []
            was = Forward(one.proto, one.address, span.start, span.to or span.start)
            return _replaced(domain, card, replace(card, port_forwards=tuple(forwards))), was
    raise OperationInvalid(
        f"{forward.where} is not published for domain '{domain.name}'",
        cure=f"virtory publish {domain.name} lists those that are",
    )


def _replaced(domain: Domain, card: Interface, by: Interface) -> Domain:
    cards = tuple(by if one is card else one for one in domain.devices.interfaces)
    return replace(domain, devices=replace(domain.devices, interfaces=cards))
