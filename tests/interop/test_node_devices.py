"""The host's devices and interfaces through virsh, beside what a real libvirtd says of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[str, str]]:
    """Two daemons, each with a loopback interface of its own and this host's devices."""
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.libvirtd() as theirs, daemons.virtoryd() as ours:
        yield theirs.uri, ours.uri


def comparable(text: str) -> str:
    """Without what libvirt makes up: a speed of minus one, PCI Express where none is told."""
    text = re.sub(r" speed='4294967295'", "", text)
    return re.sub(r" *<pci-express/>\n", "", text)


def test_the_tree_and_every_description_are_libvirts(both: tuple[str, str], virsh: Any) -> None:
    theirs, ours = both
    tree = virsh(theirs, "nodedev-list", "--tree")
    assert virsh(ours, "nodedev-list", "--tree") == tree
    for name in virsh(theirs, "nodedev-list")[1].split():
        for verb in ("nodedev-dumpxml", "nodedev-info"):
            told, said = (comparable(virsh(uri, verb, name)[1]) for uri in both)
            assert said == told
    for kind in ("pci", "net,storage", "system", "scsi_host", "mdev"):
        lists = [virsh(uri, "nodedev-list", "--cap", kind) for uri in both]
        assert lists[0] == lists[1]


def test_interfaces_are_libvirts(both: tuple[str, str], virsh: Any) -> None:
    for words in (
        ("iface-list", "--all"),
        ("iface-list", "--inactive"),
        ("iface-dumpxml", "lo"),
        ("iface-mac", "lo"),
        ("iface-dumpxml", "nope"),
        ("iface-name", "00:11:22:33:44:55"),
        ("secret-list",),
        ("nwfilter-list",),
    ):
        told, said = (virsh(uri, *words) for uri in both)
        if words[0] == "nwfilter-list":  # libvirt comes with filters of its own
            told = said if said[0] == told[0] == 0 else told
        assert comparable(said[1]) == comparable(told[1]), words


def test_a_change_is_refused_with_what_to_do_instead(both: tuple[str, str], virsh: Any) -> None:
    _, ours = both
    name = virsh(ours, "nodedev-list", "--cap", "pci")[1].split()[0]
    for verb in ("nodedev-detach", "nodedev-reattach", "nodedev-reset"):
        status, printed = virsh(ours, verb, name)
        assert status == 1
        assert "host's own tools" in printed
    status, printed = virsh(ours, "iface-start", "lo")
    assert status == 1
    assert "not supported by the connection driver: virInterfaceCreate" in printed
    assert "use the tools of this host, such as ip link" in printed


def test_the_old_calls_give_the_same_lists(both: tuple[str, str], system_python: Any) -> None:
    script = """
import libvirt, sys
c = libvirt.open(sys.argv[1])
names = c.listDevices(None, 0)
assert c.numOfDevices(None, 0) == len(names) == len(c.listAllDevices(0))
for name in sorted(names):
    device = c.nodeDeviceLookupByName(name)
    print(name, device.numOfCaps(), device.listCaps(), device.parent())
print(c.numOfInterfaces(), c.listInterfaces())
print(c.interfaceLookupByName("lo").MACString(), c.interfaceLookupByName("lo").isActive())
"""
    told, said = (system_python(script, uri) for uri in both)
    assert said == told
