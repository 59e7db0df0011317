"""A domain's disks, interfaces and displays, and what went through them.

The rule kept here: columns are virsh's; sizes are bytes unless `--human`.
"""

from __future__ import annotations

from virtory.cli.output import Data, Field, Fields, Lines, Output, Table, Text
from virtory.cli.verb import ACTIVE, DOMAIN, argument, flag, option, verb
from virtory.errors import OperationFailed, VirtoryError
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_INACTIVE = flag("inactive", "as it will be at the next start")
_DEVICE = argument("device", "a target such as vda, or the image's path", required=False)


async def _described(machine: Domain, *, inactive: bool = False) -> Element:
    from virtory.cli.described import read

    return read(await machine.xml(inactive=inactive))


@verb(
    "domblklist",
    "monitor",
    "its disks",
    DOMAIN,
    _INACTIVE,
    flag("details", "types and devices too"),
)
async def domblklist(terminal: Terminal, domain: str, inactive: bool, details: bool) -> Output:
    """`virsh domblklist`."""
    from virtory.cli.described import disks

    root = await _described(await terminal.domain(domain), inactive=inactive)
    found = list(disks(root))
    raw = [dict(zip(("type", "device", "target", "source"), d, strict=False)) for d in found]
    if details:
        return Table(["Type", "Device", "Target", "Source"], [list(d[:4]) for d in found], raw=raw)
    return Table(["Target", "Source"], [[d.target, d.source] for d in found], raw=raw)


@verb(
    "domblkinfo",
    "monitor",
    "how big its disks are",
    DOMAIN,
    _DEVICE,
    flag("human", "in units people read"),
    flag("all", "every disk"),
)
async def domblkinfo(
    terminal: Terminal, domain: str, device: str | None, human: bool, all_: bool
) -> Output:
    """`virsh domblkinfo`."""
    from virtory.cli.described import disks

    machine = await terminal.domain(domain)
    shown = _human if human else str
    if not all_:
        if device is None:
            from virtory.cli.parse import Usage

            raise Usage("domblkinfo: name a device, or give --all")
        info = await machine.block_info(device)
        return Fields([Field(k.capitalize(), shown(v), k, v) for k, v in info._asdict().items()])
    rows, raw = [], []
    for disk in disks(await _described(machine)):
        if disk.source is None:
            rows.append([disk.target, None, None, None])
            continue
        info = await machine.block_info(disk.target)
        rows.append([disk.target, *(shown(value) for value in info)])
        raw.append({"target": disk.target, **info._asdict()})
    return Table(["Target", "Capacity", "Allocation", "Physical"], rows, raw=raw)


def _human(size: int) -> str:
    value, units = float(size), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.3f} {units[0]}"


@verb(
    "domblkstat",
    "monitor",
    "requests and bytes of a disk",
    ACTIVE,
    _DEVICE,
    flag("human", "with words for names"),
)
async def domblkstat(terminal: Terminal, domain: str, device: str | None, human: bool) -> Output:
    """`virsh domblkstat`."""
    machine = await terminal.domain(domain)
    found = dict(await machine.block_stats_params(device or ""))
    stats: dict[str, Any] = {name: found[name] for name in [*_STATS, *found] if name in found}
    if not human:
        text = "".join(
            f"{device or ''} {_STATS.get(name, (name, ''))[0]} {value}\n"
            for name, value in stats.items()
        )
        return Data(f"{text}\n", {"device": device, **stats})
    text = "".join(
        f" {_STATS.get(name, ('', name))[1] + ':':<31} {value}\n" for name, value in stats.items()
    )
    return Data(f"Device: {device or ''}\n{text}\n", {"device": device, **stats})


_STATS = {
    "rd_operations": ("rd_req", "number of read operations"),
    "rd_bytes": ("rd_bytes", "number of bytes read"),
    "wr_operations": ("wr_req", "number of write operations"),
    "wr_bytes": ("wr_bytes", "number of bytes written"),
    "errs": ("errs", "error count"),
    "flush_operations": ("flush_operations", "number of flush operations"),
    "rd_total_times": ("rd_total_times", "total duration of reads (ns)"),
    "wr_total_times": ("wr_total_times", "total duration of writes (ns)"),
    "flush_total_times": ("flush_total_times", "total duration of flushes (ns)"),
}
"""Field → virsh's name and words for it, in virsh's order."""


@verb("domblkerror", "monitor", "disks with errors", ACTIVE)
async def domblkerror(terminal: Terminal, domain: str) -> Output:
    """`virsh domblkerror`."""
    errors = await (await terminal.domain(domain)).disk_errors()
    names = {0: "no error", 1: "unspecified error", 2: "no space"}
    lines = [f"{disk}: {names.get(code, code)}" for disk, code in errors.items()]
    return Data("\n".join(lines or ["No errors found"]) + "\n", errors)


@verb("domiflist", "monitor", "its network interfaces", DOMAIN, _INACTIVE)
async def domiflist(terminal: Terminal, domain: str, inactive: bool) -> Output:
    """`virsh domiflist`."""
    from virtory.cli.described import interfaces

    root = await _described(await terminal.domain(domain), inactive=inactive)
    found = list(interfaces(root))
    return Table(["Interface", "Type", "Source", "Model", "MAC"], [list(item) for item in found])


@verb(
    "domifstat",
    "monitor",
    "bytes and packets of an interface",
    ACTIVE,
    argument("interface", "its name on the host, or its MAC address"),
)
async def domifstat(terminal: Terminal, domain: str, interface: str) -> Output:
    """`virsh domifstat`."""
    stats = await (await terminal.domain(domain)).interface_stats(interface)
    found = {name: value for name, value in stats._asdict().items() if value >= 0}
    text = "".join(f"{interface} {name} {value}\n" for name, value in found.items())
    return Data(f"{text}\n", {"interface": interface, **found})


@verb(
    "domifaddr",
    "monitor",
    "its addresses",
    ACTIVE,
    argument("interface", "only this one", required=False),
    flag("full", "repeat name and MAC in every row"),
    option("source", "who is asked", choices=("lease", "agent", "arp", "any")),
)
async def domifaddr(
    terminal: Terminal, domain: str, interface: str | None, full: bool, source: str | None
) -> Output:
    """`virsh domifaddr`; `--source any` asks one source after the other."""
    machine = await terminal.domain(domain)
    numbers = {"lease": [0], "agent": [1], "arp": [2], "any": [0, 1, 2]}[source or "lease"]
    found = None
    for number in numbers:
        try:
            found = await machine.interface_addresses(number)
        except VirtoryError:
            if number == numbers[-1]:
                raise
        if found:
            break
    rows, raw = [], []
    for item in found or []:
        if interface and item.name != interface:
            continue
        for index, address in enumerate(item.addresses):
            first = full or index == 0
            name, mac = (item.name, item.mac or "N/A") if first else ("-", "-")
            where = f"{address.address}/{address.prefix}"
            rows.append(f" {name:<10} {mac:<17}    {'ipv' + str(address.family):<12} {where}\n")
            raw.append({"name": item.name, "mac": item.mac, **address._asdict()})
    head = f" {'Name':<10} {'MAC address':<17}    {'Protocol':<12} Address\n{'-' * 79}\n"
    return Data(f"{head}{''.join(rows)}\n", raw)


@verb(
    "domif-getlink",
    "monitor",
    "is an interface's cable plugged in?",
    DOMAIN,
    argument("interface", "its name on the host, or its MAC address"),
    flag("config", "as it will be at the next start"),
)
async def domif_getlink(terminal: Terminal, domain: str, interface: str, config: bool) -> Output:
    """`virsh domif-getlink`."""
    from virtory.cli.described import link

    root = await _described(await terminal.domain(domain), inactive=config)
    state = link(root, interface)
    if state is None:
        raise OperationFailed(
            f"Interface ({'mac' if ':' in interface else 'dev'}: {interface}) not found.",
            cure=f"virtory domiflist {domain}",
        )
    return Data(f"{interface} {state}\n\n", {"interface": interface, "link": state})


@verb("vncdisplay", "guest", "where its VNC display listens", ACTIVE)
async def vncdisplay(terminal: Terminal, domain: str) -> Output:
    """`virsh vncdisplay`."""
    from virtory.cli.described import vnc_display

    found = vnc_display(await _described(await _running(terminal, domain)))
    if found is None:
        raise OperationFailed(
            f"'{domain}' has no VNC display that listens",
            cure="add <graphics type='vnc'/> with 'virtory edit' and start it again",
        )
    return Text(f"{found}\n\n", key="display", value=found)


@verb(
    "domdisplay",
    "guest",
    "its display as a viewer's address",
    ACTIVE,
    flag("include-password", "with the display's password"),
    option("type", "only displays of this type: vnc, spice"),
    flag("all", "every one"),
)
async def domdisplay(
    terminal: Terminal, domain: str, include_password: bool, type_: str | None, all_: bool
) -> Output:
    """`virsh domdisplay`."""
    from virtory.cli.described import displays, read

    machine = await _running(terminal, domain)
    root = read(await machine.xml(secure=include_password))
    found = [item.address for item in displays(root) if type_ in (None, item.kind)]
    if not found:
        raise OperationFailed(
            f"'{domain}' has no display that listens",
            cure="add <graphics type='vnc'/> with 'virtory edit' and start it again",
        )
    return Lines(found if all_ else found[:1])


@verb("ttyconsole", "guest", "the terminal behind its console", ACTIVE)
async def ttyconsole(terminal: Terminal, domain: str) -> Output:
    """`virsh ttyconsole`."""
    from virtory.cli.described import tty

    found = tty(await _described(await _running(terminal, domain)))
    return Text(f"{found or ''}\n\n", key="tty", value=found or "")


async def _running(terminal: Terminal, domain: str) -> Domain:
    machine = await terminal.domain(domain)
    if not await machine.is_active():
        from virtory.errors import OperationInvalid

        raise OperationInvalid(
            f"domain '{machine.name}' is not running", cure=f"virtory start {machine.name}"
        )
    return machine
