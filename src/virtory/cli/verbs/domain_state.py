"""What a domain is doing, one question a verb.

The rule kept here: labels and words are virsh's.
"""

from __future__ import annotations

from virtory.cli import words
from virtory.cli.output import Data, Field, Fields, Lines, Output, Text
from virtory.cli.verb import DOMAIN, flag, verb
from virtory.errors import VirtoryError
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain


@verb("dominfo", "monitor", "the main facts about a domain", DOMAIN)
async def dominfo(terminal: Terminal, domain: str) -> Output:
    """`virsh dominfo`."""
    machine = await terminal.domain(domain)
    info = await machine.info()
    number = "-" if machine.id is None else str(machine.id)
    seconds = info.cpu_time_ns / 1e9
    persistent = await machine.is_persistent()
    autostart = await machine.autostart() if persistent else False
    saved = await machine.has_managed_save() if persistent else False
    fields = [
        Field("Id", number, "id", machine.id if machine.id is not None else -1),
        Field("Name", machine.name),
        Field("UUID", machine.uuid),
        Field("OS Type", await machine.os_type()),
        Field("State", words.state(info.state)),
        Field("CPU(s)", str(info.vcpus), "vcpus", info.vcpus),
    ]
    if info.cpu_time_ns:
        fields.append(Field("CPU time", f"{seconds:.1f}s", "cpu_time_s", seconds))
    fields += [
        _kib("Max memory", info.max_memory_kib),
        _kib("Used memory", info.memory_kib),
        Field("Persistent", "yes" if persistent else "no", "persistent", persistent),
        Field("Autostart", "enable" if autostart else "disable", "autostart", autostart),
        Field("Managed save", "yes" if saved else "no", "managed_save", saved),
    ]
    return Fields([*fields, *await _security(terminal, machine), *await _messages(machine)])


def _kib(label: str, value: int) -> Field:
    return Field(label, f"{value} KiB", f"{label.lower().replace(' ', '_')}_kib", value)


async def _security(terminal: Terminal, machine: Domain) -> list[Field]:
    try:
        model, doi = await terminal.host.security_model()
        label, enforcing = await machine.security_label() if machine.id is not None else ("", False)
    except VirtoryError:
        return []
    fields = [Field("Security model", model), Field("Security DOI", doi)] if model else []
    if model and label:
        how = "enforcing" if enforcing else "permissive"
        fields.append(Field("Security label", f"{label} ({how})"))
    return fields


async def _messages(machine: Domain) -> list[Field]:
    """What is doubtful about it."""
    try:
        messages = await machine.messages()
    except VirtoryError:
        return []
    text = f"\n{'':16}".join(messages)
    return [Field("Messages", text, "messages", messages)] if messages else []


@verb("domstate", "monitor", "is it running?", DOMAIN, flag("reason", "and why"))
async def domstate(terminal: Terminal, domain: str, reason: bool) -> Output:
    """`virsh domstate`."""
    machine = await terminal.domain(domain)
    found = await machine.state()
    state, why = words.state(found.state), words.reason(found.state, found.reason)
    text = f"{state} ({why})" if reason else state
    return Data(f"{text}\n\n", {"name": machine.name, "state": state, "reason": why})


@verb("domid", "monitor", "a running domain's number", DOMAIN)
async def domid(terminal: Terminal, domain: str) -> Output:
    """`virsh domid`."""
    machine = await terminal.domain(domain)
    number = "-" if machine.id is None else str(machine.id)
    return Data(f"{number}\n\n", {"name": machine.name, "id": machine.id})


@verb("domuuid", "monitor", "a domain's UUID", DOMAIN)
async def domuuid(terminal: Terminal, domain: str) -> Output:
    """`virsh domuuid`."""
    machine = await terminal.domain(domain)
    return Text(f"{machine.uuid}\n\n", key="uuid", value=machine.uuid)


@verb("domname", "monitor", "a domain's name", DOMAIN)
async def domname(terminal: Terminal, domain: str) -> Output:
    """`virsh domname`."""
    machine = await terminal.domain(domain)
    return Text(f"{machine.name}\n\n", key="name", value=machine.name)


@verb("domcontrol", "monitor", "can the daemon talk to QEMU?", DOMAIN)
async def domcontrol(terminal: Terminal, domain: str) -> Output:
    """`virsh domcontrol`."""
    machine = await terminal.domain(domain)
    found = await machine.control_info()
    state = words.word(words.CONTROL_STATES, found.state)
    text = state if found.state in (0, 3) else f"{state} ({found.since_ms / 1000:.3f}s)"
    return Data(f"{text}\n\n", {"state": state, "details": found.details, "ms": found.since_ms})


@verb(
    "domjobinfo",
    "monitor",
    "how far its job is",
    DOMAIN,
    flag("completed", "of the last job"),
    flag("keep-completed", "of the last job, and let it be asked for again"),
    flag("anystats", "of a failed job too"),
    flag("rawstats", "names and numbers as the daemon sent them"),
)
async def domjobinfo(
    terminal: Terminal,
    domain: str,
    completed: bool,
    keep_completed: bool,
    anystats: bool,
    rawstats: bool,
) -> Output:
    """`virsh domjobinfo`; what is known of a failed job is always shown."""
    machine = await terminal.domain(domain)
    found = await machine.job_stats(
        completed=completed or keep_completed, flags=keep_completed << 1
    )
    if rawstats:
        raw = {"type": found.type, **found.params}
        return Data("".join(f"{name}: {value}\n" for name, value in raw.items()) + "\n", raw)
    names = ("None", "Bounded", "Unbounded", "Completed", "Failed", "Cancelled")
    fields = [Field("Job type", words.word(names, found.type), "type", found.type)]
    fields += [Field(name, str(value), name, value) for name, value in found.params.items()]
    return Fields(fields, width=18)


@verb("dommessages", "monitor", "what is doubtful about it", DOMAIN)
async def dommessages(terminal: Terminal, domain: str) -> Output:
    """`virsh dominfo`'s messages."""
    return Lines(await (await terminal.domain(domain)).messages())
