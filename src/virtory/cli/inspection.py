"""How a machine is virtualised, in sentences for whoever is learning KVM.

The rule kept here: each line says one fact of this machine and, once, what it means; nothing is
said that was not found.
"""

from __future__ import annotations

from virtory.cli.words import ranges
from virtory.lean import Any

_LABEL = 16


def explained(report: dict[str, Any], *, features: bool = False) -> str:
    """The whole text; `features` shows every feature of virtio devices with its meaning."""
    running = "pid" in report
    state = report["state"] + (f", QEMU process {report['pid']}" if running else "")
    parts = [
        [f"{report['name']} ({report['uuid']}): {state}"],
        _unfinished(report.get("unfinished", [])),
        _instructions(report["acceleration"]),
        _machine(report["machine"]),
        _processors(report["processors"], report["machine"], running=running),
        _memory(report["memory"], running=running),
        _overcommit(report["host"]),
        _virtio(report["virtio"], features=features, running=running),
        _imitated(report["devices"]),
        _ways_in(report["screens"], report["consoles"]),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n\n"


def _line(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}{text}"


def _unfinished(works: list[str]) -> list[str]:
    """What a daemon's end left undone and the next ones could not end."""
    return ["Unfinished", *(f"  {work}" for work in works)] if works else []


# -- who executes --------------------------------------------------------------------------------

_PAGING = {
    "EPT": "EPT (Intel): the processor itself walks two page tables, the guest's and the host's",
    "NPT": "NPT (AMD): the processor itself walks two page tables, the guest's and the host's",
    "shadow": "shadow pages: KVM keeps a combined page table for the processor, and has to be "
    "told of every change the guest makes to its own",
    "software": "in software: QEMU walks the guest's page tables and remembers what it found",
    "none": "none",
}
_KVM = {
    "native": "usable: this host's processor executes guests directly",
    "emulated": "a module that imitates the processor's virtualisation, slower than TCG is",
    "no permission": "there, but this daemon may not open it",
    "absent": "absent: /dev/kvm does not exist",
    "failed": "there, but did not work when it was tried",
}


def _instructions(acceleration: dict[str, Any]) -> list[str]:
    lines = ["Instructions"]
    kind = acceleration["kind"]
    if kind == "kvm":
        text = "KVM: the guest's instructions run on the host's processor until one needs help"
    elif kind == "tcg":
        text = "TCG: QEMU translates the guest's instructions into the host's, block by block"
    else:
        text = "nobody: this host is imagined"
    lines.append(_line("executed by", text))
    known = _KVM.get(acceleration["host_kvm"], acceleration["host_kvm"])
    if acceleration["host_kvm"] == "emulated":
        known = f"{acceleration['host_kvm_found']}: {known}"
    lines.append(_line("KVM here", known))
    extensions = {"vmx": "VT-x (vmx)", "svm": "AMD-V (svm)"}.get(
        acceleration["host_extensions"] or "", "none that this system is shown"
    )
    modules = ", ".join(acceleration["host_modules"]) or "none"
    lines.append(_line("host processor", f"extensions: {extensions}; kernel modules: {modules}"))
    lines.append(_line("addresses", _PAGING.get(acceleration["paging"], acceleration["paging"])))
    if acceleration["nested"] is not None:
        nested = (
            "may be a hypervisor itself" if acceleration["nested"] else "can not use KVM inside"
        )
        lines.append(_line("nesting", f"the guest {nested}"))
    if acceleration["cure"] and kind != "kvm":
        lines.append(_line("to have KVM", acceleration["cure"]))
    return lines


_FAMILIES = {
    "q35": "a PC with PCI Express, as since 2007",
    "i440fx": "a PC with plain PCI, as in 1996",
    "microvm": "no PC at all: virtio devices and little else, to start fast",
}


def _machine(machine: dict[str, Any]) -> list[str]:
    lines = ["Machine"]
    family = _FAMILIES.get(machine.get("family", ""))
    kind = str(machine["type"]) + (f": {family}" if family else "")
    lines.append(_line("type", f"{kind} ({machine['arch']})"))
    firmware = machine["firmware"]
    if machine.get("firmware_path"):
        firmware += f" from {machine['firmware_path']}"
    if machine.get("secure_boot"):
        firmware += ", with secure boot"
    lines.append(_line("firmware", firmware))
    if machine.get("kernel"):
        text = f"{machine['kernel']}: QEMU puts it into memory, no boot loader is needed"
        lines.append(_line("kernel", text))
    return lines


# -- processors and memory -----------------------------------------------------------------------


def _processors(processors: dict[str, Any], machine: dict[str, Any], *, running: bool) -> list[str]:
    lines = ["Processors"]
    count = processors["count"]
    model = machine.get("cpu_model") or machine.get("cpu_mode") or "QEMU's default"
    each = "each a thread of QEMU, scheduled by the host's kernel like any other thread"
    one = "a thread of QEMU, scheduled by the host's kernel like any other thread"
    text = f"{count}, model {model}" + (f"; {one if count == 1 else each}" if running else "")
    lines.append(_line("virtual", text))
    for cpu in processors.get("vcpus", ()):
        lines.append(_line(f"  vCPU {cpu['number']}", _thread(cpu)))
    for thread in sorted(processors.get("iothreads", ()), key=lambda one: int(one["number"])):
        lines.append(_line(f"  I/O thread {thread['number']}", _thread(thread)))
    if running:
        others = processors["threads"] - count - len(processors["iothreads"])
        text = f"{others} of QEMU's own, which imitate devices, draw the screen and answer"
        lines.append(_line("other threads", text))
    return lines


def _thread(thread: dict[str, Any]) -> str:
    spent = f"ran {_seconds(thread['time_ns'])}, queued {_seconds(thread['delay_ns'])}"
    where = ranges(thread["affinity"]) if thread["affinity"] else "any"
    return (
        f"thread {thread['thread']}, {thread['state']}, last on host processor {thread['cpu']}, "
        f"may use {where}; {spent}"
    )


def _seconds(time_ns: int) -> str:
    return f"{time_ns / 1e9:.2f} s"


_SOURCES = {
    "anonymous": "anonymous memory of QEMU's process",
    "memfd": "a memfd: memory with a descriptor, which other processes can map too",
    "file": "a file",
}


def _memory(memory: dict[str, Any], *, running: bool) -> list[str]:
    lines = ["Memory"]
    lines.append(_line("size", f"{_size(memory['size_kib'])}, as the guest sees it at its start"))
    if not running:
        return lines
    if memory["balloon"] and memory["current_kib"] != memory["size_kib"]:
        given = memory["size_kib"] - memory["current_kib"]
        text = f"its balloon holds {_size(given)}, which the host may use"
        lines.append(_line("balloon", text))
    pages = "huge pages, reserved beforehand" if memory["huge_pages"] else "ordinary pages"
    source = _SOURCES.get(memory["source"], memory["source"])
    lines.append(_line("backed by", f"{source}, in {pages}"))
    traits = [
        ("shared with other processes", memory["shared"]),
        ("taken at the start", memory["preallocated"]),
        ("locked in RAM", memory["locked"]),
    ]
    held = [name for name, yes in traits if yes]
    lines.append(_line("taken", ", ".join(held) or "page by page, when the guest first writes one"))
    resident = memory["resident_kib"]
    if resident is not None:
        share = 100 * resident // (memory["size_kib"] or 1)
        text = f"{_size(resident)} of the host for the whole of QEMU ({share}% of the guest's size)"
        lines.append(_line("in RAM now", text))
    if memory.get("transparent_huge_kib"):
        text = f"{_size(memory['transparent_huge_kib'])}, joined by the kernel without being asked"
        lines.append(_line("huge by itself", text))
    if memory.get("swapped_kib"):
        lines.append(
            _line("swapped out", f"{_size(memory['swapped_kib'])}: the guest is slow there")
        )
    return lines


def _overcommit(host: dict[str, Any]) -> list[str]:
    machines = f"{host['running']} running machine" + ("" if host["running"] == 1 else "s")
    cpus = f"{host['promised_vcpus']} promised to {machines}, of {host['cpus']} that exist"
    memory = (
        f"{_size(host['promised_memory_kib'])} promised, of {_size(host['memory_kib'])} that "
        f"exist; {_size(host['available_kib'])} available"
    )
    return [
        "Host",
        _line("processors", f"{cpus}: {_verdict(host['promised_vcpus'], host['cpus'])}"),
        _line("memory", f"{memory}: {_verdict(host['promised_memory_kib'], host['memory_kib'])}"),
    ]


def _verdict(promised: int, there: int) -> str:
    if promised <= there:
        return "not overcommitted"
    return f"overcommitted {promised / there:.1f} times: not all can have theirs at once"


def _size(kib: int) -> str:
    if kib >= 1 << 20:
        return f"{kib / (1 << 20):.1f} GiB"
    return f"{kib / 1024:.0f} MiB" if kib >= 1024 else f"{kib} KiB"


# -- devices -------------------------------------------------------------------------------------


def _virtio(devices: list[dict[str, Any]], *, features: bool, running: bool) -> list[str]:
    if not running or not devices:
        return []
    lines = [
        "Virtio devices",
        "  Made for virtual machines: guest and host share queues in memory instead of imitated",
        "  registers. What both sides can do is negotiated when the guest's driver starts.",
    ]
    for device in devices:
        lines += ["", *_virtio_device(device, features=features)]
    return lines


def _virtio_device(device: dict[str, Any], *, features: bool) -> list[str]:
    name = device["alias"] or "(unnamed)"
    lines = [f"  {name}: {device['kind'] or 'virtio'}"]
    backend = _backend(device["backend"])
    if device.get("in_kernel"):
        backend += "; by vhost: the host's kernel serves its queues, QEMU only set it up"
    lines.append(_line("  back end", backend))
    if device["features"] is None:
        lines.append(_line("  features", "this QEMU does not tell them; 7.2 and later do"))
        return lines
    lines.append(_line("  queues", str(device["queues"])))
    if not device["driver_running"]:
        lines.append(_line("  driver", "the guest has started none (yet)"))
    else:
        kind = "modern (virtio 1)" if device["modern"] else "legacy (before virtio 1)"
        lines.append(_line("  driver", f"running in the guest, {kind}"))
    taken = [one["name"] for one in device["features"] if one["negotiated"]]
    text = f"{len(taken)} negotiated of {len(device['features'])} offered"
    lines.append(_line("  features", text))
    if features:
        for one in device["features"]:
            mark = "+" if one["negotiated"] else "-"
            lines.append(f"      {mark} {one['name']}: {one['meaning']}")
    else:
        lines += [f"      {row}" for row in _wrapped([_short(name) for name in taken])]
    return lines


def _short(name: str) -> str:
    """`VIRTIO_NET_F_MRG_RXBUF` → `MRG_RXBUF`."""
    head, mark, tail = name.partition("_F_")
    return tail if mark and head.startswith("VIRTIO") else name


def _wrapped(words: list[str]) -> list[str]:
    rows: list[str] = []
    for word in words:
        if rows and len(rows[-1]) + len(word) < 84:
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return rows


def _backend(backend: dict[str, Any]) -> str:
    kind = backend["type"]
    if kind == "image":
        return _image(backend)
    if kind == "slirp":
        text = "QEMU's own user-mode network: a little TCP/IP stack inside its process"
    elif kind == "passt":
        text = "passt: a process beside QEMU that makes the guest's connections as its own"
    elif kind in ("network", "bridge", "ethernet", "direct"):
        place = backend["network"] or backend["bridge"] or "the host"
        text = f"tap device {backend['tap'] or '(none)'} on {place}: frames go to the host's kernel"
    elif kind == "ports":
        return f"sockets, one for each port: {', '.join(backend['ports']) or 'no port'}"
    elif kind == "disks":
        return f"disks {', '.join(backend['disks']) or '(none)'}"
    elif kind == "random":
        return f"{backend['path'] or '/dev/urandom'} of the host"
    else:
        return "QEMU itself"
    if backend.get("forwards"):
        text += f"; published: {', '.join(backend['forwards'])}"
    return text


def _image(backend: dict[str, Any]) -> str:
    if not backend["path"]:
        return "no medium"
    text = f"{backend['path']} ({backend['format'] or 'raw'}), cache {backend['cache']}, "
    text += f"I/O by {backend['io']}"
    if backend["iothread"]:
        text += f" in I/O thread {backend['iothread']}"
    below = len(backend["chain"]) - 1
    if below > 0:
        text += f"; {below} image{'' if below == 1 else 's'} below it"
    return text


def _imitated(devices: list[dict[str, Any]]) -> list[str]:
    if not devices:
        return []
    lines = [
        "Imitated devices",
        "  Real hardware, played by QEMU: every access to a register leaves the guest.",
    ]
    lines += [_line(f"  {one['name']}", f"{one['kind']}, {one['model']}") for one in devices]
    return lines


def _ways_in(screens: list[dict[str, Any]], consoles: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in screens:
        where = one["socket"] or (f"{one['address']}:{one['port']}" if one["port"] else "")
        lines.append(_line("screen", f"{one['type']} {where}".rstrip()))
    for one in consoles:
        path = f" at {one['path']}" if one["path"] else ""
        lines.append(_line("console", f"{one['alias'] or 'console'}, {one['type']}{path}"))
    return ["Ways in", *lines] if lines else []
