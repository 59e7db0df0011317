"""Logical pools: what is asked of LVM's programs and what is made of their answers.

LVM is played by scripts, since device-mapper is not everywhere: each writes its words into a file,
answers what the test wants, and makes or removes the file that stands for a logical volume.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.memory.storage import Forgetful
from virtory.driver.storage.logical import BACKEND
from virtory.errors import InternalError, OperationFailed, OperationInvalid, SystemCallFailed
from virtory.model.list_flags import StoragePoolBuild
from virtory.model.storage_pool import Device, Source, StoragePool, Target
from virtory.model.storage_volume import parse_volume

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = (
    *("vgs", "lvs", "pvs", "vgcreate", "vgremove", "vgchange", "pvcreate", "pvremove"),
    *("lvcreate", "lvremove", "lvresize"),
)
SCRIPT = """#!/bin/sh
echo "$(basename "$0") $*" >> {log}
case "$(basename "$0")" in
  lvcreate) truncate -s 4M {place}/$(echo "$*" | sed 's/.*--name \\([^ ]*\\).*/\\1/') ;;
  lvremove) rm -f "$2" ;;
esac
test ! -f {answers}/$(basename "$0") || cat {answers}/$(basename "$0")
test ! -f {answers}/$(basename "$0").fails || {{ echo "it failed" >&2; exit 5; }}
"""


class Lvm:
    """The played LVM."""

    def __init__(self, directory: Path) -> None:
        self.answers, self.place = directory / "answers", directory / "vg"
        self.log, programs = directory / "log", directory / "bin"
        for made in (self.answers, self.place, programs):
            made.mkdir()
        for name in PROGRAMS:
            path = programs / name
            path.write_text(SCRIPT.format(log=self.log, answers=self.answers, place=self.place))
            path.chmod(0o755)
        self.path = f"{programs}:{os.environ['PATH']}"

    def answer(self, program: str, kind: str, *rows: dict[str, str]) -> None:
        (self.answers / program).write_text(json.dumps({"report": [{kind: list(rows)}]}))

    def fail(self, program: str) -> None:
        (self.answers / f"{program}.fails").touch()

    def asked(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def lvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lvm:
    lvm = Lvm(tmp_path)
    monkeypatch.setenv("PATH", lvm.path)
    return lvm


def pool(lvm: Lvm, *devices: str) -> StoragePool:
    source = Source(name="vg", devices=tuple(Device(path=path) for path in devices))
    return StoragePool(type="logical", name="p", source=source, target=Target(path=str(lvm.place)))


def placed(lvm: Lvm, text: str) -> Any:
    return BACKEND.placed(pool(lvm), parse_volume(f"<volume>{text}</volume>"))


def test_a_group_is_started_and_stopped(lvm: Lvm) -> None:
    BACKEND.start(pool(lvm))
    BACKEND.stop(pool(lvm))
    assert lvm.asked() == ["vgs --noheadings -o vg_name vg", "vgchange -aly vg", "vgchange -aln vg"]
    assert BACKEND.is_started(pool(lvm))
    lvm.place.rmdir()
    assert BACKEND.is_started(pool(lvm))  # a group without volumes
    lvm.fail("vgs")
    assert not BACKEND.is_started(pool(lvm))
    with pytest.raises(InternalError, match="cannot find volume group 'vg' of pool 'p': it failed"):
        BACKEND.start(pool(lvm))


def test_a_group_is_made_of_the_named_devices_or_they_are_given_back(lvm: Lvm) -> None:
    BACKEND.build(pool(lvm, "/dev/a", "/dev/b"), 0)
    BACKEND.delete(pool(lvm, "/dev/a"), 0)
    assert lvm.asked() == [
        *("pvcreate /dev/a", "pvcreate /dev/b", "vgcreate vg /dev/a /dev/b"),
        *("vgremove -f vg", "pvremove /dev/a"),
    ]
    BACKEND.build(pool(lvm, "/dev/a"), StoragePoolBuild.OVERWRITE)
    assert lvm.asked()[0] == "pvcreate -ff -y /dev/a"
    lvm.fail("vgcreate")
    with pytest.raises(InternalError, match="cannot make volume group"):
        BACKEND.build(pool(lvm, "/dev/a"), 0)
    assert lvm.asked()[-1] == "pvremove -f /dev/a"
    with pytest.raises(OperationInvalid, match="names no device"):
        BACKEND.build(pool(lvm), 0)


def test_volumes_and_sizes_are_read(lvm: Lvm) -> None:
    lvm.answer("vgs", "vg", {"vg_size": "1000", "vg_free": "400"})
    row = {"lv_size": "4194304", "origin": ""}
    lvm.answer(
        "lvs",
        "lv",
        {"lv_name": "a", "lv_uuid": "u-a", "lv_attr": "-wi-a-----", **row},
        {**row, "lv_name": "s", "lv_uuid": "u-s", "lv_attr": "swi-a-s---", "origin": "a"},
        {"lv_name": "thin", "lv_uuid": "u-t", "lv_attr": "twi-a-tz--", **row},
        {"lv_name": "inactive", "lv_uuid": "u-i", "lv_attr": "-wi-------", **row},
    )
    for name in ("a", "s"):
        (lvm.place / name).write_bytes(b"QFI\xfb" + bytes(4 << 20))
    found = BACKEND.refresh(pool(lvm))
    sizes = found.pool
    assert (sizes.capacity, sizes.allocation, sizes.available) == (1000, 600, 400)
    assert [(each.name, each.key, each.format) for each in found.volumes] == [
        ("a", "u-a", "raw"),
        ("s", "u-s", "raw"),
    ]
    below = found.volumes[1].backing_store
    assert below is not None and below.path == str(lvm.place / "a")


def test_groups_of_the_host_are_found(lvm: Lvm) -> None:
    lvm.answer(
        "pvs",
        "pv",
        {"pv_name": "/dev/a", "vg_name": "one"},
        {"pv_name": "/dev/b", "vg_name": "one"},
        {"pv_name": "/dev/c", "vg_name": ""},
    )
    text = BACKEND.find_sources(None)
    assert text.count("<source>") == 1 and text.count("<device") == 2
    assert "<name>one</name>" in text


def test_volumes_are_made_resized_and_removed(lvm: Lvm) -> None:
    store = Forgetful()
    whole = placed(lvm, "<name>v</name><capacity>4194304</capacity>")
    thin = placed(lvm, "<name>w</name><capacity>4194304</capacity><allocation>1024</allocation>")
    below = f"<backingStore><path>{lvm.place}/v</path></backingStore>"
    snapshot = placed(lvm, f"<name>x</name><capacity>4194304</capacity>{below}")
    for volume in (whole, thin, snapshot):
        BACKEND.create(volume, store, preallocate=False)
    BACKEND.resize(whole, 8 << 20, 0)
    BACKEND.remove(whole, 0)
    place = lvm.place
    assert lvm.asked() == [
        "lvcreate -y --name v -L 4096K vg",
        "lvcreate -y --name w -L 1K --type snapshot --virtualsize 4096K vg",
        f"lvcreate -y --name x -L 4096K -s {place}/v",
        f"lvresize -f -L 8192K {place}/v",
        f"lvremove -f {place}/v",
    ]
    found = BACKEND.refreshed(thin)
    assert found is not None and found.capacity == 4 << 20 and found.format == "raw"


def test_a_copy_that_fails_is_removed(lvm: Lvm, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1 << 20))
    here = StoragePool(type="logical", target=Target(path=str(tmp_path)))
    text = "<volume><name>source</name><capacity>1048576</capacity></volume>"
    original = BACKEND.placed(here, parse_volume(text))
    copy = placed(lvm, "<name>c</name><capacity>1048576</capacity>")
    BACKEND.clone(original, copy, Forgetful(), 0, ())
    assert (lvm.place / "c").read_bytes()[: 1 << 20] == source.read_bytes()
    source.unlink()
    with pytest.raises(SystemCallFailed, match="cannot copy"):
        BACKEND.clone(original, copy, Forgetful(), 0, ())
    assert not (lvm.place / "c").exists()
    assert original.target is not None
    target = dataclasses.replace(original.target, format="qcow2")
    with pytest.raises(OperationFailed, match="only raw ones"):
        BACKEND.clone(dataclasses.replace(original, target=target), copy, Forgetful(), 0, ())


def test_a_copy_that_can_not_be_opened_leaves_nothing_open(lvm: Lvm, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    here = StoragePool(type="logical", target=Target(path=str(tmp_path)))
    text = "<volume><name>source</name><capacity>1048576</capacity></volume>"
    original = BACKEND.placed(here, parse_volume(text))
    (lvm.place / "c").mkdir()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(SystemCallFailed, match="cannot copy"):
        BACKEND.clone(
            original, placed(lvm, "<name>c</name><capacity>4096</capacity>"), Forgetful(), 0, ()
        )
    assert os.listdir("/proc/self/fd") == before
