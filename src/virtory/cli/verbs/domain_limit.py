"""A domain's disks resized and limited; what follows when it ends.

The rule kept here: without a limit given, the limits are shown.
"""

from __future__ import annotations

from virtory.cli.output import Data, Done, Output
from virtory.cli.verb import ACTIVE, CONFIG, CURRENT, DOMAIN, LIVE, argument, flag, option, verb
from virtory.errors import OperationInvalid
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_LIMITS = (
    *(f"{part}-{what}-sec" for what in ("bytes", "iops") for part in ("total", "read", "write")),
    *(
        f"{part}-{what}-sec-max"
        for what in ("bytes", "iops")
        for part in ("total", "read", "write")
    ),
    "size-iops-sec",
    *(
        f"{part}-{what}-sec-max-length"
        for what in ("bytes", "iops")
        for part in ("total", "read", "write")
    ),
)
_OCCASIONS = ("poweroff", "reboot", "crash")
_ACTIONS = ("destroy", "restart", "rename-restart", "preserve", "coredump-destroy",
            "coredump-restart")  # fmt: skip


@verb(
    "blockresize",
    "tune",
    "make a disk of a running domain larger",
    ACTIVE,
    argument("path", "its target, such as vda, or its image"),
    argument("size", "the new size, in KiB without a unit"),
    flag("shrink", "let it be smaller than now: what is beyond the new end is lost for good"),
)
async def blockresize(
    terminal: Terminal, domain: str, path: str, size: str, shrink: bool
) -> Output:
    """`virsh blockresize`, which cuts a disk off unasked; here that is to be said."""
    from virtory.cli.verbs.domain_tune import kib

    machine = await terminal.domain(domain)
    wanted = int(size[:-1]) if size[:-1].isdigit() and size[-1] in "bB" else kib(size) * 1024
    now = 0 if shrink else (await machine.block_info(path)).capacity
    if wanted < now:
        raise OperationInvalid(
            f"disk '{path}' has {now} bytes; with {wanted} its last {now - wanted} are lost for"
            " good, whatever the guest keeps there",
            cure="name a larger size; or make the guest's file systems smaller first, then add"
            " --shrink",
        )
    await machine.block_resize(path, wanted)
    return Done(f"Block device '{path}' is resized", name=machine.name, size=wanted)


@verb(
    "blkdeviotune",
    "tune",
    "what a disk may do in a second",
    DOMAIN,
    argument("device", "its target, such as vda"),
    *(option(name, "see <iotune> of a disk; 0 is no limit", kind="number") for name in _LIMITS),
    option("group-name", "disks that share the limit"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def blkdeviotune(
    terminal: Terminal,
    domain: str,
    device: str,
    config: bool,
    live: bool,
    current: bool,
    **limits: Any,
) -> Output:
    """`virsh blkdeviotune`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    flags = modification(live, config, current)
    given = {name: value for name, value in limits.items() if value is not None}
    if given:
        await machine.set_block_io_tune(device, given, flags=flags)
        return Done("", name=machine.name, device=device, **given)
    told = dict(await machine.block_io_tune(device, flags=flags))
    text = "".join(f"{name:<15}: {value}\n" for name, value in told.items())
    return Data(f"{text}\n", told)


@verb(
    "set-lifecycle-action",
    "tune",
    "what follows when the guest powers off, reboots or crashes",
    DOMAIN,
    argument("type", "poweroff, reboot or crash", choices=_OCCASIONS),
    argument("action", "destroy, restart, preserve …", choices=_ACTIONS),
    CONFIG,
    LIVE,
    CURRENT,
)
async def set_lifecycle_action(
    terminal: Terminal,
    domain: str,
    type_: str,
    action: str,
    config: bool,
    live: bool,
    current: bool,
) -> Output:
    """`virsh set-lifecycle-action`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    flags = modification(live, config, current)
    await machine.set_lifecycle_action(_OCCASIONS.index(type_), _ACTIONS.index(action), flags=flags)
    return Done("", name=machine.name, on=type_, action=action)


@verb(
    "domiftune",
    "tune",
    "how fast a network card may be",
    DOMAIN,
    argument("interface", "its MAC address, or the tap's name"),
    option("inbound", "average,peak,burst,floor in KiB/s and KiB"),
    option("outbound", "average,peak,burst in KiB/s and KiB"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def domiftune(
    terminal: Terminal,
    domain: str,
    interface: str,
    inbound: str | None,
    outbound: str | None,
    config: bool,
    live: bool,
    current: bool,
) -> Output:
    """`virsh domiftune`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    flags = modification(live, config, current)
    given: dict[str, int] = {}
    for way, text in (("inbound", inbound), ("outbound", outbound)):
        names = ("average", "peak", "burst", "floor")
        for name, value in zip(names, (text or "").split(","), strict=False):
            if value.isdigit():
                given[f"{way}.{name}"] = int(value)
    if given:
        await machine.set_interface_parameters(interface, given, flags=flags)
        return Done("", name=machine.name, interface=interface, **given)
    told = dict(await machine.interface_parameters(interface, flags=flags))
    text = "".join(f"{name:<15}: {value}\n" for name, value in told.items())
    return Data(f"{text}\n", told)
