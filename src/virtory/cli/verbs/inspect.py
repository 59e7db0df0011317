"""`inspect`: how a machine is virtualised, explained; `publish`: its ports on the host.

The rule kept here: the daemon finds the facts, `inspection.py` has the sentences.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output, Prose, Table
from virtory.cli.verb import CONFIG, DOMAIN, LIVE, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING
from virtory.model.flags import DomainAffect

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

HERE = "127.0.0.1"
"""Where a port is published unless asked otherwise, as `create --publish` does: for this host."""


@verb(
    "inspect",
    "machine",
    "explain how it is virtualised: processors, memory, devices",
    DOMAIN,
    flag("features", "every feature of its virtio devices, with its meaning"),
)
async def inspect(terminal: Terminal, domain: str, features: bool) -> Output:
    """`DOMAIN_INSPECT`, in sentences."""
    from virtory.cli.inspection import explained

    report = dict(await (await terminal.domain(domain)).inspect())
    return Prose(explained(report, features=features), report)


@verb(
    "publish",
    "machine",
    "lead ports of this host into it, or list those that are",
    DOMAIN,
    argument("ports", "HOST:GUEST, such as 8080:80 or 5353:53/udp", required=False, kind="words"),
    option("address", "of the host, to take the port on; 127.0.0.1 without it, 0.0.0.0 for all"),
    flag("remove", "take it back"),
    LIVE,
    CONFIG,
)
async def publish(
    terminal: Terminal,
    domain: str,
    ports: list[str],
    address: str | None,
    remove: bool,
    live: bool,
    config: bool,
) -> Output:
    """`DOMAIN_PUBLISH` for each, live and in the definition unless one of the two is chosen."""
    machine = await terminal.domain(domain)
    if not ports:
        return await _listed(machine)
    wanted = [_parsed(word, remove=remove) for word in ports]
    flags = live | config << 1 or await _both(machine)
    for host_port, guest_port, protocol in wanted:
        if remove:
            await machine.unpublish(host_port, protocol=protocol, address=address, flags=flags)
        else:
            await machine.publish(
                host_port, guest_port, protocol=protocol, address=address or HERE, flags=flags
            )
    if remove:
        return Done("Ports taken back", ports=ports)
    said = ", ".join(f"{protocol} {there} → {inside}" for there, inside, protocol in wanted)
    return Done(f"Published: {said}", ports=ports)


async def _both(machine: Domain) -> int:
    """Now, if it runs, and from the next start on, if it is defined."""
    flags = DomainAffect.LIVE if await machine.is_active() else 0
    return flags | (DomainAffect.CONFIG if await machine.is_persistent() else 0)


def _parsed(word: str, *, remove: bool) -> tuple[int, int, str]:
    """Host's port, guest's port, protocol; raises `Usage`."""
    pair, _, protocol = word.partition("/")
    host, colon, guest = pair.partition(":")
    if not colon:
        guest = host
    if not (host.isdigit() and guest.isdigit()) or protocol not in ("", "tcp", "udp"):
        from virtory.cli.parse import Usage

        form = "8080 or 8080:80" if remove else "8080:80, or 5353:53/udp"
        raise Usage(f"'{word}' names no ports", f"write them as {form}")
    return int(host), int(guest), protocol or "tcp"


async def _listed(machine: Domain) -> Output:
    from virtory.model.domain import parse_domain

    described = parse_domain(await machine.xml())
    rows = []
    for card in described.devices.interfaces:
        for forward in card.port_forwards:
            for span in forward.ranges:
                if not span.exclude:
                    there = str(span.start) + (f"-{span.end}" if span.end else "")
                    inside = span.to or span.start
                    rows.append([forward.proto, forward.address or "*", there, inside])
    return Table(["Protocol", "Address", "Host port", "Guest port"], rows)
