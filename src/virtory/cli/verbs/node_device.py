"""The host's devices, as a list, a tree, one by one.

The rule kept here: names, columns and the tree's lines are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Data, Field, Fields, Lines, Output
from virtory.cli.verb import argument, flag, option, verb
from virtory.cli.xml_output import XPATH, described
from virtory.errors import NodeDeviceNotFound
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.list_flags import NODE_DEVICE_CAPABILITIES as CAPABILITIES

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.node_device import NodeDevice

_INACTIVE, _ACTIVE = 1 << 30, 1 << 31
DEVICE = argument("device", "name, or 'wwnn,wwpn' of a SCSI host")


@verb(
    "nodedev-list",
    "host",
    "the host's devices",
    flag("tree", "as a tree"),
    option("cap", "with one of these capabilities, such as pci,net"),
    flag("inactive", "defined ones that are not there"),
    flag("all", "those too"),
)
async def nodedev_list(
    terminal: Terminal, tree: bool, cap: str | None, inactive: bool, all_: bool
) -> Output:
    """`virsh nodedev-list`."""
    from virtory.cli.parse import Usage

    if tree and (cap or inactive):
        raise Usage("--tree goes with neither --cap nor --inactive")
    flags = 0
    for name in cap.split(",") if cap else ():
        if name not in CAPABILITIES:
            raise Usage(f"'{name}' is no capability", f"one of {', '.join(CAPABILITIES)}")
        flags |= CAPABILITIES[name]
    if not all_:
        flags |= _INACTIVE if inactive else _ACTIVE
    devices = await terminal.host.list_node_devices(flags=flags)
    if not tree:
        return Lines(sorted(device.name for device in devices))
    parents = {device.name: await device.parent_name() for device in devices}
    below: dict[str | None, list[str]] = {}
    for name in sorted(parents):
        above = parents[name]
        below.setdefault(above if above in parents else None, []).append(name)
    lines: list[str] = []
    for root in below.get(None, ()):
        _draw(root, below, "", lines)
        lines.append("")
    return Data("".join(f"{line}\n" for line in lines), _nested(None, below))


def _draw(name: str, below: dict[str | None, list[str]], indent: str, lines: list[str]) -> None:
    """One device and all below it, in virsh's drawing."""
    lines.append(f"{indent}+- {name}" if indent else name)
    inside = f"{indent}|   " if indent else "  "
    children = below.get(name, [])
    if children:
        lines.append(f"{inside}|")
    for child in children:
        _draw(child, below, inside, lines)
    if children:
        lines.append(f"{inside}  ")


def _nested(name: str | None, below: dict[str | None, list[str]]) -> Any:
    return {child: _nested(child, below) for child in below.get(name, ())}


async def _device(terminal: Terminal, word: str) -> NodeDevice:
    if "," in word:
        wwnn, _, wwpn = word.partition(",")
        return await terminal.host.node_device_by_wwn(wwnn, wwpn)
    try:
        return await terminal.host.node_device(word)
    except NodeDeviceNotFound as error:
        from virtory.cli.manual import meant

        names = [each.name for each in await terminal.host.list_node_devices()]
        error.cure = error.cure or meant(word, names, "'virtory nodedev-list'")
        raise


@verb(
    "nodedev-dumpxml",
    "host",
    "the XML of one of the host's devices",
    DEVICE,
    *XPATH,
)
async def nodedev_dumpxml(terminal: Terminal, device: str, xpath: str | None, wrap: bool) -> Output:
    """`virsh nodedev-dumpxml`."""
    return described(await (await _device(terminal, device)).xml(), xpath, wrap)


@verb("nodedev-info", "host", "one of the host's devices in short", DEVICE)
async def nodedev_info(terminal: Terminal, device: str) -> Output:
    """`virsh nodedev-info`."""
    found = await _device(terminal, device)
    answers = {
        "Active": await found.is_active(),
        "Persistent": await found.is_persistent(),
        "Autostart": await found.autostart(),
    }
    return Fields(
        [
            Field("Name", found.name),
            Field("Parent", await found.parent_name() or ""),
            *(Field(label, "yes" if yes else "no", "", yes) for label, yes in answers.items()),
        ]
    )
