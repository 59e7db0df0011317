"""Which calls a read-only connection may make, and what libvirt calls the function it may not.

The rule kept here: permission follows from the procedure's own `acl`, so a new procedure needs no
entry here; only calls that write when a flag says so are listed, as libvirt checks them by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.errors import FROM_DOM, FROM_NONE, OperationDenied
from virtory.wire.procedure import QEMU

if TYPE_CHECKING:
    from virtory.wire.procedure import AnyProcedure

_READS = {"getattr", "read", "none"}
_ACRONYMS = {
    "cpu": "CPU",
    "fd": "FD",
    "fsfreeze": "FSFreeze",
    "fsinfo": "FSInfo",
    "fsthaw": "FSThaw",
    "fstrim": "FSTrim",
    "id": "ID",
    "iothread": "IOThread",
    "mac": "MAC",
    "nmi": "NMI",
    "nwfilter": "NWFilter",
    "os": "OS",
    "pm": "PM",
    "sev": "SEV",
    "ssh": "SSH",
    "uri": "URI",
    "uuid": "UUID",
    "xml": "XML",
}
# Declared as reading in the published protocol, although one changes the domain, and the others
# show what only its owner may see.
_WRITES_ANYWAY = {
    "DOMAIN_SET_SCHEDULER_PARAMETERS",
    "DOMAIN_GET_LAUNCH_SECURITY_INFO",
    "NODE_GET_SEV_INFO",
}
# procedure → (field, bits of it that make it write, what is said instead of the usual words)
_WRITES_WHEN: dict[str, tuple[str, int, str | None]] = {
    "DOMAIN_GET_XML_DESC": ("flags", 0b1001, "virDomainGetXMLDesc with secure flag"),
    "DOMAIN_MANAGED_SAVE_GET_XML_DESC": (
        "flags",
        0b1,
        "virDomainManagedSaveGetXMLDesc with secure flag",
    ),
    "DOMAIN_SNAPSHOT_GET_XML_DESC": ("flags", 0b1, "virDomainSnapshotGetXMLDesc with secure flag"),
    "DOMAIN_CHECKPOINT_GET_XML_DESC": (
        "flags",
        0b1,
        "virDomainCheckpointGetXMLDesc with secure flag",
    ),
    "DOMAIN_GET_VCPUS_FLAGS": ("flags", 0b1000, None),
    "DOMAIN_INTERFACE_ADDRESSES": ("source", 0b1, None),
}


def function_name(procedure: AnyProcedure) -> str:
    """The public C function behind a procedure: `DOMAIN_CREATE_XML` → `virDomainCreateXML`."""
    words = [_ACRONYMS.get(word, word.capitalize()) for word in procedure.name.lower().split("_")]
    if procedure.program == QEMU.number:
        at = words.index("Domain") + 1
        words.insert(at, "Qemu")
    return "vir" + "".join(words)


def writes(procedure: AnyProcedure) -> bool:
    """Whether the call changes anything or shows what only a read-write connection may see."""
    if procedure.name in _WRITES_ANYWAY:
        return True
    for rule in procedure.acl:
        parts = rule.split(":")
        unconditional = len(parts) == 2
        permission = parts[-1] if len(parts) < 3 else parts[1]
        if unconditional and permission not in _READS and not permission.startswith("search"):
            return True
    return False


def writes_sometimes(procedure: AnyProcedure) -> bool:
    """Whether `check_arguments` has something to say on this procedure."""
    return procedure.name in _WRITES_WHEN


def denied(procedure: AnyProcedure) -> OperationDenied:
    """The error a read-only connection gets for a call that writes."""
    family = FROM_DOM if procedure.name.startswith("DOMAIN") else FROM_NONE
    return OperationDenied(
        f"read only access prevents {function_name(procedure)}",
        domain=family,
    )


def check_arguments(procedure: AnyProcedure, args: Any) -> None:
    """Refuse, on a read-only connection, a call whose arguments make it one that writes."""
    field, bits, words = _WRITES_WHEN[procedure.name]
    if not getattr(args, field) & bits:
        return
    if words is None:
        raise denied(procedure)
    raise OperationDenied(words, domain=FROM_DOM)
