"""Every procedure that everyday clients use has a method, and each method says which it is."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from virtory.client import (
    connect,
    domain,
    interface,
    network,
    node_device,
    nwfilter,
    secret,
    snapshot,
    storage,
)
from virtory.wire.procedure import QEMU, REMOTE, find
from virtory.wire.remote.index import MODULES

CLIENT = Path(connect.__file__).parent
CLASSES = [
    connect.Host,
    domain.Domain,
    network.Network,
    network.NetworkPort,
    storage.StoragePool,
    storage.StorageVolume,
    node_device.NodeDevice,
    secret.Secret,
    nwfilter.Nwfilter,
    nwfilter.NwfilterBinding,
    interface.Interface,
    snapshot.Snapshot,
    snapshot.Checkpoint,
]
METHODS = [
    pytest.param(getattr(cls, name), id=f"{cls.__name__}.{name}")
    for cls in CLASSES
    for name in sorted(dir(cls))
    if not name.startswith("_") and inspect.iscoroutinefunction(getattr(cls, name))
]
COMPOSED = {"closed", "refresh", "max_vcpus_now"}

# Steps of a migration that only a daemon takes, and calls that nothing but old clients makes.
NOT_FOR_CLIENTS = re.compile(
    r"DOMAIN_MIGRATE_(PREPARE|BEGIN|FINISH|CONFIRM|PERFORM(3)?$)|AUTH_SASL|"
    r"CONNECT_(LIST|NUM_OF)_|CONNECT_DOMAIN_EVENT_(DE)?REGISTER|NODE_DEVICE_NUM_OF_CAPS|"
    r"DOMAIN_SAVE_PARAMS|DOMAIN_RESTORE_PARAMS"
)


def named(text: str) -> set[str]:
    return {name.removeprefix("QEMU_PROC_") for name in re.findall(r"`([A-Z][A-Z0-9_]{3,})`", text)}


def mentioned() -> set[str]:
    """Every procedure that a docstring of the client names, and every one that it uses."""
    found: set[str] = set()
    for path in CLIENT.glob("*.py"):
        source = path.read_text()
        found |= named(source)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and node.attr.isupper():
                found.add(node.attr)
    return found


def test_every_call_of_the_remote_program_has_a_method_or_a_successor() -> None:
    calls = {
        procedure.name
        for numbers in MODULES.values()
        for number in numbers
        if (procedure := find(REMOTE.number, number)) and procedure.message is None
    }
    assert len(calls) > 380
    missing = {name for name in calls - mentioned() if not NOT_FOR_CLIENTS.match(name)}
    assert missing == set()


def test_every_call_of_the_qemu_program_has_a_method() -> None:
    calls = {
        procedure.name
        for number in range(1, 8)
        if (procedure := find(QEMU.number, number)) and procedure.message is None
    }
    assert calls <= mentioned()


@pytest.mark.parametrize("method", METHODS)
def test_the_first_line_of_a_method_names_its_procedure(method: object) -> None:
    name = method.__name__  # type: ignore[attr-defined]
    assert method.__doc__, name
    first = method.__doc__.strip().splitlines()[0]
    assert named(first) or name in COMPOSED, f"{name}: {first}"
