"""Secrets through libvirt-python, under libvirtd and under virtoryd: the same answers."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

pytestmark = pytest.mark.interop

PROGRAM = """
import libvirt, sys, threading
libvirt.registerErrorHandler(lambda *_: None, None)
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)],
                 daemon=True).start()
c = libvirt.open(sys.argv[1])
def tell(name, call):
    try:
        print(name, call())
    except libvirt.libvirtError as error:
        print(name, "error", error.get_error_code(), error.get_error_domain())
def xml(uuid, usage, private="no"):
    return f"<secret ephemeral='no' private='{private}'><description>d</description>" \\
           f"<uuid>{uuid * 8}-1111-1111-1111-111111111111</uuid>{usage}</secret>"
ceph = "<usage type='ceph'><name>client.x</name></usage>"
volume = "<usage type='volume'><volume>/var/x.img</volume></usage>"
seen, last = [], threading.Event()
def told(c, secret, event, detail, _):
    seen.append((secret.UUIDString(), secret.usageID(), event, detail))
    if event == 1 and secret.usageID() == "/var/x.img":
        last.set()
c.secretEventRegisterAny(None, 0, told, None)
c.secretEventRegisterAny(None, 1, lambda c, s, _: seen.append((s.UUIDString(), "value")), None)
one = c.secretDefineXML(xml("a", ceph), 0)
tell("again", lambda: c.secretDefineXML(xml("a", ceph), 0).usageType())
tell("other usage", lambda: c.secretDefineXML(xml("a", volume), 0))
tell("other uuid", lambda: c.secretDefineXML(xml("b", ceph), 0))
two = c.secretDefineXML(xml("c", volume, "yes"), 0)
tell("no longer private", lambda: c.secretDefineXML(xml("c", volume), 0))
tell("xml", one.XMLDesc)
tell("no value", one.value)
tell("set", lambda: one.setValue(b"value"))
tell("value", one.value)
tell("set private", lambda: two.setValue(b"value"))
tell("private", two.value)
tell("list", lambda: sorted(c.listSecrets()))
tell("count", c.numOfSecrets)
for flags in (0, 1, 2, 4, 8):
    tell(f"list {flags}", lambda: sorted(s.usageID() for s in c.listAllSecrets(flags)))
tell("by usage", lambda: c.secretLookupByUsage(2, "client.x").UUIDString())
tell("by no usage", lambda: c.secretLookupByUsage(1, "client.x"))
tell("by no uuid", lambda: c.secretLookupByUUIDString("d" * 8 + "-1111-1111-1111-111111111111"))
try:  # virtoryd names every wrong description with one code
    c.secretDefineXML("<secret><usage type='nix'/></secret>", 0)
except libvirt.libvirtError as error:
    print("nonsense", error.get_error_code() in (27, 67))
tell("undefine", one.undefine)
tell("gone", one.value)
tell("undefine", two.undefine)
assert last.wait(60)
print(*seen, sep="\\n")
"""


def test_secrets_are_kept_and_told_as_libvirt_does(system_python: Any) -> None:
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.libvirtd() as theirs, daemons.virtoryd() as ours:
        told, said = (system_python(PROGRAM, each.uri).splitlines() for each in (theirs, ours))
    differing = difflib.unified_diff(told, said, "libvirtd", "virtoryd", lineterm="", n=0)
    assert "\n".join(differing) == ""
