"""From a client's XML to a definition, and from a definition to a plan and a command line.

The rule kept here: what the passes need of this host is found here and nowhere else, so that what
is defined, what is started and what `domxml-to-native` shows are made the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from virtory.driver.qemu.table import DomainTable, Entry
from virtory.errors import (
    FROM_DOMAIN,
    ConfigUnsupported,
    OpenFailed,
    OperationFailed,
    OperationInvalid,
)
from virtory.model.flags import DomainUndefine
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from virtory.driver.network.attachment import Attachment
    from virtory.driver.network.networks import Networks
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.devices import Step
    from virtory.driver.qemu.plan import Plan
    from virtory.driver.qemu.planning.host import Host
    from virtory.driver.qemu.settings import Settings
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.devices.graphics import Graphics
    from virtory.model.domain.devices.interface import Interface

PROBE_UID = 65534
DEFAULT_ARCH = "x86_64"
_ARCHITECTURES = ("x86_64", "i686")


class Wanted(NamedTuple):
    """A machine to define or to start; `xml` is its text, None when it is stored already."""

    domain: Domain
    xml: str | None

    def text(self) -> str:
        from virtory.model.domain import format_domain

        return format_domain(self.domain) if self.xml is None else self.xml

    def claim(self, table: DomainTable, *, running_is_fine: bool) -> Entry:
        """The known domain of this name and UUID, or a new one that now has them; held.

        Raises OperationFailed when another domain has the name or the UUID, OperationInvalid when
        it runs and may not.
        """
        assert self.domain.uuid is not None
        name, uuid = self.domain.name, self.domain.uuid.raw
        known = table.find(uuid)
        if known is None:
            if (other := table.find_name(name)) is not None:
                raise OperationFailed(
                    f"domain '{name}' already exists with uuid {Uuid.of_bytes(other.uuid)}",
                    cure="to change it say its <uuid>, or use edit; else choose another <name>",
                    domain=FROM_DOMAIN,
                )
            known = Entry(name, uuid)
            table.add(known)
            table.hold(known)
            return known
        if known.name != name:
            raise OperationFailed(
                f"domain '{known.name}' is already defined with uuid {self.domain.uuid}",
                domain=FROM_DOMAIN,
            )
        if known.guest is not None and not running_is_fine:
            raise OperationInvalid(f"domain '{name}' is already active", domain=FROM_DOMAIN)
        table.hold(known)
        return known


class Preparation:
    """The passes, with what they need of this host: looked at when first needed, then kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._host: Host | None = None
        self._capabilities: dict[str, Capabilities] = {}
        self.networks: Networks | None = None
        self.volumes: Callable[[str, str], str] | None = None
        self.given_ports: Callable[[], frozenset[int]] = frozenset
        self._looking = asyncio.Lock()
        self._dealing = asyncio.Lock()
        self._asking = asyncio.Lock()  # one QEMU is asked at a time, however many want to know

    # -- the host ------------------------------------------------------------------------------
    async def host(self) -> Host:
        if self._host is None:
            async with self._looking:
                if self._host is None:
                    self._host = await asyncio.to_thread(self._look)
        return self._host

    def host_now(self) -> Host:
        """As `host`; the first call on a new host takes 60 ms, to try KVM."""
        if self._host is None:
            self._host = self._look()
        return self._host

    def _look(self) -> Host:
        from virtory.driver.qemu.host import accelerator
        from virtory.driver.qemu.planning import host as planning_host

        settings = self.settings
        os.makedirs(settings.cache_directory, 0o700, exist_ok=True)
        return planning_host.here(
            settings.run_directory,
            settings.state_directory,
            accelerator.verdict(os.path.join(settings.cache_directory, "kvm.json")),
            attachment=self._attachment,
            volume=self.volume,
            **settings.of_host,
        )

    def _attachment(self, name: str, portgroup: str | None) -> Attachment:
        """Where an interface on a virtual network is plugged in."""
        from virtory.driver.network.attachment import no_networks

        networks = self.networks
        return (no_networks if networks is None else networks.attachment)(name, portgroup)

    def volume_path(self, disk: Disk) -> str:
        """Where the volume is that a disk names; empty when it names none."""
        source = disk.source
        if source is None or not source.pool or not source.volume:
            return ""
        return self.volume(source.pool, source.volume)

    def volume(self, pool: str, volume: str) -> str:
        """Where a volume is that a disk names by its pool."""
        from virtory.driver.qemu.planning.host import no_volumes

        return (self.volumes or no_volumes)(pool, volume)

    async def networks_ready(
        self, interfaces: Iterable[Interface], screens: Iterable[Graphics] = ()
    ) -> None:
        """Before these are planned: networks that start when they are needed do so."""
        names = {each.source.network or "" for each in interfaces if each.source is not None}
        names |= {listen.network or "" for each in screens for listen in each.listens}
        if self.networks is not None and (names := names - {""}):
            await self.networks.make_ready(names)

    async def capabilities(self, emulator: str | None, arch: str | None = None) -> Capabilities:
        """What a QEMU binary can do; the one in PATH for the architecture when none is named."""
        path = emulator or find_emulator(arch or DEFAULT_ARCH)
        host = await self.host()
        known = self._known(path, host)
        if known is not None:
            return known
        from virtory.driver.qemu.capabilities import capabilities_of

        async with self._asking:
            known = self._known(path, host)
            if known is None:
                known = self._capabilities[path] = await capabilities_of(
                    path,
                    self.settings.cache_directory,
                    kvm=host.verdict.usable,
                    kvm_key=_kvm_key(host),
                    user=_prober(host),
                )
        return known

    def capabilities_now(self, arch: str) -> Capabilities:
        """As `capabilities`; a binary that nobody has asked yet is asked here, in 0.1 s."""
        from virtory.driver.qemu.capabilities import load, probe, save

        path, host = find_emulator(arch), self.host_now()
        known = self._known(path, host)
        if known is None:
            directory, key = self.settings.cache_directory, _kvm_key(host)
            known = load(path, directory, key)
            if known is None:
                kvm = host.verdict.usable
                known = probe(path, kvm=kvm, kvm_key=key, user=_prober(host))
                save(known, directory)
            self._capabilities[path] = known
        return known

    def _known(self, path: str, host: Host) -> Capabilities | None:
        """What is remembered of the binary, if it is still the same."""
        known = self._capabilities.get(path)
        return known if known is not None and known.holds(_kvm_key(host)) else None

    # -- the passes ----------------------------------------------------------------------------
    async def read(self, xml: str) -> Wanted:
        """The machine that a client describes, whole and checked; all its problems at once."""
        from virtory.driver.qemu.definition.passes import described
        from virtory.model.domain.text import format_domain

        whole = await self.completed(described(xml))
        return Wanted(whole, format_domain(whole))

    async def completed(self, domain: Domain, *, grow: bool = True) -> Domain:
        """The same machine, checked, with all that it leaves unsaid; `grow` as `with_addresses`."""
        from virtory.driver.qemu.definition.passes import completed

        host = await self.host()
        capabilities = await self.capabilities(domain.devices.emulator, domain.os.type.arch)
        return completed(domain, capabilities, host.verdict, grow=grow)

    @contextlib.asynccontextmanager
    async def dealing(self, definition: Domain) -> AsyncIterator[None]:
        """From planning a start until its guest is known: nobody else is given the same ports."""
        if any(screen.autoport for screen in definition.devices.graphics):
            async with self._dealing:
                yield
        else:
            yield

    async def plan(
        self, definition: Domain, number: int, *, to_show: bool = False
    ) -> tuple[Domain, Plan]:
        """The live description of one start, and all that it takes.

        `to_show`: nothing will be taken, so what others have does not matter.
        """
        from dataclasses import replace

        from virtory.driver.qemu.cpu import model_name
        from virtory.driver.qemu.live import with_cpu
        from virtory.driver.qemu.planning import choice, ports

        host = await self.host()
        if to_show:
            host = replace(host, bind_error=ports.nothing_in_the_way)
        devices = definition.devices
        await self.networks_ready(devices.interfaces, devices.graphics)
        capabilities = await self.capabilities(definition.devices.emulator)
        if devices.graphics:
            host = replace(host, given_ports=self.given_ports())
        if definition.devices.disks:  # their headers are read
            live, plan = await asyncio.to_thread(choice.prepare, definition, host, number)
        else:
            live, plan = choice.prepare(definition, host, number)
        accelerator = plan.accelerator
        model = model_name(live.cpu, capabilities, accelerator)
        capabilities = await self.with_cpu_model(capabilities, accelerator, model)
        return with_cpu(live, capabilities, accelerator), plan

    async def with_cpu_model(
        self, capabilities: Capabilities, accelerator: str, model: str
    ) -> Capabilities:
        """The same, and what that model is made of; QEMU is asked once."""
        from virtory.driver.qemu.capabilities import with_cpu_features

        if capabilities.cpu_features(accelerator, model) is not None:
            return capabilities
        async with self._asking:
            known = await with_cpu_features(
                self._capabilities.get(capabilities.path, capabilities),
                accelerator,
                model,
                self.settings.cache_directory,
                user=_prober(await self.host()),
            )
            self._capabilities[known.path] = known
        return known

    async def refuse_without_images(self, definition: Domain) -> None:
        """What a start would refuse for its disks, before something is given up for that start."""
        from virtory.driver.qemu.planning import choice

        await asyncio.to_thread(choice.refuse_without_images, definition, await self.host())

    def command_line(self, live: Domain, plan: Plan, fds: Mapping[int, int]) -> list[str]:
        """QEMU's argument vector; `plan` came from here, so the capabilities are known."""
        from virtory.driver.qemu.command_line import command_line

        return command_line(live, plan, self._capabilities[plan.emulator], fds)

    def environment(self, live: Domain) -> dict[str, str]:
        """The variables that QEMU runs with."""
        from virtory.driver.qemu.command_line import environment

        return environment(live)

    def setup(self, live: Domain, plan: Plan) -> list[Step]:
        """What the monitor is told before the machine may run."""
        from virtory.driver.qemu.command_line import setup

        return setup(live, plan)

    # -- files of a domain ---------------------------------------------------------------------
    def log_path(self, name: str) -> str:
        """Where QEMU's own words about this domain go."""
        return os.path.join(self.settings.log_directory, f"{name}.log")

    async def remove_log(self, name: str) -> None:
        """Forget QEMU's words about this domain."""
        path = self.log_path(name)
        for one in (path, f"{path}.0"):
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(os.unlink, one)

    def save_path(self, uuid: bytes) -> str:
        """Where a machine's managed save is; by UUID, so that a rename needs nothing."""
        return os.path.join(self.settings.state_directory, "save", f"{uuid.hex()}.save")

    async def clear_save(self, uuid: bytes) -> None:
        """Remove a machine's managed save: the one there is now, not one that is made meanwhile."""
        path = self.save_path(uuid)
        with contextlib.suppress(FileNotFoundError):
            os.rename(path, f"{path}.gone")
            await asyncio.to_thread(os.unlink, f"{path}.gone")

    async def clear_tpm(self, entry: Entry, flags: int) -> None:
        """Before a definition goes: its emulated TPM goes with it, but for KEEP_TPM."""
        if "<tpm" not in entry.definition().xml or flags & DomainUndefine.KEEP_TPM:
            return
        from virtory.driver.qemu.planning.tpm import tpm_directory

        path = tpm_directory(entry.configuration(), await self.host())
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    async def clear_nvram(self, entry: Entry, flags: int) -> None:
        """Before a definition goes: its UEFI variables go or stay only as the caller says."""
        assert entry.row is not None
        if "firmware" not in entry.row.xml and "<nvram" not in entry.row.xml:
            return
        from virtory.driver.qemu.planning.firmware import variables_path

        domain = entry.configuration()
        nvram = domain.os.nvram
        path = nvram.path if nvram is not None else None
        path = path or variables_path(domain, await self.host())
        exists = await asyncio.to_thread(os.path.exists, path)
        if not exists or flags & DomainUndefine.KEEP_NVRAM:
            return
        if not flags & DomainUndefine.NVRAM:
            raise OperationInvalid(
                "cannot undefine domain with nvram",
                cure="say what becomes of it: --nvram removes it, --keep-nvram keeps it",
            )
        await asyncio.to_thread(os.unlink, path)

    def needs_rtc_reset(self, domain: Domain) -> bool:
        """Whether setting the time by agent leaves QEMU's clock with ticks to catch up."""
        machine = domain.os.type.machine or ""
        return (domain.os.type.arch or DEFAULT_ARCH) in ("x86_64", "i686") and (
            not machine.startswith("microvm")
        )


def _kvm_key(host: Host) -> str:
    """What of the host the answers depend on: KVM's abilities, where they are used."""
    return host.verdict.key if host.verdict.usable else ""


def _prober(host: Host) -> tuple[int, int, tuple[int, ...]] | None:
    """As whom a binary is asked: never as root."""
    groups = () if host.kvm_gid is None else (host.kvm_gid,)
    return (PROBE_UID, PROBE_UID, groups) if host.privileged else None


def find_emulator(arch: str) -> str:
    """The system emulator of an architecture in PATH."""
    if arch not in _ARCHITECTURES:
        raise ConfigUnsupported(
            f"/domain/os/type/@arch: '{arch}' is not served; {' and '.join(_ARCHITECTURES)} are"
        )
    name = f"qemu-system-{'i386' if arch == 'i686' else arch}"
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
    if path is None:
        raise OpenFailed(
            f"no emulator for {arch}: {name} is not installed",
            cure="Install QEMU: apt install qemu-system-x86 (or name another <emulator>).",
        )
    return path
