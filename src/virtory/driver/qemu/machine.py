"""The machine itself: `-machine`, processors, firmware, clock, SMBIOS, boot.

The rule kept here: each function returns arguments in the order in which QEMU must read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import cpu
from virtory.driver.qemu.definition.machine_kind import family
from virtory.driver.qemu.iothreads import defined_numbers
from virtory.driver.qemu.machine_memory import cells
from virtory.driver.qemu.machine_text import escaped, on, packed

if TYPE_CHECKING:
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.devices import Wiring
    from virtory.model.domain import Domain
    from virtory.model.domain.sysinfo import Entry, EntryBlock

_SMBIOS_TABLES = (("bios", 0), ("system", 1), ("chassis", 3))
_SMBIOS_NAMES = frozenset(
    ("asset", "date", "family", "location", "manufacturer", "product", "release", "serial", "sku",
     "uuid", "vendor", "version")
)  # fmt: skip


def firmware(wiring: Wiring) -> list[str]:
    """The flash devices' nodes; `-machine` refers to them."""
    plan, arguments = wiring.plan, []
    loader, nvram = wiring.domain.os.loader, wiring.domain.os.nvram
    for number, (purpose, source) in enumerate((("firmware", loader), ("nvram", nvram))):
        slot = plan.slot(purpose)
        if slot is None:
            continue
        read_only = number == 0 and bool(loader and loader.readonly)
        file = {
            "driver": "file",
            "filename": wiring.image_path(slot),
            "node-name": f"virtory-pflash{number}-storage",
            "read-only": read_only,
        }
        node = {
            "driver": (source.format if source is not None else None) or "raw",
            "node-name": f"virtory-pflash{number}-format",
            "read-only": read_only,
            "file": file["node-name"],
        }
        arguments += ["-blockdev", packed(file), "-blockdev", packed(node)]
    return arguments


def machine(wiring: Wiring, capabilities: Capabilities) -> list[str]:
    """`-machine`, `-accel` and what goes with them."""
    domain, plan = wiring.domain, wiring.plan
    features = domain.features
    kind = capabilities.canonical_machine(domain.os.type.machine)
    parts = [kind.name, "usb=off", "dump-guest-core=off"]
    if features is not None and features.vmport is not None:
        parts.append(f"vmport={on(features.vmport)}")
    if features is not None and features.smm is not None and features.smm.state is not None:
        parts.append(f"smm={on(features.smm.state)}")
    if features is not None and features.ioapic == "qemu":
        parts.append("kernel_irqchip=split")
    if domain.os.bios is not None and domain.os.bios.useserial:
        parts.append("graphics=off")
    beeper = next((s for s in domain.devices.sounds if s.model == "pcspk"), None)
    if beeper is not None:
        parts.append(f"pcspk-audiodev=audio{beeper.audio or 1}")
    hpet = _timer_present(domain, "hpet")
    if hpet is not None:
        parts.append(f"hpet={on(hpet)}")
    if features is None or not features.acpi:
        parts.append("acpi=off")
    if domain.memory_backing is not None and domain.memory_backing.nosharepages:
        parts.append("mem-merge=off")
    for number, purpose in enumerate(("firmware", "nvram")):
        if plan.slot(purpose) is not None:
            parts.append(f"pflash{number}=virtory-pflash{number}-format")
    if not cells(domain) and kind.ram_id is not None:
        parts.append(f"memory-backend={kind.ram_id}")
    arguments = ["-machine", ",".join(parts), "-accel", _accelerator(wiring)]
    arguments += ["-cpu", cpu.argument(domain, capabilities, plan.accelerator)
                  + _clock_flags(domain)]  # fmt: skip
    hole = next((c.pcihole64 for c in domain.devices.controllers if c.pcihole64 is not None), None)
    if hole is not None:
        bridge = "q35-pcihost" if family(kind.name) == "q35" else "i440FX-pcihost"
        arguments += ["-global", f"{bridge}.pci-hole64-size={hole.kib}K"]
    if domain.os.loader is not None and domain.os.loader.secure:
        arguments += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    if features is not None and features.smm is not None and features.smm.tseg is not None:
        arguments += ["-global", f"mch.extended-tseg-mbytes={features.smm.tseg.mib}"]
    return arguments


def _accelerator(wiring: Wiring) -> str:
    features = wiring.domain.features
    if wiring.plan.accelerator == "tcg":
        cache = features.tcg.tb_cache if features is not None and features.tcg is not None else None
        return f"tcg,tb-size={cache.mib}" if cache is not None else "tcg"
    ring = features.kvm.dirty_ring if features is not None and features.kvm is not None else None
    return f"kvm,dirty-ring-size={ring.size}" if ring is not None and ring.state else "kvm"


def _clock_flags(domain: Domain) -> str:
    """Timers that are properties of the CPU."""
    flags = ""
    for timer in domain.clock.timers:
        if timer.name == "kvmclock" and timer.present is not None:
            flags += f",kvmclock={on(timer.present)}"
        elif timer.name == "hypervclock" and timer.present:
            flags += ",hv-time=on"
        elif timer.name == "tsc" and timer.frequency is not None:
            flags += f",tsc-frequency={timer.frequency}"
    return flags


def iothreads(domain: Domain) -> list[str]:
    """Threads for disks."""
    arguments = []
    for number in defined_numbers(domain):
        arguments += ["-object", packed({"qom-type": "iothread", "id": f"iothread{number}"})]
    return arguments


def clock(wiring: Wiring) -> list[str]:
    """The real-time clock, and the sleep states of the chipset."""
    domain = wiring.domain
    offset = domain.clock.offset
    base = "localtime" if offset in ("localtime", "timezone") else "utc"
    if wiring.plan.clock_base is not None:
        base = wiring.plan.clock_base
    parts = [f"base={base}"]
    arguments: list[str] = []
    for timer in domain.clock.timers:
        if timer.name == "rtc":
            if timer.track is not None:
                parts.append(
                    {"guest": "clock=vm", "realtime": "clock=rt"}.get(timer.track, "clock=host")
                )
            if timer.tickpolicy == "catchup":
                parts.append("driftfix=slew")
        elif timer.name == "pit" and timer.tickpolicy in ("delay", "discard"):
            arguments += ["-global", f"kvm-pit.lost_tick_policy={timer.tickpolicy}"]
    arguments = ["-rtc", ",".join(parts), *arguments]
    chip = {"q35": "ICH9-LPC", "i440fx": "PIIX4_PM"}.get(family(domain.os.type.machine or ""))
    if domain.pm is not None and chip is not None:
        for number, enabled in ((3, domain.pm.suspend_to_mem), (4, domain.pm.suspend_to_disk)):
            if enabled is not None:
                arguments += ["-global", f"{chip}.disable_s{number}={int(not enabled)}"]
    if any(w.model == "itco" for w in domain.devices.watchdogs):
        arguments += ["-global", "ICH9-LPC.noreboot=off"]
    return arguments


def _timer_present(domain: Domain, name: str) -> bool | None:
    return next((t.present for t in domain.clock.timers if t.name == name), None)


def boot(wiring: Wiring) -> list[str]:
    """The boot menu, and a kernel that is started directly."""
    os_ = wiring.domain.os
    parts = []
    if os_.bootmenu is not None and os_.bootmenu.enable is not None:
        parts.append(f"menu={on(os_.bootmenu.enable)}")
    if os_.bios is not None and os_.bios.reboot_timeout is not None:
        parts.append(f"reboot-timeout={os_.bios.reboot_timeout}")
    if os_.bootmenu is not None and os_.bootmenu.timeout is not None:
        parts.append(f"splash-time={os_.bootmenu.timeout}")
    arguments = ["-boot", ",".join([*parts, "strict=on"])]
    for purpose in ("bios", "kernel", "initrd", "dtb"):
        path = _readable(purpose, wiring)
        if path is not None:
            arguments += [f"-{purpose}", path]
    if os_.cmdline is not None:
        arguments += ["-append", os_.cmdline]
    for number, table in enumerate(os_.acpi.tables if os_.acpi is not None else ()):
        path = _readable(f"acpi:{number}", wiring)
        arguments += ["-acpitable", f"sig={table.type.upper()},file={escaped(path or '')}"]
    return arguments


def _readable(purpose: str, wiring: Wiring) -> str | None:
    """The path by which QEMU itself opens a file."""
    for name, path in wiring.plan.kernel_paths:
        if name == purpose:
            return path
    slot = wiring.plan.slot(purpose)
    return None if slot is None else f"/proc/self/fd/{wiring.fd(slot)}"


def smbios(wiring: Wiring) -> list[str]:
    """Strings of the SMBIOS tables, and blobs for fw_cfg."""
    domain = wiring.domain
    arguments = [word for each in wiring.plan.smbios for word in ("-smbios", each)]
    for block in domain.sysinfos:
        if block.type == "fwcfg":
            for entry in block.entries:
                arguments += ["-fw_cfg", _fw_cfg(entry)]
        elif domain.os.smbios == "sysinfo":
            for name, table in _SMBIOS_TABLES:
                arguments += _smbios_table(table, getattr(block, name))
            for board in block.base_boards:
                arguments += _smbios_table(2, board)
            if block.oem_strings is not None:
                values = (f",value={escaped(e.value or '')}" for e in block.oem_strings.entries)
                arguments += ["-smbios", "type=11" + "".join(values)]
    return arguments


def _smbios_table(table: int, block: EntryBlock | Any) -> list[str]:
    if block is None or not block.entries:
        return []
    parts = [
        f"{e.name}={escaped(e.value or '')}"
        for e in block.entries
        if e.name in _SMBIOS_NAMES and (table != 1 or e.name != "uuid")  # said by -uuid
    ]
    return ["-smbios", ",".join([f"type={table}", *parts])] if parts else []


def _fw_cfg(entry: Entry) -> str:
    if entry.file is not None:
        return f"name={escaped(entry.name or '')},file={escaped(entry.file)}"
    return f"name={escaped(entry.name or '')},string={escaped(entry.value or '')}"
