"""The same guest with the same agent under libvirtd and under virtoryd: the same answers."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "guests"))

import daemons
import initramfs

pytestmark = [pytest.mark.interop, pytest.mark.guest]

XML = """<domain type='qemu'><name>vm</name><memory unit='MiB'>192</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{kernel}</kernel><initrd>{initrd}</initrd>
<cmdline>console=ttyS0 quiet panic=-1</cmdline></os><features><acpi/></features><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{iso}'/>
<target dev='vda' bus='virtio'/><readonly/></disk>
<interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>
<serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>
</channel><memballoon model='none'/></devices></domain>"""

# Before the agent begins: users with homes, a mounted disk, an address.
PREPARED = """mkdir -p /etc /root /mnt
echo root:x:0:0::/root:/bin/sh > /etc/passwd
echo root:x:0: > /etc/group
echo 127.0.0.1 localhost > /etc/hosts
hostname tiny
mount -t iso9660 -o ro /dev/vda /mnt
ifconfig lo 127.0.0.1 up
acpid"""

PROGRAM = """
import json, libvirt, libvirt_qemu, sys, threading
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)],
                 daemon=True).start()
libvirt.registerErrorHandler(lambda *_: None, None)
c = libvirt.open(sys.argv[1].partition(" ")[0])
there, stopped = threading.Event(), threading.Event()
c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
                         lambda c, d, state, reason, o: state == 1 and there.set(), None)
c.domainEventRegisterAny(None, 0, lambda c, d, event, *_: event == 5 and stopped.set(), None)
d = c.createXML(open(sys.argv[1].partition(" ")[2]).read(), 0)
assert there.wait(240), "the agent never came"
def tell(name, call, show=lambda answer: answer):
    try:
        print(name, json.dumps(show(call()), sort_keys=True, default=str))
    except libvirt.libvirtError as error:
        print(name, "error", error.get_error_code(), error.get_error_domain())
tell("fsinfo", d.fsInfo)
for bit in range(7):
    tell(f"guestinfo {bit}", lambda: d.guestInfo(1 << bit, 0))
tell("guestinfo", lambda: d.guestInfo(0, 0))
tell("guestinfo of nothing known", lambda: d.guestInfo(1 << 20, 0))
tell("hostname", lambda: d.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT))
tell("time", d.getTime, lambda t: t["seconds"] > 1600000000)
tell("set time", lambda: d.setTime({"seconds": 1700000000, "nseconds": 0}))
tell("time now", d.getTime, lambda t: 0 <= t["seconds"] - 1700000000 < 60)
tell("freeze nothing there", lambda: d.fsFreeze(["/nowhere"], 0))
tell("freeze", lambda: d.fsFreeze(None, 0))
tell("thaw", lambda: d.fsThaw(None, 0))
tell("thaw one", lambda: d.fsThaw(["/mnt"], 0))
tell("trim", lambda: d.fSTrim(None, 0, 0))
tell("trim one", lambda: d.fSTrim("/mnt", 0, 0))
tell("password of nobody", lambda: d.setUserPassword("nobody-there", "x", 0))
tell("keys", lambda: d.authorizedSSHKeysGet("root", 0))
tell("set keys", lambda: d.authorizedSSHKeysSet("root", ["ssh-ed25519 AAAA a@b"], 0))
tell("keys then", lambda: d.authorizedSSHKeysGet("root", 0))
tell("append", lambda: d.authorizedSSHKeysSet("root", ["ssh-ed25519 BBBB a@b"], 1))
tell("remove", lambda: d.authorizedSSHKeysSet("root", ["ssh-ed25519 AAAA a@b"], 2))
tell("keys at last", lambda: d.authorizedSSHKeysGet("root", 0))
tell("keys of nobody", lambda: d.authorizedSSHKeysGet("nobody-there", 0))
tell("addresses", lambda: d.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT))
tell("limit", lambda: d.agentSetResponseTimeout(20, 0))
tell("limit too low", lambda: d.agentSetResponseTimeout(-7, 0))
tell("ping", lambda: libvirt_qemu.qemuAgentCommand(d, '{"execute":"guest-ping"}', -1, 0))
tell("no such", lambda: libvirt_qemu.qemuAgentCommand(d, '{"execute":"nix"}', -1, 0))
tell("no JSON", lambda: libvirt_qemu.qemuAgentCommand(d, 'nix', -1, 0))
tell("no limit known", lambda: libvirt_qemu.qemuAgentCommand(d, '{"execute":"guest-ping"}', -9, 0))
tell("vcpus of the guest", lambda: d.vcpusFlags(libvirt.VIR_DOMAIN_VCPU_GUEST))
tell("guestvcpus", d.guestVcpus)
tell("suspend for a while", lambda: d.pMSuspendForDuration(0, 5))
tell("suspend to nowhere", lambda: d.pMSuspendForDuration(9, 0))
tell("shutdown", lambda: d.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT))
assert stopped.wait(120), "it never stopped"
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The description of a machine whose Linux has an agent and a mounted disk."""
    lacking = daemons.lacking()
    for program in ("qemu-ga", "xorriso", "busybox"):
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            lacking = lacking or f"{program} is not installed"
    kernel = initramfs.kernel()
    if lacking or kernel is None:
        pytest.skip(lacking or "there is no kernel in /boot")
    directory = tmp_path_factory.mktemp("agent")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    initramfs.build(directory / "initrd", initramfs._INIT.replace("acpid", PREPARED, 1))
    (directory / "tree").mkdir()
    (directory / "tree/file").write_text("something")
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", "disk.iso", "tree"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    (directory / "disk.iso").chmod(0o644)
    described = XML.format(kernel=kernel, initrd=directory / "initrd", iso=directory / "disk.iso")
    (directory / "vm.xml").write_text(described)
    return str(directory / "vm.xml")


def test_a_guest_with_an_agent_is_seen_alike(machine: str, system_python: Any) -> None:
    with daemons.libvirtd() as daemon:
        told = system_python(PROGRAM, f"{daemon.uri} {machine}").splitlines()
    with daemons.virtoryd() as daemon:
        said = system_python(PROGRAM, f"{daemon.uri} {machine}").splitlines()
    assert any('"vda"' in line for line in said if line.startswith("fsinfo"))
    # A guest that has gone before libvirtd heard of it is an error there: "End of file from agent
    # socket". Told to shut down it has done so, whatever was answered.
    assert told.pop() in ("shutdown 0", "shutdown error 1 10")
    assert said.pop() == "shutdown 0"
    differing = difflib.unified_diff(told, said, "libvirtd", "virtoryd", lineterm="", n=0)
    assert "\n".join(differing) == ""
