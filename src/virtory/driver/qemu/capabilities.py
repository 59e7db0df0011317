"""What one QEMU binary can do: asked once over QMP, then a value kept on disk.

The rule kept here: QEMU is asked, never guessed at by its version. A probe starts the binary with
no machine, in its strictest sandbox, sends every question at once and reads to the end; the answer
is a pure value, keyed by the binary's size and time of change, and kept only when it is whole.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from virtory.errors import ConfigUnsupported, InternalError, OpenFailed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

PROBE_LIMIT_S: Final = 20.0
_CURE: Final = "Install QEMU: apt install qemu-system-x86; or name another <emulator>."
UNKNOWN: Final = "?"
"""Stands for the features that a model lacks where QEMU does not say which."""

_CACHE_FORMAT = 3
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
_VARIANTS = ("netdev_add", "blockdev-add", "chardev-add", "object-add")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine type: `alias` is its short name, such as `pc` or `q35`."""

    name: str
    alias: str | None
    max_cpus: int
    default: bool
    default_cpu: str | None
    deprecated: bool
    ram_id: str | None
    hotpluggable_cpus: bool


@dataclass(frozen=True, slots=True)
class CpuModel:
    """One CPU model; `missing` names the features that the accelerator can not give it."""

    name: str
    missing: tuple[str, ...] = ()
    deprecated: bool = False

    @property
    def usable(self) -> bool:
        """Whether a guest gets all that the model promises."""
        return not self.missing


@dataclass(frozen=True)
class Capabilities:
    """The answers of one binary; `data` is plain JSON and all there is to keep."""

    data: dict[str, Any]

    @property
    def path(self) -> str:
        """The binary."""
        return str(self.data["path"])

    @property
    def key(self) -> str:
        """Which file, and which accelerators, the answers hold for."""
        return str(self.data["key"])

    def holds(self, kvm_key: str) -> bool:
        """Whether binary and accelerators are still the same; raises as `key_of`."""
        return self.key == key_of(self.path, kvm_key)

    @property
    def arch(self) -> str:
        """libvirt's name of the guest's architecture."""
        arch = str(self.data["arch"])
        return {"i386": "i686", "arm": "armv7l"}.get(arch, arch)

    @property
    def version(self) -> tuple[int, int, int]:
        """Major, minor, micro."""
        major, minor, micro = self.data["version"]
        return major, minor, micro

    @property
    def version_number(self) -> int:
        """libvirt's single number for the version."""
        major, minor, micro = self.version
        return major * 1_000_000 + minor * 1000 + micro

    @cached_property
    def machines(self) -> dict[str, Machine]:
        """By canonical name, in QEMU's order."""
        return {entry[0]: Machine(*entry) for entry in self.data["machines"]}

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return {m.alias: m.name for m in self.machines.values() if m.alias is not None}

    @cached_property
    def types(self) -> frozenset[str]:
        """Every QOM type: devices, back ends, machines."""
        return frozenset(self.data["types"])

    @cached_property
    def features(self) -> frozenset[str]:
        """QMP commands, and their variants as `netdev_add/stream`, `blockdev-add/qcow2` …"""
        return frozenset(self.data["features"])

    @property
    def accelerators(self) -> tuple[str, ...]:
        """`kvm`, `tcg`: those that were asked about, in order of preference."""
        return tuple(self.data["cpus"])

    def canonical_machine(self, name: str | None) -> Machine:
        """The machine type behind a name, an alias, or None for the binary's default.

        Raises ConfigUnsupported when there is none of that name.
        """
        if name is None:
            name = next((m.name for m in self.machines.values() if m.default), "none")
        found = self.machines.get(self._aliases.get(name, name))
        if found is None:
            import difflib

            near = difflib.get_close_matches(name, [*self._aliases, *self.machines], 1, 0.5)
            cure = f"Take another, such as '{near[0]}'." if near else None
            raise ConfigUnsupported(f"{self.path} has no machine type '{name}'", cure=cure)
        return found

    def has_device(self, name: str) -> bool:
        """Whether `-device name` is there."""
        return name in self.types

    def has(self, feature: str) -> bool:
        """Whether a command or a variant is there, such as `netdev_add/stream`."""
        return feature in self.features

    @cached_property
    def _models(self) -> dict[str, dict[str, CpuModel]]:
        return {}

    def cpu_models(self, accelerator: str) -> dict[str, CpuModel]:
        """The models of an accelerator, by name; aliases and versions as QEMU lists them."""
        known = self._models.get(accelerator)
        if known is None:
            entries = self.data["cpus"].get(accelerator, {}).get("models", [])
            known = {name: CpuModel(name, tuple(missing), old) for name, missing, old in entries}
            self._models[accelerator] = known
        return known

    def cpu_features(self, accelerator: str, model: str) -> dict[str, bool] | None:
        """What a model is made of under an accelerator; None when it was not asked."""
        found: dict[str, bool] | None = (
            self.data["cpus"].get(accelerator, {}).get("expansions", {}).get(model)
        )
        return found

    def with_expansion(
        self, accelerator: str, model: str, features: dict[str, bool]
    ) -> Capabilities:
        """These and one more answer."""
        data = dict(self.data)
        data["cpus"] = {**data["cpus"]}
        about = dict(data["cpus"].get(accelerator, {"models": []}))
        about["expansions"] = {**about.get("expansions", {}), model: features}
        data["cpus"][accelerator] = about
        return Capabilities(data)


# -- asking ---------------------------------------------------------------------------------


def key_of(path: str, kvm_key: str = "") -> str:
    """What must be unchanged for kept answers to hold.

    Raises OpenFailed when there is no such program.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        cure = "Install QEMU: apt install qemu-system-x86 (or name another <emulator>)."
        raise OpenFailed(f"emulator {path}: {error.strerror}", cure=cure) from None
    return f"{_CACHE_FORMAT} {path} {status.st_size} {status.st_mtime_ns} {kvm_key}"


def load(path: str, cache_directory: str, kvm_key: str = "") -> Capabilities | None:
    """The answers kept for a binary, or None when there are none that hold."""
    key = key_of(path, kvm_key)
    try:
        with open(_cache_file(path, cache_directory), "rb") as file:
            data = json.loads(file.read())
        return Capabilities(data) if data["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(capabilities: Capabilities, cache_directory: str) -> None:
    """Keep the answers; a directory that can not be written only costs the next probe."""
    path = _cache_file(capabilities.path, cache_directory)
    unfinished = f"{path}.{os.getpid()}"
    try:
        os.makedirs(cache_directory, exist_ok=True)
        with open(unfinished, "w", encoding="ascii") as file:
            file.write(json.dumps(capabilities.data, separators=(",", ":")))
        os.replace(unfinished, path)
    except OSError:
        return


def _cache_file(path: str, cache_directory: str) -> str:
    return os.path.join(cache_directory, f"{path.strip('/').replace('/', '-')}.json")


async def capabilities_of(
    path: str,
    cache_directory: str,
    *,
    kvm: bool = False,
    kvm_key: str = "",
    user: tuple[int, int, tuple[int, ...]] | None = None,
) -> Capabilities:
    """The kept answers, or a probe in a thread (about 0.1 s, twice that where KVM works).

    Raises OpenFailed when there is no such program, InternalError when it does not answer.
    """
    kept = load(path, cache_directory, kvm_key)
    if kept is not None:
        return kept
    import asyncio

    probed = await asyncio.to_thread(probe, path, kvm=kvm, kvm_key=kvm_key, user=user)
    save(probed, cache_directory)
    return probed


async def with_cpu_features(
    capabilities: Capabilities,
    accelerator: str,
    model: str,
    cache_directory: str,
    *,
    user: tuple[int, int, tuple[int, ...]] | None = None,
) -> Capabilities:
    """The same with the features of `model`; asks QEMU only when they are not known yet."""
    if capabilities.cpu_features(accelerator, model) is not None:
        return capabilities
    import asyncio

    replies = await asyncio.to_thread(
        _ask, capabilities.path, accelerator, [_expansion(model)], user
    )
    more = capabilities.with_expansion(accelerator, model, _features_of(replies[0]))
    save(more, cache_directory)
    return more


def probe(
    path: str,
    *,
    kvm: bool = False,
    kvm_key: str = "",
    user: tuple[int, int, tuple[int, ...]] | None = None,
) -> Capabilities:
    """Start the binary and ask it everything; `user` is (uid, gid, groups) to run it as."""
    key = key_of(path, kvm_key)
    first = "kvm" if kvm else "tcg"
    commands: list[dict[str, Any]] = [
        {"execute": "query-version"},
        {"execute": "query-target"},
        {"execute": "query-machines"},
        {"execute": "qom-list-types"},
        {"execute": "query-qmp-schema"},
        *_cpu_questions(first),
    ]
    replies = _ask(path, first, commands, user)
    version, target, machines, types, schema = replies[:5]
    if not isinstance(version, dict) or not isinstance(machines, list):
        raise InternalError(f"{path} did not answer the questions of a probe")
    cpus = {first: _cpus(replies[5:], first)}
    if kvm:
        cpus["tcg"] = _cpus(_ask(path, "tcg", _cpu_questions("tcg"), user), "tcg")
    return Capabilities(
        {
            "key": key,
            "path": path,
            "version": [version["qemu"][part] for part in ("major", "minor", "micro")],
            "package": version.get("package", ""),
            "arch": target["arch"],
            "machines": [_machine(entry) for entry in machines],
            "types": sorted(entry["name"] for entry in types or ()),
            "features": sorted(_schema_features(schema or [])),
            "cpus": cpus,
        }
    )


def _expansion(model: str) -> dict[str, Any]:
    arguments = {"type": "full", "model": {"name": model}}
    return {"execute": "query-cpu-model-expansion", "arguments": arguments}


def _expanded_at_once(accelerator: str) -> tuple[str, ...]:
    return ("qemu64", "max", "host") if accelerator == "kvm" else ("qemu64", "max")


def _cpu_questions(accelerator: str) -> list[dict[str, Any]]:
    models = [_expansion(model) for model in _expanded_at_once(accelerator)]
    return [{"execute": "query-cpu-definitions"}, *models]


def _cpus(replies: list[Any], accelerator: str) -> dict[str, Any]:
    definitions, *expansions = replies
    models = [
        [entry["name"], sorted(set(entry.get("unavailable-features", [UNKNOWN]))),
         bool(entry.get("deprecated"))]
        for entry in definitions or ()
    ]  # fmt: skip
    names = _expanded_at_once(accelerator)
    expanded = {
        name: _features_of(reply)
        for name, reply in zip(names, expansions, strict=True)
        if reply is not None
    }
    return {"models": sorted(models), "expansions": expanded}


def _features_of(reply: Any) -> dict[str, bool]:
    """The boolean properties, which are the features."""
    properties = reply["model"]["props"] if isinstance(reply, dict) else {}
    return {name: value for name, value in sorted(properties.items()) if isinstance(value, bool)}


def _machine(entry: dict[str, Any]) -> list[Any]:
    cpu = entry.get("default-cpu-type")
    return [
        entry["name"],
        entry.get("alias"),
        entry.get("cpu-max", 1),
        bool(entry.get("is-default")),
        cpu.rpartition("-cpu")[0].rpartition("-")[0] if cpu else None,
        bool(entry.get("deprecated")),
        entry.get("default-ram-id"),
        bool(entry.get("hotpluggable-cpus")),
    ]


def _schema_features(schema: list[dict[str, Any]]) -> Iterable[str]:
    """Command names, and the variants of the commands that have them."""
    by_name = {entry["name"]: entry for entry in schema}
    for entry in schema:
        if entry["meta-type"] == "command":
            yield entry["name"]
    for command in _VARIANTS:
        argument = by_name.get(by_name.get(command, {}).get("arg-type", ""), {})
        for union in (argument, *(by_name.get(m["type"], {}) for m in argument.get("members", ()))):
            for variant in union.get("variants", ()):
                yield f"{command}/{variant['case']}"


def _ask(
    path: str,
    accelerator: str,
    commands: list[dict[str, Any]],
    user: tuple[int, int, tuple[int, ...]] | None,
) -> list[Any]:
    """The replies to `commands`, None for a refused one.

    Everything is said before it starts and `quit` comes last: so it ends by itself when this daemon
    is killed meanwhile. The binary runs without a machine, without files and without leave to start
    anything. Raises InternalError also when it ended before it had answered everything.
    """
    import subprocess

    from virtory.driver.qemu import qmp

    argv = [path, "-S", "-no-user-config", "-nodefaults", "-display", "none"]
    argv += ["-machine", f"none,accel={accelerator}", "-qmp", "stdio", "-sandbox", _SANDBOX]
    session = qmp.QmpSession()
    asked = [session.command("qmp_capabilities")]
    asked += [session.command(each["execute"], each.get("arguments")) for each in commands]
    asked += [session.command("quit")]
    try:
        output, done = _run(argv, b"".join(data for _, data in asked), user)
        incoming = session.receive(output)
    except OSError as error:
        raise OpenFailed(
            f"emulator {path} can not be started: {error.strerror}", cure=_CURE
        ) from None
    except subprocess.TimeoutExpired:
        raise InternalError(
            f"{path} did not answer within {PROBE_LIMIT_S:g} s", cure=_CURE
        ) from None
    except qmp.QmpBroken as error:
        raise InternalError(f"{path} is no QEMU: {error}", cure=_CURE) from None
    replies = {each.serial: each.value for each in incoming if isinstance(each, qmp.Reply)}
    answered = {each.serial for each in incoming if isinstance(each, qmp.Failure)} | set(replies)
    if asked[0][0] not in replies or any(serial not in answered for serial, _ in asked[:-1]):
        text = done.stderr.decode(errors="replace").strip() or f"status {done.returncode}"
        what = "not all answers" if replies else "no answer"
        raise InternalError(f"{path} gave {what} to a probe: {text}", cure=_CURE)
    return [replies.get(serial) for serial, _ in asked[1:-1]]


def _run(
    argv: list[str], said: bytes, user: tuple[int, int, tuple[int, ...]] | None
) -> tuple[bytes, subprocess.CompletedProcess[bytes]]:
    """Let it read this, to the end; what it answered. Raises OSError, TimeoutExpired.

    It answers into a file: `quit` is obeyed even while a pipe that nobody empties in time holds up
    the answers before it, which are lost then.
    """
    import subprocess

    with (
        open(os.memfd_create("questions", os.MFD_CLOEXEC), "w+b", buffering=0) as questions,
        open(os.memfd_create("answers", os.MFD_CLOEXEC), "w+b", buffering=0) as answers,
    ):
        questions.write(said)
        questions.seek(0)
        done = subprocess.run(
            argv,
            stdin=questions,
            stdout=answers,
            stderr=subprocess.PIPE,
            timeout=PROBE_LIMIT_S,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=user[2] if user else None,
        )
        answers.seek(0)
        return answers.read(), done
