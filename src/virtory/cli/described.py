"""What a domain's XML says that verbs show: disks, interfaces, displays, consoles.

The rule kept here: the description is read with the standard library's parser, which is quick to
import; whether it is right was the daemon's to check.
"""

from __future__ import annotations

from xml.etree import ElementTree

from virtory.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element


class Disk(NamedTuple):
    type: str
    device: str
    target: str
    source: str | None
    pool: str | None = None


class Interface(NamedTuple):
    name: str | None
    type: str
    source: str | None
    model: str | None
    mac: str


class Display(NamedTuple):
    kind: str
    address: str


def read(xml: str) -> Element:
    """The description's root."""
    return ElementTree.fromstring(xml)


def disks(root: Element) -> Iterator[Disk]:
    """Each disk; `source` is None for an empty drive."""
    for disk in root.iterfind("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        kind = disk.get("type", "file")
        yield Disk(
            kind,
            disk.get("device", "disk"),
            "-" if target is None else target.get("dev", "-"),
            None if source is None else _source(kind, source),
            None if source is None else source.get("pool"),
        )


def _source(kind: str, source: Element) -> str | None:
    if kind == "volume":
        return source.get("volume")
    for name in ("file", "dev", "dir", "name"):
        if found := source.get(name):
            return found
    return None


def interfaces(root: Element) -> Iterator[Interface]:
    """Each network interface; `name` is that of its host side while it runs."""
    for item in root.iterfind("devices/interface"):
        target, source = item.find("target"), item.find("source")
        model, mac = item.find("model"), item.find("mac")
        named = None
        if source is not None:
            named = next(
                (
                    source.get(k)
                    for k in ("network", "bridge", "dev", "path", "name")
                    if source.get(k)
                ),
                None,
            )
        yield Interface(
            None if target is None else target.get("dev"),
            item.get("type", ""),
            named,
            None if model is None else model.get("type"),
            "" if mac is None else mac.get("address", ""),
        )


def link(root: Element, interface: str) -> str | None:
    """`up` or `down` for the interface of this name or MAC address; None when there is none."""
    for found, item in zip(interfaces(root), root.iterfind("devices/interface"), strict=True):
        if interface.lower() in (found.mac.lower(), (found.name or "").lower()):
            state = item.find("link")
            return "up" if state is None else state.get("state", "up")
    return None


def displays(root: Element) -> Iterator[Display]:
    """Each display, with its password when the XML tells it."""
    for item in root.iterfind("devices/graphics"):
        kind = item.get("type", "")
        listen = item.find("listen")
        socket = item.get("socket") or (listen.get("socket") if listen is not None else None)
        host = item.get("listen") or (listen.get("address") if listen is not None else None)
        host = "localhost" if host in (None, "", "0.0.0.0", "::") else host
        host = f"[{host}]" if ":" in host else host
        secret = f":{item.get('passwd')}@" if item.get("passwd") and kind == "vnc" else ""
        port = int(item.get("port") or -1)
        if socket:
            yield Display(kind, f"{kind}+unix://{secret}{socket}")
        elif port > 0:
            number = port - 5900 if kind == "vnc" else port
            yield Display(kind, f"{kind}://{secret}{host}:{number}")


def vnc_display(root: Element) -> str | None:
    """What `vncdisplay` prints: `127.0.0.1:0`, `:1`, or a socket's path."""
    for item in root.iterfind("devices/graphics[@type='vnc']"):
        listen = item.find("listen")
        socket = item.get("socket") or (listen.get("socket") if listen is not None else None)
        if socket:
            return socket
        port = int(item.get("port") or -1)
        if port < 0:
            return None
        host = item.get("listen") or ""
        return f"{'' if host == '0.0.0.0' else host}:{port - 5900}"
    return None


def tty(root: Element) -> str | None:
    """The terminal behind its first console, while it runs."""
    console = root.find("devices/console")
    if console is None:
        return None
    source = console.find("source")
    return console.get("tty") or (source.get("path") if source is not None else None)
