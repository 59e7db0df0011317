"""A plan: every host resource one start of a domain needs, written down before it is taken.

The rule kept here: planning takes nothing. It may read (the headers of disk images), never create,
bind, open for writing or spawn. A Plan is a frozen value that survives JSON unchanged, because it
is stored before `acquire` and is all that `release` needs after a crash.

Descriptors are named by *slot*, a small number that is stable in the plan; the number that the
descriptor has in the daemon, hence in QEMU's command line, is known only when it is acquired:
`command_line(…, fds)` takes that map. A file's slot is also the number of its QEMU fdset. What a
thing is for is its `purpose`, by which devices find it: `disk:vda:0` is the first image of disk
vda, `disk:vda:1` the one below it, `log:serial0` the scrollback of the first serial port.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Any, Literal

OpenMode = Literal["r", "rw", "append", "memory", "directory"]
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory to make, empty; `remove` says that `release` removes it with all it holds."""

    path: str
    mode: int = 0o700
    for_guest: bool = True  # owned by the guest's uid when there is one
    remove: bool = True


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that the daemon opens; QEMU gets the descriptor in `fdset`, never the path.

    `create` makes it (mode 0600) when it is missing; `template` is then copied into it, or
    converted from the first format of `convert` to the second. Mode `directory` opens one, which
    QEMU reaches by the path `/proc/self/fd/N`. Mode `memory`: QEMU gets a sealed copy in memory
    (`memfd_create`), since it opens that one by the path `/proc/self/fd/N`, for which the file
    itself might lack permissions. `remove` says that `release` unlinks it.
    """

    slot: int
    path: str
    mode: OpenMode
    fdset: int
    purpose: str
    create: bool = False
    template: str | None = None
    convert: tuple[str, str] | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """A UNIX stream socket that the daemon binds and listens on, and hands to QEMU.

    The path exists before QEMU does, so there is no race, and stays for reconnecting; `release`
    unlinks it.
    """

    slot: int
    path: str
    purpose: str
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link to what QEMU itself makes in a directory of its own; `release` unlinks it."""

    path: str
    target: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A connected pair of UNIX stream sockets: QEMU's end, and the end of helper `helper`.

    `listening`: the helper gets a socket that listens, on which QEMU's end waits to be accepted.
    """

    slot: int
    helper: str
    purpose: str
    listening: bool = False


@dataclass(frozen=True, slots=True)
class Tap:
    """A tap device, one descriptor for each queue: the host's side of a network card.

    `device` is the bridge that it is put on, or with a `mode` the host's device that a macvtap
    shares; None: nothing is done with it. A tap goes by itself when its last descriptor is closed;
    a macvtap is removed by `release`. `made` False: a tap that somebody else made. `inbound` and
    `outbound` are its traffic's limits (see `traffic`). `network` and
    `port` are the UUIDs, in hexadecimal, of a virtual network and of the port there.
    """

    name: str
    purpose: str
    slots: tuple[int, ...]
    mac: str
    device: str | None = None
    mode: str | None = None
    mtu: int | None = None
    isolated: bool = False
    made: bool = True
    vhost_slots: tuple[int, ...] = ()
    guest_mac: str = ""
    inbound: tuple[int, int, int] | None = None
    outbound: tuple[int, int, int] | None = None
    network: str | None = None
    port: str | None = None

    @property
    def slot(self) -> int:
        """The first queue's."""
        return self.slots[0]


@dataclass(frozen=True, slots=True)
class Helper:
    """A program that serves this guest (passt, swtpm); ended by `release`.

    `argv` may hold `{fd}`, its end of its Pair. `as_guest`: run under the guest's uid.
    `directory`: where it runs, so that it can reach files there below directories that its user
    may not pass.
    """

    name: str
    argv: tuple[str, ...]
    as_guest: bool = True
    directory: str = "/"


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a disk's chain: depth 0 is what the guest writes; `index` is libvirt's."""

    target: str
    depth: int
    index: int
    path: str
    format: str
    is_device: bool
    read_only: bool
    slot: int
    data_slot: int | None = None  # the file with the clusters, when the image has one apart

    @property
    def file_node(self) -> str:
        """QEMU's name of the node that reads and writes the file."""
        return f"virtory-{self.index}-storage"

    @property
    def node(self) -> str:
        """QEMU's name of the node that knows the format."""
        return f"virtory-{self.index}-format"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one start takes, in the order in which `acquire` takes it."""

    domain_id: int
    emulator: str
    accelerator: str  # "kvm" or "tcg"
    directory: str
    uid: int | None  # None: the daemon's own user
    gid: int | None
    groups: tuple[int, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[OpenFile, ...] = ()
    listens: tuple[Listen, ...] = ()
    pairs: tuple[Pair, ...] = ()
    helpers: tuple[Helper, ...] = ()
    images: tuple[Image, ...] = ()
    links: tuple[Link, ...] = ()
    taps: tuple[Tap, ...] = ()
    kernel_paths: tuple[tuple[str, str], ...] = ()  # purpose → path that QEMU itself can read
    vnc_ports: tuple[int, ...] = ()  # one for each display, 0 for one without a port
    cids: tuple[int, ...] = ()
    last_image: int = 0  # the highest number that an image has had
    clock_base: str | None = None  # what a clock of variable offset starts with
    smbios: tuple[str, ...] = ()  # the host's tables, where the guest is to see them
    clock_adjustment: int = 0  # and the seconds that are in it

    def slot(self, purpose: str) -> int | None:
        """The descriptor for a purpose, if the plan has one."""
        for row in (self.files, self.listens, self.pairs):
            for each in row:
                if each.purpose == purpose:
                    return each.slot
        return None

    def path(self, purpose: str) -> str | None:
        """The path of a file or socket by its purpose."""
        for row in (self.files, self.listens, self.links):
            for each in row:
                if each.purpose == purpose:
                    return each.path
        return None

    def tap(self, alias: str | None) -> Tap | None:
        """The tap of an interface, if it has one."""
        return next((tap for tap in self.taps if tap.purpose == f"net:{alias}"), None)

    def chain(self, target: str) -> list[Image]:
        """A disk's images, top first; empty for a drive without a medium."""
        return sorted((i for i in self.images if i.target == target), key=lambda i: i.depth)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, for the store."""
        return {"format": _FORMAT, **_plain(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Plan:
        """The plan that `to_json` wrote; fields of a newer version are passed over."""
        plan: Plan = _read(cls, data)
        return plan


_ROWS: dict[str, type] = {
    "directories": Directory,
    "files": OpenFile,
    "listens": Listen,
    "pairs": Pair,
    "helpers": Helper,
    "images": Image,
    "links": Link,
    "taps": Tap,
}


@functools.cache
def _fields_of(name: str) -> tuple[str, ...]:
    classes: dict[str, Any] = {each.__name__: each for each in (Plan, *_ROWS.values())}
    return tuple(each.name for each in fields(classes[name]))


def _names(cls: type) -> tuple[str, ...]:
    return _fields_of(cls.__name__)


def _plain(value: Any) -> dict[str, Any]:
    plain = {name: getattr(value, name) for name in _names(type(value))}
    for name in _ROWS:
        if name in plain:
            plain[name] = [_plain(each) for each in plain[name]]
    return plain


def _read(cls: type, data: dict[str, Any]) -> Any:
    known = {name: data[name] for name in _names(cls) if name in data}
    for name, value in known.items():
        if name in _ROWS and cls is Plan:
            known[name] = tuple(_read(_ROWS[name], each) for each in value)
        elif isinstance(value, list):
            known[name] = tuple(tuple(e) if isinstance(e, list) else e for e in value)
    return cls(**known)
