"""What is wrong with a machine's description, without looking at any host.

The rule kept here: all problems at once, each with its XPath, what was found and what to do.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from virtory.model.domain.device_problems import device_problems, places
from virtory.model.domain.tuning_problems import tuning_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.domain.domain import Domain

    Problems = Iterator[tuple[str, str]]

_FEATURE = re.compile(r"[A-Za-z0-9_.-]+")
LONGEST_ADJUSTMENT_S = 10**10
LONGEST_NAME = 200
"""In bytes of UTF-8: the name becomes part of file names, which may have 255."""


def problems(domain: Domain) -> list[tuple[str, str]]:
    """Every (XPath, message) for which `domain` can not be defined; empty when it can."""
    return [
        *_names(domain),
        *_memory(domain),
        *_processors(domain),
        *_start(domain),
        *_settings(domain),
        *tuning_problems(domain),
        *device_problems(domain),
    ]


def name_problem(name: str) -> str | None:
    """Why a machine can not be called so."""
    if not name.strip():
        return "the name is empty"
    if "/" in name:
        return f"the name {name!r} contains '/', which is not allowed"
    if "\n" in name:
        return f"the name {name!r} contains a line break, which is not allowed"
    if any(character < " " or character == "\x7f" for character in name):
        return f"the name {name!r} contains a control character, which is not allowed"
    if name in (".", ".."):
        return f"the name {name!r} means a directory, which is not allowed"
    if len(name.encode()) > LONGEST_NAME:
        return f"the name is longer than {LONGEST_NAME} bytes"
    return None


def _names(domain: Domain) -> Problems:
    if (problem := name_problem(domain.name)) is not None:
        yield "/domain/name", problem
    if domain.title is not None and "\n" in domain.title:
        yield "/domain/title", "the title contains a line break; put longer text in <description>"
    for number, sysinfo in enumerate(domain.sysinfos, 1):
        for entry in sysinfo.system.entries if sysinfo.system else ():
            if entry.name == "uuid" and domain.uuid is not None and entry.value:
                digits = entry.value.replace("-", "").strip().lower()
                if digits != domain.uuid.replace("-", ""):
                    yield (
                        f"/domain/sysinfo[{number}]/system/entry[@name='uuid']",
                        f"the UUID {entry.value} differs from the machine's, {domain.uuid}",
                    )


def _memory(domain: Domain) -> Problems:
    if domain.memory <= 0:
        yield "/domain/memory", "the memory size is 0; give the machine some, such as 512 MiB"
    if domain.max_memory is not None:
        if domain.max_memory.size < domain.memory:
            yield (
                "/domain/maxMemory",
                f"the most memory ({domain.max_memory.size.kib} KiB) is less than the memory "
                f"({domain.memory.kib} KiB)",
            )
        if domain.max_memory.slots <= 0:
            yield "/domain/maxMemory/@slots", "at least one slot is needed to plug memory in"
    backing = domain.memory_backing
    if backing is not None and backing.hugepages is not None:
        for number, page in enumerate(backing.hugepages.pages, 1):
            if page.size == 0:
                place = f"/domain/memoryBacking/hugepages/page[{number}]/@size"
                yield place, "the size of a huge page is 0"


def _processors(domain: Domain) -> Problems:
    vcpu = domain.vcpu
    if vcpu.current is not None and vcpu.current > vcpu.count:
        yield (
            "/domain/vcpu/@current",
            f"{vcpu.current} vCPUs at the start are more than the {vcpu.count} there can be",
        )
    cpu = domain.cpu
    if cpu is None:
        return
    if cpu.topology is not None:
        shape = cpu.topology
        total = shape.sockets * (shape.dies or 1) * (shape.clusters or 1)
        total *= shape.cores * shape.threads
        if total != vcpu.count:
            yield (
                "/domain/cpu/topology",
                f"the topology has {total} processors, <vcpu> says {vcpu.count}; make them equal",
            )
    named = cpu.model is not None and cpu.model.name is not None
    if cpu.mode in (None, "custom") and cpu.features and not named:
        yield "/domain/cpu/model", "features need a CPU model, or a mode such as host-model"
    vendor = cpu.model.vendor_id if cpu.model is not None else None
    if vendor is not None and (len(vendor) != 12 or "," in vendor):
        yield "/domain/cpu/model/@vendor_id", f"{vendor!r} has not 12 characters, or a comma"
    seen: set[str] = set()
    for number, feature in enumerate(cpu.features, 1):
        if not _FEATURE.fullmatch(feature.name):
            yield f"/domain/cpu/feature[{number}]/@name", f"{feature.name!r} is no feature's name"
        if feature.name in seen:
            yield f"/domain/cpu/feature[{number}]", f"the feature {feature.name!r} is given twice"
        seen.add(feature.name)


def _start(domain: Domain) -> Problems:
    os = domain.os
    if os.kernel is None:
        for field in ("initrd", "cmdline", "dtb"):
            if getattr(os, field) is not None:
                yield f"/domain/os/{field}", f"<{field}> has no effect without a <kernel>"
    if os.smbios == "sysinfo" and not any(s.type == "smbios" for s in domain.sysinfos):
        yield "/domain/os/smbios/@mode", "mode 'sysinfo' needs a <sysinfo type='smbios'>"
    loader = os.loader
    if loader is not None and loader.secure:
        features = domain.features
        if features is None or features.smm is None or features.smm.state is False:
            yield "/domain/os/loader/@secure", "secure boot needs <smm state='on'/> in <features>"
        if loader.type not in (None, "pflash"):
            yield "/domain/os/loader/@secure", "secure boot needs a loader of type 'pflash'"
    ports = (*domain.devices.serials, *domain.devices.consoles)
    if os.bios is not None and os.bios.useserial and not ports:
        yield "/domain/os/bios/@useserial", "there is no serial port for it: add a <serial>"
    if os.nvram is not None and os.nvram.path is not None and os.nvram.source is not None:
        yield "/domain/os/nvram", "the file is given twice, as text and as <source>"
    orders = list(_boot_orders(domain))
    if os.boots and orders:
        yield "/domain/os/boot", "<boot dev> and <boot order> of devices exclude each other"
    taken: dict[int, str] = {}
    for place, order in orders:
        other = taken.setdefault(order, place)
        if other != place:
            yield f"{place}/boot/@order", f"boot order {order} is also that of {other}"


def _boot_orders(domain: Domain) -> Iterator[tuple[str, int]]:
    devices = domain.devices
    for kind, held in (
        ("disk", devices.disks),
        ("interface", devices.interfaces),
        ("hostdev", devices.hostdevs),
        ("redirdev", devices.redirdevs),
    ):
        for place, device in places(held, kind):
            if device.boot_order is not None:
                yield place, device.boot_order


def _clock(domain: Domain) -> Problems:
    clock = domain.clock
    adjustment = clock.adjustment
    if adjustment not in (None, "reset"):
        digits = adjustment.removeprefix("-") if adjustment else ""
        if (
            not (digits.isascii() and digits.isdecimal())
            or len(digits) > 11
            or int(digits) > LONGEST_ADJUSTMENT_S
        ):
            yield (
                "/domain/clock/@adjustment",
                f"{adjustment!r} is no number of seconds up to {LONGEST_ADJUSTMENT_S}, nor 'reset'",
            )
    if clock.start is not None and not 0 <= clock.start <= LONGEST_ADJUSTMENT_S:
        yield "/domain/clock/@start", f"{clock.start} is no time in seconds since 1970"


def _repeated(values: list[Any]) -> list[Any]:
    """Those that are there more than once, sorted."""
    if len(values) < 2:  # as in most machines
        return []
    return sorted(value for value, count in Counter(values).items() if count > 1)


def _settings(domain: Domain) -> Problems:
    yield from _clock(domain)
    hyperv = domain.features.hyperv if domain.features is not None else None
    name = hyperv.vendor_id.value if hyperv is not None and hyperv.vendor_id is not None else None
    if name is not None and (len(name) > 12 or "," in name):
        place = "/domain/features/hyperv/vendor_id/@value"
        yield place, f"{name!r} has more than 12 characters, or a comma"
    clock = domain.clock
    if clock.offset == "timezone" and not clock.timezone:
        yield "/domain/clock/@timezone", "offset 'timezone' needs the name of a time zone"
    if clock.offset == "absolute" and clock.start is None:
        yield "/domain/clock/@start", "offset 'absolute' needs a start, in seconds since 1970"
    for name in _repeated([timer.name for timer in clock.timers]):
        yield f"/domain/clock/timer[@name='{name}']", f"the timer {name!r} is given twice"
    resource = domain.resource
    if resource is not None and resource.partition and not resource.partition.startswith("/"):
        yield "/domain/resource/partition", f"{resource.partition!r} does not start with '/'"
    models: set[str | None] = set()
    for number, label in enumerate(domain.seclabels, 1):
        place = f"/domain/seclabel[{number}]"
        if label.type == "static" and label.label is None:
            yield place, "type 'static' needs a <label>"
        if label.model in models:
            yield place, f"the security model {label.model!r} is given twice"
        models.add(label.model)
    emulator = domain.devices.emulator
    if emulator is not None and not emulator.startswith("/"):
        yield "/domain/devices/emulator", f"{emulator!r} is not an absolute path"
    if domain.iothreadids is not None:
        for number in _repeated([thread.id for thread in domain.iothreadids.iothreads]):
            yield (
                f"/domain/iothreadids/iothread[@id='{number}']",
                f"the I/O thread {number} is given twice",
            )
