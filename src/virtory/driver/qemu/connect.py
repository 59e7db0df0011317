"""The host as a whole, for `qemu:///system` and `qemu:///session`.

The rule kept here: the host is asked when a client asks, not before; a QEMU binary is asked once.
"""

from __future__ import annotations

import asyncio
import functools
import shlex
from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu.cpu import given_features, is_model_of_libvirt, plain_name, whole_model
from virtory.driver.qemu.host import hardware
from virtory.driver.qemu.preparation import DEFAULT_ARCH, find_emulator
from virtory.errors import FROM_CPU, InternalError, InvalidArgument, OpenFailed
from virtory.model.flags import ConnectCompareCpu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtory.driver.interface import NodeInfo, Param
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.host.host_pages import HostPages
    from virtory.driver.qemu.preparation import Preparation

_ARCHES = ("x86_64", "i686")
_MOST_EMULATED_VCPUS = 255
_EVERY_GUESTS = "hypervisor"  # the bit by which a guest knows that it is one
_EXPAND_FEATURES = 1  # virConnectBaselineCPUFlags
_NATIVE_FORMAT = "qemu-argv"


class Connect:
    """This host."""

    kind = "QEMU"

    def __init__(self, preparation: Preparation, *, privileged: bool) -> None:
        self.uri = "qemu:///system" if privileged else "qemu:///session"
        self._preparation = preparation
        self._version: int | None = None
        self._capabilities: tuple[tuple[object, ...], str] | None = None
        self.unfinished: Callable[[], list[str]] = list

    @functools.cached_property
    def _pages(self) -> HostPages:
        from virtory.driver.qemu.host.host_pages import HostPages

        return HostPages()

    # -- the emulators -----------------------------------------------------------------------
    def version(self) -> int:
        """QEMU's; asking a binary nobody has asked yet takes 0.1 s once."""
        if self._version is None:
            self._version = self._preparation.capabilities_now(DEFAULT_ARCH).version_number
        return self._version

    async def capabilities(self) -> str:
        from virtory.driver.qemu.host.host_capabilities import host_capabilities

        found = await self._emulators()
        here = await self._preparation.host()
        key = (*(each.key for each in found), hardware.node_info(), here.verdict)
        if self._capabilities is None or self._capabilities[0] != key:
            text = await asyncio.to_thread(host_capabilities, found, here.verdict, here.user)
            self._capabilities = (key, text)
        return self._capabilities[1]

    async def _emulators(self) -> list[Capabilities]:
        """Those installed for the architectures that this host runs."""
        found = []
        for arch in _ARCHES:
            try:
                found.append(await self._preparation.capabilities(find_emulator(arch)))
            except OpenFailed:
                continue
        return found

    async def domain_capabilities(
        self,
        emulator: str | None,
        arch: str | None,
        machine: str | None,
        virt_type: str | None,
        flags: int,
    ) -> str:
        from virtory.driver.qemu.domain_capabilities import domain_capabilities

        refuse_unknown(flags, 0, "qemuConnectGetDomainCapabilities")
        here = await self._preparation.host()
        found = await self._preparation.capabilities(emulator, arch)
        return domain_capabilities(
            found,
            machine,
            virt_type,
            arch,
            here.verdict,
            here.firmware,
            swtpm=here.swtpm is not None,
            vendor=self._host_cpu(found)[1] or "",
        )

    def max_vcpus(self, virt_type: str | None) -> int:
        if virt_type not in (None, "qemu", "kvm"):
            raise InvalidArgument(f"unknown type '{virt_type}'")
        if virt_type == "kvm":
            return self._preparation.host_now().verdict.max_vcpus
        return _MOST_EMULATED_VCPUS

    async def domain_xml_to_native(self, native_format: str, xml: str, flags: int) -> str:
        """The command line that starting this description would give, for a shell to read."""
        refuse_unknown(flags, 0, "qemuConnectDomainXMLToNative")
        if native_format != _NATIVE_FORMAT:
            raise InvalidArgument(f"unsupported config type {native_format}")
        wanted = await self._preparation.read(xml)
        live, plan = await self._preparation.plan(wanted.domain, 0, to_show=True)
        variables = self._preparation.environment(live)
        words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        lines = [" ".join(words)]
        for word in self._preparation.command_line(live, plan, {}):
            if word.startswith("-") or len(lines) == 1:
                lines.append(shlex.quote(word))
            else:
                lines[-1] += f" {shlex.quote(word)}"
        return " \\\n".join(lines) + "\n"

    # -- processors ----------------------------------------------------------------------------
    async def cpu_model_names(self, arch: str, flags: int) -> list[str]:
        refuse_unknown(flags, 0, "qemuConnectGetCPUModelNames")
        found = await self._preparation.capabilities(None, arch)
        names: dict[str, None] = {}
        for accelerator in found.accelerators:
            names.update(dict.fromkeys(found.cpu_models(accelerator)))
        return sorted(name for name in names if is_model_of_libvirt(name))

    async def baseline_cpu(self, cpus: Sequence[str], flags: int) -> str:
        from virtory.driver.qemu.cpu_compare import baseline, expanded, parse_cpu

        refuse_unknown(flags, 3, "qemuConnectBaselineCPU")
        common = baseline(cpus)
        if not flags & _EXPAND_FEATURES:
            return common
        found = await self._preparation.capabilities(None)
        made_of = await self._made_of(parse_cpu(common).name, found, found.accelerators[0])
        return expanded(common, made_of)

    async def compare_cpu(self, cpu: str, flags: int) -> int:
        from virtory.driver.qemu.cpu_compare import Provided, compare, parse_cpu, shown_by_hosts
        from virtory.driver.qemu.host.host_capabilities import host_features

        refuse_unknown(flags, 3, "qemuConnectCompareCPU")
        given, found = parse_cpu(cpu), await self._preparation.capabilities(None)
        mine = frozenset(plain_name(each) for each in host_features())
        model = await self._made_of(given.name, found, found.accelerators[0])
        return compare(
            given,
            Provided(found.arch, self._host_cpu(found)[1], mine),
            shown_by_hosts(model, mine),
            fail=bool(flags & ConnectCompareCpu.FAIL_INCOMPATIBLE),
        )

    async def compare_hypervisor_cpu(
        self, emulator: str | None, arch: str | None, virt_type: str | None, cpu: str, flags: int
    ) -> int:
        from virtory.driver.qemu.cpu_compare import Provided, compare, parse_cpu

        refuse_unknown(flags, 3, "qemuConnectCompareHypervisorCPU")
        given, found = parse_cpu(cpu), await self._preparation.capabilities(emulator, arch)
        accelerator = {None: found.accelerators[0], "kvm": "kvm", "qemu": "tcg"}.get(virt_type, "")
        if accelerator not in found.accelerators:
            raise InvalidArgument(f"this host runs no domains of type '{virt_type}'")
        model = await self._made_of(given.name, found, accelerator)
        whole = given_features(found, accelerator, whole_model(accelerator))
        vendor = self._host_cpu(found)[1] if accelerator == "kvm" else None  # else: any is played
        return compare(
            given,
            Provided(found.arch, vendor, frozenset((*whole, _EVERY_GUESTS))),
            model | {_EVERY_GUESTS},
            fail=bool(flags & ConnectCompareCpu.FAIL_INCOMPATIBLE),
        )

    async def _made_of(
        self, model: str | None, found: Capabilities, accelerator: str
    ) -> frozenset[str]:
        """The features of a named model, those included that the accelerator can not give."""
        if model is None:
            return frozenset()
        known = found.cpu_models(accelerator).get(model)
        if known is None:
            raise InternalError(f"Unknown CPU model {model}", domain=FROM_CPU)
        found = await self._preparation.with_cpu_model(found, accelerator, model)
        missing = (plain_name(each) for each in known.missing)
        return frozenset((*given_features(found, accelerator, model), *missing))

    def _host_cpu(self, found: Capabilities) -> tuple[str | None, str | None]:
        """Model and vendor of the host's processor, as its capabilities name them."""
        from virtory.driver.qemu.host.host_capabilities import host_cpu

        cpu = host_cpu([found], self._preparation.host_now().verdict)
        return cpu.model, cpu.vendor

    # -- what the kernel knows -----------------------------------------------------------------
    def hostname(self) -> str:
        return hardware.hostname()

    def node_info(self) -> NodeInfo:
        return hardware.node_info()

    def sysinfo(self, flags: int) -> str:
        refuse_unknown(flags, 0, "qemuConnectGetSysinfo")
        return hardware.sysinfo()

    def cpu_map(self) -> tuple[bytes, int, int]:
        return hardware.cpu_map()

    def cpu_stats(self, cpu: int, flags: int) -> list[tuple[str, int]]:
        refuse_unknown(flags, 0, "qemuNodeGetCPUStats")
        return hardware.cpu_stats(cpu)

    def memory_stats(self, cell: int, flags: int) -> list[tuple[str, int]]:
        refuse_unknown(flags, 0, "qemuNodeGetMemoryStats")
        return hardware.memory_stats(cell)

    def free_memory(self) -> int:
        return hardware.free_memory()

    def cells_free_memory(self, start: int, count: int) -> list[int]:
        return hardware.cells_free_memory(start, count)

    def free_pages(self, sizes_kib: Sequence[int], start: int, count: int) -> list[int]:
        return self._pages.free(sizes_kib, start, count)

    async def alloc_pages(
        self, wanted: Sequence[tuple[int, int]], start: int, count: int, flags: int
    ) -> int:
        refuse_unknown(flags, 1, "qemuNodeAllocPages")
        resize = functools.partial(self._pages.resize, wanted, start, count, add=not flags)
        return await asyncio.to_thread(resize)

    def shared_memory(self) -> list[Param]:
        return self._pages.shared_memory()

    def set_shared_memory(self, params: Sequence[Param]) -> None:
        self._pages.set_shared_memory(params)

    def security_model(self) -> tuple[str, str]:
        return "none", "0"

    async def host_report(self) -> str:
        from virtory.driver.qemu.host.host_report import host_report

        settings, here = self._preparation.settings, await self._preparation.host()
        return await asyncio.to_thread(
            host_report,
            here.verdict,
            settings.state_directory,
            settings.run_directory,
            self.unfinished(),
        )
