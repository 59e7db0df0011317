"""Choosing what one start takes: `prepare` turns a definition into a live description and its plan.

The rule kept here: choosing only. Everything that depends on the host comes in as a `Host` value,
so the same domain on the same host is always planned the same way.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.accelerator import choose
from virtory.driver.qemu.aliases import with_aliases
from virtory.driver.qemu.firmware import with_firmware
from virtory.driver.qemu.host_memory import refuse_without_huge_pages
from virtory.driver.qemu.image_chain import chain
from virtory.driver.qemu.live import with_plan
from virtory.driver.qemu.plan import (
    Directory,
    Helper,
    Image,
    Listen,
    OpenFile,
    OpenMode,
    Pair,
    Plan,
)
from virtory.driver.qemu.planning_host import VHOST_VSOCK
from virtory.driver.qemu.ports import refuse_without_ports
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.planning_host import Host
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.devices.interface import Interface

UID_COUNT = 1_000_000
FIRST_VNC_PORT, LAST_VNC_PORT = 5900, 65535
_FIRST_CID = 1000


def prepare(definition: Domain, host: Host, domain_id: int) -> tuple[Domain, Plan]:
    """The live description of one start and its plan; `definition` has defaults and addresses.

    Raises ConfigUnsupported or SystemCallFailed when something the start needs is not to be had.
    """
    live = replace(definition, id=domain_id)
    live = with_firmware(live, host.firmware, variables_path(definition, host))
    live = with_aliases(live)
    chosen = plan(live, host, domain_id)
    return with_plan(live, chosen), chosen


def variables_path(domain: Domain, host: Host) -> str:
    """Where a machine's UEFI variables are kept; by UUID, so that they survive a rename."""
    return os.path.join(host.state_directory, "nvram", f"{domain.uuid}_VARS.fd")


def tpm_directory(domain: Domain, host: Host) -> str:
    """Where a machine's emulated TPM keeps its state."""
    return os.path.join(host.state_directory, "tpm", str(domain.uuid))


def plan(domain: Domain, host: Host, domain_id: int) -> Plan:
    """What starting the live description `domain` takes.

    Raises ConfigUnsupported or SystemCallFailed when something is not to be had.
    """
    return _Planner(domain, host, domain_id).plan()


class _Planner:
    """Collects the parts of one plan; slots are numbered as they are asked for."""

    def __init__(self, domain: Domain, host: Host, domain_id: int) -> None:
        self.domain = domain
        self.host = host
        self.id = domain_id
        self.files: list[OpenFile] = []
        self.listens: list[Listen] = []
        self.pairs: list[Pair] = []
        self.helpers: list[Helper] = []
        self.images: list[Image] = []
        self.kernel_paths: list[tuple[str, str]] = []
        uuid = str(domain.uuid or "")
        self.directory = os.path.join(host.run_directory, f"{domain_id}-{uuid[:8]}")
        self.directories = [Directory(self.directory, mode=0o711, for_guest=False)]
        self._slots = 0

    def plan(self) -> Plan:
        accelerator = choose(self.domain.type, self.host.verdict)
        refuse_without_huge_pages(self.domain, self.host.free_huge_pages)
        refuse_without_ports(self.domain, self.host.bind_error)
        uid, gid = self._user()
        groups: tuple[int, ...] = ()
        if uid is not None and accelerator == "kvm" and self.host.kvm_gid is not None:
            groups = (self.host.kvm_gid,)
        self._listen("monitor", "monitor.sock")
        self._firmware()
        self._kernel(uid, gid)
        for disk in self.domain.devices.disks:
            self._disk(disk)
        self._characters()
        for interface in self.domain.devices.interfaces:
            self._interface(interface)
        self._tpm()
        cids = self._vsock()
        ports = self._displays()
        return Plan(
            domain_id=self.id,
            emulator=self.domain.devices.emulator or "",
            accelerator=accelerator,
            directory=self.directory,
            uid=uid,
            gid=gid,
            groups=groups,
            directories=tuple(self.directories),
            files=tuple(self.files),
            listens=tuple(self.listens),
            pairs=tuple(self.pairs),
            helpers=tuple(self.helpers),
            images=tuple(self.images),
            kernel_paths=tuple(self.kernel_paths),
            vnc_ports=ports,
            cids=cids,
        )

    # -- parts ------------------------------------------------------------------------------------

    def _user(self) -> tuple[int | None, int | None]:
        if not self.host.privileged:
            return None, None
        if self.host.user is not None:
            return self.host.user
        number = self.host.first_uid + self.id % UID_COUNT
        return number, number

    def _slot(self) -> int:
        self._slots += 1
        return self._slots

    def _open(self, path: str, mode: OpenMode, purpose: str, **options: Any) -> int:
        slot = self._slot()
        self.files.append(OpenFile(slot, path, mode, slot, purpose, **options))
        return slot

    def _listen(self, purpose: str, name: str) -> None:
        path = name if name.startswith("/") else os.path.join(self.directory, name)
        if len(os.fsencode(path)) > 107:
            raise ConfigUnsupported(
                f"the path of socket '{path}' has more than the 107 bytes that Linux allows",
                cure="Use a shorter path, or a shorter run directory of the daemon.",
            )
        self.listens.append(Listen(self._slot(), path, purpose))

    def _own(self, path: str | None) -> str | None:
        """A path of the user's; one of an earlier run of ours, in a pasted live XML, is none."""
        ours = path is not None and path.startswith(self.host.run_directory + "/")
        return None if ours else path

    def _firmware(self) -> None:
        loader, nvram = self.domain.os.loader, self.domain.os.nvram
        if loader is None or loader.path is None or loader.type != "pflash":
            return
        self._open(loader.path, "r" if loader.readonly else "rw", "firmware")
        if nvram is not None and nvram.path is not None:
            self._open(nvram.path, "rw", "nvram", create=True, template=nvram.template)

    def _kernel(self, uid: int | None, gid: int | None) -> None:
        os_ = self.domain.os
        wanted = [("kernel", os_.kernel), ("initrd", os_.initrd), ("dtb", os_.dtb)]
        if os_.loader is not None and os_.loader.type == "rom":
            wanted.append(("bios", os_.loader.path))
        for purpose, path in wanted:
            if path is None:
                continue
            if uid is None or _may_read(path, uid, gid):
                self.kernel_paths.append((purpose, path))
            else:
                self._open(path, "memory", purpose)

    def _disk(self, disk: Disk) -> None:
        source = disk.source
        path = (source.file or source.dev) if source is not None else None
        if source is None or path is None:
            return
        if source.startup_policy == "optional" and not os.path.exists(path):
            return  # then the drive is empty
        image_format = (disk.driver.type if disk.driver is not None else None) or "raw"
        target = disk.target.dev
        for depth, link in enumerate(chain(path, image_format, disk.backing_store)):
            read_only = depth > 0 or disk.readonly or disk.device == "cdrom"
            mode: OpenMode = "r" if read_only else "rw"
            slot = self._open(link.path, mode, f"disk:{target}:{depth}")
            data = link.data_file
            data_slot = None
            if data is not None:
                data_slot = self._open(data, mode, f"disk:{target}:{depth}:data")
            self.images.append(
                Image(
                    target=target,
                    depth=depth,
                    index=len(self.images) + 1,
                    path=link.path,
                    format=link.format,
                    is_device=link.is_device,
                    read_only=read_only,
                    slot=slot,
                    data_slot=data_slot,
                )
            )

    def _characters(self) -> None:
        devices = self.domain.devices
        consoles = [c for c in devices.consoles if c.target and c.target.type == "virtio"]
        for device in (*devices.serials, *devices.parallels, *consoles, *devices.channels):
            alias, source = device.alias or "", device.source
            mode = source.mode if source is not None else None
            if device.type == "unix" and mode != "connect":
                given = self._own(source.path if source is not None else None)
                self._listen(f"char:{alias}", given or _socket_name(device, alias))
            elif device.type == "file" and source is not None and source.path:
                self._open(source.path, "append", f"char:{alias}", create=True)
            if device in devices.channels and device.log is None:
                continue
            log = device.log
            path = log.file if log is not None else os.path.join(self.directory, f"{alias}.log")
            self._open(path, "append", f"log:{alias}", create=True)

    def _interface(self, interface: Interface) -> None:
        if interface.type != "user" or not uses_passt(interface, self.host):
            return
        alias = interface.alias or ""
        if self.host.passt is None:
            raise ConfigUnsupported(
                f"interface {alias} asks for backend passt, which is not installed",
                cure="Install it: apt install passt; or leave <backend> away.",
            )
        name = f"passt-{alias}"
        self.pairs.append(Pair(self._slot(), name, f"net:{alias}"))
        arguments = [self.host.passt, "--foreground", "--quiet", "--fd", "{fd}"]
        for forward in interface.port_forwards:
            for each in forward.ranges:
                arguments += ["-t" if forward.proto == "tcp" else "-u", _passt_range(forward, each)]
        self.helpers.append(Helper(name, tuple(arguments), exits_with_peer=True))

    def _tpm(self) -> None:
        for tpm in self.domain.devices.tpms:
            if tpm.backend.type != "emulator":
                continue
            if self.host.swtpm is None:
                raise ConfigUnsupported(
                    "the emulated TPM needs swtpm, which is not installed",
                    cure="Install it: apt install swtpm",
                )
            state = tpm_directory(self.domain, self.host)
            self.directories.append(Directory(state, remove=False))
            self.pairs.append(Pair(self._slot(), "swtpm", "tpm"))
            arguments = [self.host.swtpm, "socket", "--ctrl", "type=unixio,clientfd={fd}"]
            arguments += ["--tpmstate", "dir=.,mode=0600", "--terminate"]
            arguments += ["--tpm2"] if tpm.backend.version == "2.0" else []
            self.helpers.append(
                Helper("swtpm", tuple(arguments), exits_with_peer=True, directory=state)
            )

    def _vsock(self) -> tuple[int, ...]:
        vsock = self.domain.devices.vsock
        if vsock is None:
            return ()
        if not self.host.has_vsock:
            raise ConfigUnsupported(
                f"/domain/devices/vsock needs {VHOST_VSOCK}, which is absent",
                cure="Run: sudo modprobe vhost_vsock",
            )
        self._open(VHOST_VSOCK, "rw", "vsock")
        cid = vsock.cid
        if cid is not None and cid.address is not None and not cid.auto:
            return (cid.address,)
        return (_FIRST_CID + self.id,)

    def _displays(self) -> tuple[int, ...]:
        ports: list[int] = []
        for number, graphics in enumerate(self.domain.devices.graphics):
            listen = graphics.listens[0] if graphics.listens else None
            port = 0
            if graphics.type == "vnc" and listen is not None:
                if listen.type == "socket":
                    given = self._own(listen.socket)
                    self._listen(f"vnc:{number}", given or f"vnc{number}.sock")
                elif listen.type in ("address", "network"):
                    port = self._port(graphics.port, listen.address or "127.0.0.1", ports)
            ports.append(port)
        return tuple(ports)

    def _port(self, wanted: int | None, address: str, taken: list[int]) -> int:
        if wanted is not None and wanted > 0:
            return wanted
        for port in range(FIRST_VNC_PORT, LAST_VNC_PORT + 1):
            if port not in taken and self.host.port_is_free(address, port):
                return port
        raise ConfigUnsupported(f"no port of {address} is free for VNC", cure="Name a socket.")


def uses_passt(interface: Interface, host: Host) -> bool:
    """Whether an interface on user-mode networking is served by passt, not by QEMU itself."""
    backend = interface.backend.type if interface.backend is not None else None
    if backend == "passt":
        return True
    return backend is None and host.prefers_passt and host.passt is not None


def _passt_range(forward: Any, ports: Any) -> str:
    """passt's notation: `address/first-last:first-last`, `~` before what is left out."""
    where = forward.address or ""
    if forward.dev:
        where += f"%{forward.dev}"
    span = f"{ports.start}-{ports.end}" if ports.end else str(ports.start)
    if ports.exclude:
        return f"{where}/~{span}" if where else f"~{span}"
    if ports.to:
        width = (ports.end or ports.start) - ports.start
        span += f":{ports.to}-{ports.to + width}" if width else f":{ports.to}"
    return f"{where}/{span}" if where else span


def _socket_name(device: Any, alias: str) -> str:
    name = getattr(device.target, "name", None)
    return name.replace("/", "_") if name else f"{alias}.sock"


def _may_read(path: str, uid: int, gid: int | None) -> bool:
    """Whether a user with no groups can open the file: its mode, and those of its directories."""
    real = os.path.realpath(path)
    try:
        if not _granted(os.stat(real), uid, gid, 0o4):
            return False
        directory = os.path.dirname(real)
        while True:
            if not _granted(os.stat(directory), uid, gid, 0o1):
                return False
            if directory == "/":
                return True
            directory = os.path.dirname(directory)
    except OSError:
        return False


def _granted(status: os.stat_result, uid: int, gid: int | None, bit: int) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & bit << 6)
    return bool(status.st_mode & (bit << 3 if status.st_gid == gid else bit))
