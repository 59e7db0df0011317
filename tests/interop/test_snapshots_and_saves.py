"""virsh and libvirt-python save, snapshot and revert real QEMU guests through virtoryd."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

XML = """<domain type='qemu'><name>vm</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"""


@pytest.fixture
def ask(virtoryd: Any, virsh: Any, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Run virsh against a daemon that has a running guest `vm`; what it printed."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    image = tmp_path / "a.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "16M"], check=True)
    (tmp_path / "vm.xml").write_text(XML.format(image=image))
    with tempfile.TemporaryDirectory(prefix="v") as directory:
        Path(directory).chmod(0o711)
        daemon = virtoryd(Path(directory), "qemu", "qemu+unix:///system")

        def run(*words: str, fails: bool = False) -> str:
            status, printed = virsh(daemon.uri, *words)
            assert bool(status) == fails, printed
            return printed

        run.uri = daemon.uri  # type: ignore[attr-defined]
        run("define", str(tmp_path / "vm.xml"))
        run("start", "vm")
        yield run
        if "vm" in run("list", "--name").split():
            run("destroy", "vm")
        daemon.stop()
    for one in tmp_path.glob("a.*"):
        subprocess.run(["qemu-img", "check", "-q", str(one)], check=True)


def test_a_guest_is_saved_and_comes_back(ask: Any, tmp_path: Path) -> None:
    image = str(tmp_path / "image")
    assert f"Domain 'vm' saved to {image}" in ask("save", "vm", image)
    assert "shut off (saved)" in ask("domstate", "vm", "--reason")
    assert "<name>vm</name>" in ask("save-image-dumpxml", image)
    assert f"Domain restored from {image}" in ask("restore", image)
    assert "running (restored)" in ask("domstate", "vm", "--reason")

    assert "state saved by libvirt" in ask("managedsave", "vm")
    assert "vm" in ask("list", "--all", "--with-managed-save", "--name")
    assert "Managed save:   yes" in ask("dominfo", "vm")
    assert "<name>vm</name>" in ask("managedsave-dumpxml", "vm")
    ask("start", "vm", "--paused")
    assert "paused" in ask("domstate", "vm")
    ask("resume", "vm")
    ask("managedsave", "vm", "--paused")
    assert "Removed managedsave image" in ask("managedsave-remove", "vm")
    ask("start", "vm")

    core = str(tmp_path / "core")
    assert f"Domain 'vm' dumped to {core}" in ask("dump", "vm", core, "--memory-only")
    assert Path(core).read_bytes()[:4] == b"\x7fELF"
    assert "no job is active" in ask("domjobabort", "vm", fails=True)
    assert "None" in ask("domjobinfo", "vm")


def test_snapshots_are_taken_listed_and_gone_back_to(ask: Any) -> None:
    assert "Domain snapshot one created" in ask("snapshot-create-as", "vm", "one", "first")
    ask("snapshot-create-as", "vm", "two")
    ask("snapshot-revert", "vm", "one")
    ask("snapshot-create-as", "vm", "three")
    tree = ask("snapshot-list", "vm", "--tree")
    assert [line.strip(" |+-") for line in tree.split("\n") if line.strip(" |")] == [
        "one", "three", "two",
    ]  # fmt: skip
    shown = ask("snapshot-list", "vm")
    assert [line.split()[0] for line in shown.splitlines()[2:] if line] == ["one", "three", "two"]
    info = ask("snapshot-info", "vm", "--current")
    assert "three" in info and "Location:       internal" in info
    assert ask("snapshot-parent", "vm", "--current").strip() == "one"
    ask("destroy", "vm")
    ask("snapshot-create-as", "vm", "off")
    ask("snapshot-revert", "vm", "--current", "--running")
    assert "running" in ask("domstate", "vm")
    ask("snapshot-revert", "vm", "--current")
    assert "shut off (from snapshot)" in ask("domstate", "vm", "--reason")
    assert "cannot delete inactive domain with 4 snapshots" in ask("undefine", "vm", fails=True)
    assert "no domain snapshot with matching name 'nix'" in ask(
        "snapshot-revert", "vm", "nix", fails=True
    )
    ask("snapshot-delete", "vm", "one", "--children")
    assert ask("snapshot-list", "vm", "--name").strip() == ""


def test_external_snapshots_freeze_and_merge(ask: Any, tmp_path: Path) -> None:
    ask("snapshot-create-as", "vm", "one", "--disk-only", "--atomic")
    memory = str(tmp_path / "memory")
    ask("snapshot-create-as", "vm", "two", "--memspec", f"file={memory},snapshot=external")
    listed = ask("domblklist", "vm")
    assert str(tmp_path / "a.two") in listed
    assert ask("snapshot-list", "vm", "--external", "--name").split() == ["one", "two"]
    ask("snapshot-revert", "vm", "two")
    assert "running" in ask("domstate", "vm")
    ask("snapshot-delete", "vm", "one")
    ask("snapshot-delete", "vm", "two")
    assert str(tmp_path / "a.qcow2") in ask("domblklist", "vm")
    assert sorted(one.name for one in tmp_path.glob("a.*")) == ["a.qcow2"]


SCRIPT = """
import libvirt, sys
c = libvirt.open(sys.argv[1])
d = c.lookupByName("vm")
one = "<name>p</name><description>d</description>"
s = d.snapshotCreateXML(f"<domainsnapshot>{one}</domainsnapshot>")
print(s.getName(), s.isCurrent(), s.hasMetadata(), d.snapshotNum(), d.snapshotListNames())
xml = s.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)
s.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
print(d.hasCurrentSnapshot(), d.listAllSnapshots())
flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
s = d.snapshotCreateXML(xml, flags)
print(d.snapshotCurrent().getName())
d.revertToSnapshot(s)
child = d.snapshotCreateXML("<domainsnapshot><name>q</name></domainsnapshot>")
print(child.getParent().getName(), s.numChildren(), s.listChildrenNames())
print([x.getName() for x in s.listAllChildren(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_LEAVES)])
s.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
print(d.snapshotNum(), d.jobInfo()[0])
"""


def test_a_libvirt_python_program_redefines_and_walks_them(ask: Any, system_python: Any) -> None:
    assert system_python(SCRIPT, ask.uri).splitlines() == [
        "p 1 1 1 ['p']",
        "0 []",
        "p",
        "p 1 ['q']",
        "['q']",
        "0 0",
    ]
