"""Is KVM real? The device is asked and made to run guest code; the answer is a verdict with a cure.

The rule kept here: nothing is believed that was not tried. /dev/kvm may exist and lie: on some
nested hosts it *emulates* each instruction, a thousand times too slowly for any kernel to boot. The
trial runs in a process of its own under a time limit (`kvm_trial`), so it can not hang the daemon;
what it measured is kept on disk until the machine boots again or the device changes.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from virtory.errors import ConfigUnsupported

State = Literal["native", "emulated", "no permission", "absent", "failed"]

DEVICE: Final = "/dev/kvm"
TRIAL_LIMIT_S: Final = 5.0
API_VERSION: Final = 12
SLOWEST_NATIVE: Final = 50_000_000
"""Instructions a second; real ones run a billion, emulated ones one to five million."""

_TRIAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kvm_trial.py")
_CACHE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What KVM can do here, what was found, and what the user can do about it."""

    state: State
    found: str
    cure: str | None = None
    instructions_per_s: int | None = None
    paging: str = "none"  # "EPT", "NPT", "shadow" or "none"
    nested: bool | None = None
    max_vcpus: int = 0
    key: str = ""

    @property
    def usable(self) -> bool:
        """True when guests run on the processor itself."""
        return self.state == "native"

    def __str__(self) -> str:
        if self.state == "emulated" and self.instructions_per_s is not None:
            return f"emulated ({self.instructions_per_s / 1e6:.1f} million instructions/s)"
        return self.state


def verdict(cache: str | None = None, device: str = DEVICE) -> Verdict:
    """The verdict on `device`; tried anew only when what is kept in the file `cache` is stale.

    Without a usable cache this starts a process and takes about 60 ms; with one, 0.1 ms.
    """
    looked_at = _look(device)
    if isinstance(looked_at, Verdict):
        return looked_at
    kept = _kept(cache, looked_at) if cache else None
    if kept is not None:
        return kept
    tried = _judge(_run_trial(device), device, looked_at)
    if cache and tried.state in ("native", "emulated"):  # whatever failed may be mended, or over
        _keep(cache, tried)
    return tried


def choose(requested: str | None, found: Verdict) -> str:
    """QEMU's accelerator for a domain type: "kvm" or "tcg"; None picks what works.

    Raises ConfigUnsupported for type kvm where KVM can not run guests.
    """
    if requested is None:
        return "kvm" if found.usable else "tcg"
    if requested == "qemu":
        return "tcg"
    if requested != "kvm":
        raise ConfigUnsupported(f"domain type '{requested}' is not served: only kvm and qemu are")
    if (problem := refusal(found)) is not None:
        raise ConfigUnsupported(problem, cure=found.cure)
    return "kvm"


def refusal(found: Verdict) -> str | None:
    """Why type kvm can not be had here; None when it can."""
    if found.usable:
        return None
    return f"domain type 'kvm' can not run on this host: {found.found}"


# -- looking at the device, without opening it --------------------------------------------


def _look(device: str) -> Verdict | str:
    """The cache key of a device worth trying, or at once the verdict on one that is not."""
    try:
        status = os.stat(device)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Verdict("absent", f"{device} does not exist", _cure_of_absence(device))
        return Verdict("no permission", f"{device}: {error.strerror}")
    if not stat.S_ISCHR(status.st_mode):
        return Verdict("absent", f"{device} is no device", f"Remove {device}, load module kvm.")
    if not os.access(device, os.R_OK | os.W_OK, effective_ids=True):
        return _denied(device, status)
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    return f"{boot} {device} {status.st_rdev:x} {status.st_mtime_ns} {os.geteuid()}"


def _denied(device: str, status: os.stat_result) -> Verdict:
    import grp
    import pwd

    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    mode = stat.S_IMODE(status.st_mode)
    found = f"{device} has mode {mode:04o} and group {group}, of which user {user} is no member"
    if mode & 0o060 != 0o060 or status.st_gid == 0:
        cure = f"Run: sudo chgrp kvm {device} && sudo chmod 660 {device}"
        if not _in_group("kvm"):
            cure += f" && sudo usermod -aG kvm {user}, then log in again."
    elif group.isdigit() and container() is not None:
        cure = f"Start the container with supplementary group {group}, e.g. --group-add {group}."
    else:
        cure = f"Run: sudo usermod -aG {group} {user}, then log in again."
    return Verdict("no permission", found, cure)


def _in_group(name: str) -> bool:
    import grp

    try:
        return grp.getgrnam(name).gr_gid in (os.getegid(), *os.getgroups())
    except KeyError:
        return False


def _cure_of_absence(device: str) -> str:
    inside = container()
    if inside is not None:
        return f"Hand the device to the container ({inside}), e.g. --device {device}."
    flags = cpu_flags()
    for flag, module in (("vmx", "kvm_intel"), ("svm", "kvm_amd")):
        if flag in flags:
            return f"Run: sudo modprobe {module}"
    if "hypervisor" in flags:
        return (
            "This machine is itself a guest: enable nested virtualisation for it on its host "
            "(KVM: modprobe kvm_intel nested=1 or kvm_amd nested=1, and cpu mode host-passthrough)."
        )
    if os.uname().machine in ("x86_64", "i686"):
        return "Enable VT-x or AMD-V (SVM) in the firmware's set-up, then run: sudo modprobe kvm"
    return "Use a kernel with KVM for this machine, then run: sudo modprobe kvm"


# -- the trial ------------------------------------------------------------------------------


def _run_trial(device: str) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", _TRIAL, device]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"a loop of guest instructions did not end within {TRIAL_LIMIT_S:g} s"}
    except OSError as error:
        return {"error": f"the trial can not be run by {sys.executable}: {error.strerror}"}
    try:
        facts = json.loads(done.stdout)
    except ValueError:
        text = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return {"error": f"the trial ended with status {done.returncode}: {text}"}
    return facts if isinstance(facts, dict) else {"error": "the trial gave no result"}


def _judge(facts: dict[str, Any], device: str, key: str) -> Verdict:
    """What the trial's facts mean."""
    about: dict[str, Any] = {
        "paging": paging(),
        "nested": nested(),
        "max_vcpus": int(facts.get("capabilities", {}).get("max_vcpus", 0)),
        "key": key,
    }
    number = facts.get("errno")
    if number in (errno.EACCES, errno.EPERM):
        cure = "Allow the device in the container's or service's device policy (DeviceAllow)."
        return Verdict("no permission", f"opening {device}: {facts['error']}", cure, **about)
    if number in (errno.ENODEV, errno.ENXIO):
        found = f"{device} exists, but no KVM module serves it"
        return Verdict("absent", found, _cure_of_absence(device), **about)
    if number == errno.EBUSY:
        cure = "End the other hypervisor (VirtualBox, VMware) that holds the processor."
        return Verdict("failed", f"{device} refused a virtual machine: busy", cure, **about)
    if "error" in facts:
        cure = "Look for KVM's messages with: sudo dmesg | grep -i kvm"
        return Verdict("failed", f"trying {device}: {facts['error']}", cure, **about)
    if facts.get("api") != API_VERSION:
        found = f"{device} has API version {facts.get('api')}, not {API_VERSION}"
        return Verdict("failed", found, "Use a kernel newer than 2.6.22.", **about)
    if "exit_reason" in facts:
        found = f"guest code left KVM with exit reason {facts['exit_reason']} at once"
        return Verdict("failed", found, "Look for KVM's messages in dmesg.", **about)
    return _judge_speed(facts.get("instructions_per_s"), device, about)


def _judge_speed(speed: int | None, device: str, about: dict[str, Any]) -> Verdict:
    if speed is None:
        return Verdict("native", f"{device} makes virtual machines (not timed here)", **about)
    about["instructions_per_s"] = speed
    if speed >= SLOWEST_NATIVE:
        return Verdict("native", f"guest code ran at {speed / 1e6:.0f} million/s", **about)
    found = (
        f"{device} runs guest code at only {speed / 1e6:.1f} million instructions/s, "
        "so it emulates each one"
    )
    cure = (
        "Use type='qemu' (software emulation, faster than this), or a host whose processor "
        "virtualises: enable nested virtualisation on the machine that runs this one."
    )
    return Verdict("emulated", found, cure, **about)


# -- what the kernel says -------------------------------------------------------------------


def paging() -> str:
    """How guests' page tables are walked: EPT or NPT by hardware, shadow in software, none."""
    for module, parameter, name in (("kvm_intel", "ept", "EPT"), ("kvm_amd", "npt", "NPT")):
        value = _read(f"/sys/module/{module}/parameters/{parameter}").strip()
        if value:
            return name if value in ("Y", "1") else "shadow"
    return "shadow" if os.path.isdir("/sys/module/kvm") else "none"


def nested() -> bool | None:
    """True when guests may be hypervisors themselves; None when the kernel does not say."""
    for module in ("kvm_intel", "kvm_amd"):
        value = _read(f"/sys/module/{module}/parameters/nested").strip()
        if value:
            return value in ("Y", "1")
    return None


def cpu_flags() -> frozenset[str]:
    """The first processor's flags, as /proc/cpuinfo names them."""
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def container() -> str | None:
    """The kind of container this process is in, or None."""
    kind = _read("/run/systemd/container").strip()
    if kind:
        return kind
    for path, name in (("/run/.containerenv", "podman"), ("/.dockerenv", "docker")):
        if os.path.exists(path):
            return name
    return None


# -- the cache --------------------------------------------------------------------------------


def _kept(cache: str, key: str) -> Verdict | None:
    try:
        with open(cache, encoding="utf-8") as file:
            kept = json.load(file)
        if kept.pop("format") != _CACHE_FORMAT or kept["key"] != key:
            return None
        return Verdict(**kept)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # no cache is no error: the trial is repeated


def _keep(cache: str, found: Verdict) -> None:
    text = json.dumps({"format": _CACHE_FORMAT, **asdict(found)})
    unfinished = f"{cache}.{os.getpid()}"
    try:
        with open(unfinished, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(unfinished, cache)
    except OSError:
        return  # an unwritable cache costs 60 ms at the next start, nothing more


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
