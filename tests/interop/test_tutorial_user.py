"""The tutorial of an ordinary user: a private daemon, user networking, the same commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import lacking

sys.path.insert(0, str(Path(__file__).parent))

import media
import tutorial

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

ORDINARY = 64322
"""An uid that nobody else has."""


@pytest.fixture(scope="module")
def host() -> Iterator[tutorial.Host]:
    if reason := tutorial.missing():
        pytest.skip(reason)
    if missing := media.missing():
        pytest.skip(f"missing: {missing}")
    if closed := lacking.for_user(ORDINARY):
        pytest.skip(closed)
    with tutorial.hosted(ORDINARY) as made:
        yield made


def test_a_user_installs_looks_snapshots_clones_and_removes(host: tutorial.Host) -> None:
    iso = media.build(host.places).iso
    disk = host.places / "mine.qcow2"
    command = host.install_words(
        *("--name", "mine", "--memory", "256", "--vcpus", "1", "--network", "user"),
        *("--graphics", "none", "--disk", f"path={disk},size=1,format=qcow2"),
        *("--location", str(iso), "--extra-args", "console=ttyS0", "--autoconsole", "text"),
    )
    with host.terminal("virt-install", *command) as terminal:
        terminal.until(media.INSTALLED)
        terminal.until(media.UP)
        terminal.type("\x1d")
        assert terminal.end()[0] == 0
    assert host.ask("mine", "uname -s") == "Linux\n"
    assert "mine" in host.virsh("list")
    second = host.places / "second.qcow2"
    host.run("qemu-img", "create", "-f", "qcow2", str(second), "8M")
    words = ("mine", str(second), "vdb", "--persistent", "--subdriver", "qcow2")
    host.virsh("attach-disk", *words)
    assert "16384" in host.ask("mine", "until [ -b /dev/vdb ]; do :; done; cat /sys/block/vdb/size")
    host.virsh("snapshot-create-as", "mine", "first")
    host.virsh("snapshot-revert", "mine", "first")
    assert host.state("mine") == "running"
    host.virsh("snapshot-delete", "mine", "first")
    host.virsh("managedsave", "mine")
    host.virsh("start", "mine")
    with host.events("mine") as watching:
        host.virsh("shutdown", "mine")
        watching.until(b"Stopped")
    host.virt_clone("--original", "mine", "--auto-clone")
    host.start("mine-clone", media.UP)
    host.virsh("destroy", "mine-clone")
    for name in ("mine", "mine-clone"):
        host.virsh("undefine", name, "--remove-all-storage")
    assert [path.name for path in host.places.glob("*.qcow2")] == []
