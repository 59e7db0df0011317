"""What this host has and lacks for running machines, each lack with the command that cures it.

The rule kept here: every check says what was found, even when all is well, and never raises.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from virtory.driver.qemu.host import firmware, hardware

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtory.driver.qemu.host.accelerator import Verdict

Status = Literal["ok", "warning", "missing"]

_EMULATORS: Final = ("qemu-system-x86_64", "qemu-system-i386", "qemu-system-aarch64")
_LEAST_MEMORY_MIB: Final = 512
_LEAST_DISK_GIB: Final = 5
_LEAST_FILES: Final = 4096
_VERSION_LIMIT_S: Final = 10
_DISTRIBUTIONS: Final = {  # ID, ID_LIKE or codename in os-release → (command, other names)
    "bookworm": ("apt install", {"virtiofsd": "qemu-system-common"}),
    "debian": ("apt install", {}),
    "fedora": (
        "dnf install",
        {
            "qemu-system-x86": "qemu-kvm",
            "qemu-utils": "qemu-img",
            "ovmf": "edk2-ovmf",
            "openssh-client": "openssh-clients",
            "dnsmasq-base": "dnsmasq",
        },
    ),
    "suse": ("zypper install", {"qemu-system-x86": "qemu-x86", "qemu-utils": "qemu-tools",
                                "ovmf": "qemu-ovmf-x86_64", "openssh-client": "openssh-clients",
                                "dnsmasq-base": "dnsmasq"}),
    "arch": ("pacman -S", {"qemu-system-x86": "qemu-base", "qemu-utils": "qemu-img",
                           "ovmf": "edk2-ovmf", "openssh-client": "openssh",
                           "dnsmasq-base": "dnsmasq"}),
}  # fmt: skip
_PROGRAMS: Final = (  # program, package, whether it is needed, what for
    ("qemu-img", "qemu-utils", True, "disk images"),
    ("ssh", "openssh-client", True, "logging in, and remote hosts"),
    ("passt", "passt", False, "fast networking without privileges; QEMU's own is used else"),
    ("swtpm", "swtpm", False, "emulated TPMs, which Windows 11 wants"),
    ("mmdebstrap", "mmdebstrap", False, "building Debian images"),
    ("dnsmasq", "dnsmasq-base", False, "addresses and names on virtual networks"),
    ("nft", "nftables", False, "packet rules of virtual networks"),
    ("virtiofsd", "virtiofsd", False, "sharing directories with guests"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `cure` is a command or an instruction, None when all is well."""

    name: str
    status: Status
    found: str
    cure: str | None = None


def host_report(
    verdict: Verdict, state_directory: str, run_directory: str, unfinished: Sequence[str] = ()
) -> str:
    """The report as JSON: `{"checks": [{name, status, found, cure}, …]}`. Blocking, some 0.1 s.

    `unfinished` are works of this daemon that were cut off and can not be ended.
    """
    found = checks(verdict, state_directory, run_directory)
    cure = "mend what it says; it is tried again when the machine or a pool is started"
    found += [Check("unfinished work", "warning", told, cure) for told in unfinished]
    return json.dumps({"checks": [asdict(check) for check in found]})


def checks(verdict: Verdict, state_directory: str, run_directory: str) -> list[Check]:
    """Every check, the needful first."""
    found: list[Check] = []
    parts: tuple[Callable[[], list[Check]], ...] = (
        _emulators,
        lambda: [_kvm(verdict)],
        lambda: _virtualisation(verdict),
        _firmware,
        _programs,
        lambda: [_user(verdict)],
        _memory,
        lambda: [_disk(state_directory)],
        lambda: [_writable(state_directory), _writable(run_directory)],
        lambda: [_namespaces(), _files()],
    )
    for part in parts:
        try:
            found += part()
        except (OSError, ValueError) as error:
            found.append(Check("host", "warning", f"a check failed: {error}"))
    return found


def install(package: str) -> str:
    """The command that installs a package (by its Debian name) on this distribution."""
    ids = _os_release()
    for name, (command, names) in _DISTRIBUTIONS.items():
        if name in ids:
            return f"sudo {command} {names.get(package, package)}"
    return f"install the package {package} (its name on Debian)"


def _os_release() -> set[str]:
    words: set[str] = set()
    for line in hardware.read("/etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name in ("ID", "ID_LIKE", "VERSION_CODENAME"):
            words.update(value.strip("\"'").split())
    if any("suse" in word for word in words):
        words.add("suse")
    return words


# -- checks ----------------------------------------------------------------------------------------


def _emulators() -> list[Check]:
    found = []
    for name in _EMULATORS:
        path = shutil.which(name)
        if path is not None:
            found.append(Check(name, "ok", f"{path}, {_version(path)}"))
        elif name == _EMULATORS[0]:
            cure = install("qemu-system-x86")
            found.append(Check(name, "missing", "not installed: no machine can run", cure))
    return found


def _version(path: str) -> str:
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"which does not run: {error}"
    first = done.stdout.decode(errors="replace").partition("\n")[0]
    return first.removeprefix("QEMU emulator ") or "which tells no version"


def _kvm(verdict: Verdict) -> Check:
    status: Status = "ok" if verdict.usable else "warning"
    return Check("KVM", status, f"{verdict}: {verdict.found}", verdict.cure)


def _virtualisation(verdict: Verdict) -> list[Check]:
    from virtory.driver.qemu.host.host_capabilities import has_iommu

    found = []
    if verdict.usable:
        if verdict.nested:
            found.append(Check("nested virtualisation", "ok", "guests may be hypervisors"))
        else:
            module = "kvm_amd" if verdict.paging == "NPT" else "kvm_intel"
            cure = f"echo 'options {module} nested=1' | sudo tee /etc/modprobe.d/{module}.conf"
            found.append(Check("nested virtualisation", "warning", "switched off", cure))
        found.append(Check("paging", "ok" if verdict.paging != "shadow" else "warning",
                           f"guests' pages are translated by {verdict.paging}"))  # fmt: skip
    if has_iommu():
        found.append(Check("IOMMU", "ok", "devices can be handed to guests"))
    else:
        cure = "Enable VT-d or AMD-Vi in the firmware; on Intel boot with intel_iommu=on."
        found.append(Check("IOMMU", "warning", "none: no PCI device can be handed to guests", cure))
    return found


def _firmware() -> list[Check]:
    found = firmware.installed()
    if not found:
        return [Check("UEFI firmware", "warning", "none: only BIOS machines", install("ovmf"))]
    secure = any("secure-boot" in each.features for each in found)
    kinds = f"{len(found)} kinds{', with secure boot' if secure else ''}"
    return [Check("UEFI firmware", "ok", kinds)]


def _programs() -> list[Check]:
    found = []
    for program, package, needed, use in _PROGRAMS:
        path = _which(program)
        if path is not None:
            found.append(Check(program, "ok", path))
        else:
            status: Status = "missing" if needed else "warning"
            found.append(Check(program, status, f"not installed; for {use}", install(package)))
    return found


def _which(program: str) -> str | None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/libexec:/usr/lib/qemu"
    return shutil.which(program, path=path)


def _user(verdict: Verdict) -> Check:
    uid = os.geteuid()
    if uid == 0:
        return Check("user", "ok", "root; each guest runs as a user of its own")
    if verdict.state == "no permission":
        return Check("user", "warning", f"uid {uid} may not use KVM", verdict.cure)
    return Check("user", "ok", f"uid {uid}; guests run as this user")


def _memory() -> list[Check]:
    memory = hardware.meminfo()
    free = memory.get("MemAvailable", memory["MemFree"]) >> 10
    text = f"{free} MiB available of {memory['MemTotal'] >> 10} MiB"
    low = free < _LEAST_MEMORY_MIB
    found = [Check("memory", "warning" if low else "ok", text, "End something." if low else None)]
    size, count = memory.get("Hugepagesize", 0), memory.get("HugePages_Total", 0)
    unused = memory.get("HugePages_Free", 0)
    huge = f"{count} pages of {size} KiB, {unused} unused" if count else "none reserved (optional)"
    found.append(Check("huge pages", "ok", huge))
    return found


def _disk(directory: str) -> Check:
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory) or "/"
    room = os.statvfs(directory)
    free = room.f_bavail * room.f_frsize >> 30
    text = f"{free} GiB free for {directory}"
    if free < _LEAST_DISK_GIB:
        return Check("disk space", "warning", text, f"Free some: du -xh {directory} | sort -h")
    return Check("disk space", "ok", text)


def _writable(directory: str) -> Check:
    there = directory
    while not os.path.isdir(there):
        there = os.path.dirname(there) or "/"
    name = f"directory {directory}"
    if os.access(there, os.W_OK | os.X_OK):
        return Check(name, "ok", "can be written")
    cure = f"sudo install -d -o {os.geteuid()} -g {os.getegid()} -m 700 {directory}"
    return Check(name, "missing", f"uid {os.geteuid()} may not write there", cure)


def _namespaces() -> Check:
    for path, setting in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "user.max_user_namespaces=10000"),
    ):
        if hardware.read(path).strip() == "0":
            found = "switched off: passt and rootless image building can not run"
            return Check("user namespaces", "warning", found, f"sudo sysctl -w {setting}")
    if hardware.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").strip() == "1":
        found = "restricted by AppArmor to programs with a profile"
        cure = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        return Check("user namespaces", "warning", found, cure)
    return Check("user namespaces", "ok", "ordinary users may make them")


def _files() -> Check:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} open files, at most {hard}"
    if hard != resource.RLIM_INFINITY and hard < _LEAST_FILES:
        return Check("limits", "warning", text, f"ulimit -Hn {_LEAST_FILES}, or LimitNOFILE=")
    return Check("limits", "ok", text)
