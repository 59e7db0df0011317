"""Probing a QEMU binary, and keeping its answers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from cases import qemu_7_2

from virtory.driver.qemu.capabilities import (
    Capabilities,
    _features_of,
    capabilities_of,
    load,
    probe,
    save,
    with_cpu_features,
)
from virtory.errors import ConfigUnsupported, InternalError, OpenFailed

if TYPE_CHECKING:
    from pathlib import Path

QEMU = shutil.which("qemu-system-x86_64") or "/usr/bin/qemu-system-x86_64"
NOBODY = (65534, 65534, ()) if os.geteuid() == 0 else None


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_machine_types_are_found_by_name_alias_and_default() -> None:
    found = qemu_7_2()
    assert found.canonical_machine("q35").name == "pc-q35-7.2"
    assert found.canonical_machine("pc-i440fx-6.2").name == "pc-i440fx-6.2"
    assert found.canonical_machine(None).alias == "pc"
    assert found.canonical_machine("microvm").ram_id == "microvm.ram"


def test_a_wrong_machine_type_is_refused_with_a_near_one() -> None:
    with pytest.raises(ConfigUnsupported, match="pcc") as caught:
        qemu_7_2().canonical_machine("pcc")
    assert "'pc'" in str(caught.value)


def test_versions_are_libvirts_numbers() -> None:
    assert qemu_7_2().version_number == 7_002_022
    assert qemu_7_2().arch == "x86_64"


def test_answers_are_kept_and_hold_until_the_binary_changes(tmp_path: Path) -> None:
    binary = program(tmp_path / "qemu", "exit 0")
    from virtory.driver.qemu.capabilities import key_of

    data = {**qemu_7_2().data, "path": binary, "key": key_of(binary)}
    save(Capabilities(data), str(tmp_path / "cache"))
    assert load(binary, str(tmp_path / "cache")) == Capabilities(data)
    assert load(binary, str(tmp_path / "cache"), "other kvm") is None
    program(tmp_path / "qemu", "exit 1")
    os.utime(binary, ns=(0, 0))
    assert load(binary, str(tmp_path / "cache")) is None


@pytest.mark.parametrize("content", ["", "[]", '{"key": 1', "\x00"])
def test_a_broken_cache_is_no_cache(tmp_path: Path, content: str) -> None:
    binary = program(tmp_path / "qemu", "exit 0")
    save(Capabilities({**qemu_7_2().data, "path": binary}), str(tmp_path / "cache"))
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text(content)
    assert load(binary, str(tmp_path / "cache")) is None


def test_a_missing_binary_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(OpenFailed, match="qemu-nowhere") as caught:
        probe(str(tmp_path / "qemu-nowhere"))
    assert "apt install" in str(caught.value)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo it is broken >&2; exit 1", "it is broken"),
        ("echo hello", "is no QEMU"),
        ("exit 7", "status 7"),
    ],
)
def test_a_program_that_is_no_qemu_is_told_by_what_it_says(
    tmp_path: Path, script: str, said: str
) -> None:
    with pytest.raises(InternalError, match=said):
        probe(program(tmp_path / "qemu", script))


def test_a_file_that_can_not_be_executed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qemu").write_text("not a program")
    with pytest.raises(OpenFailed, match="can not be started"):
        probe(str(tmp_path / "qemu"))


@pytest.mark.guest
async def test_a_real_qemu_answers_as_a_user_without_rights(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    found = await capabilities_of(QEMU, cache, user=NOBODY)
    assert found.version >= (6, 2, 0)
    assert found.canonical_machine("q35").max_cpus >= 255
    assert found.has_device("virtio-blk-pci")
    assert found.has("blockdev-add/qcow2")
    assert found.has("netdev_add/user")
    assert "qemu64" in found.cpu_models("tcg")
    assert found.cpu_features("tcg", "max")
    assert await capabilities_of(QEMU, cache) == found
    assert Capabilities(json.loads(json.dumps(found.data))) == found


@pytest.mark.guest
async def test_features_of_another_cpu_model_are_asked_once(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    found = await capabilities_of(QEMU, cache, user=NOBODY)
    assert found.cpu_features("tcg", "Nehalem") is None
    more = await with_cpu_features(found, "tcg", "Nehalem", cache, user=NOBODY)
    features = more.cpu_features("tcg", "Nehalem")
    assert features is not None
    assert features["sse4.2"] is True
    assert features["avx"] is False
    assert load(QEMU, cache) == more


SLOWLY = """
import os, stat, subprocess, sys
if not stat.S_ISFIFO(os.fstat(1).st_mode):
    os.execv(sys.argv[1], sys.argv[1:])
reader, writer = os.pipe()
subprocess.run(sys.argv[1:], stdout=writer)
os.close(writer)
sys.stdout.buffer.write(open(reader, "rb").read())
"""


@pytest.mark.guest
def test_answers_are_whole_however_slowly_they_are_read(tmp_path: Path) -> None:
    """QEMU obeys `quit` while answers wait for room in a pipe, and loses them."""
    (tmp_path / "slowly").write_text(SLOWLY)
    script = f'exec {shlex.quote(sys.executable)} "{tmp_path}/slowly" {QEMU} "$@"'
    found = probe(program(tmp_path / "qemu", script))
    assert found.has("blockdev-add/qcow2") and found.cpu_features("tcg", "max")


def test_answers_that_are_not_whole_are_not_kept(tmp_path: Path) -> None:
    greeting = '{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}}}'
    said = f"echo '{greeting}'; echo '{{\"return\": {{}}, \"id\": 1}}'"
    with pytest.raises(InternalError, match="not all answers"):
        probe(program(tmp_path / "qemu", said))


def test_a_number_of_a_cpu_model_is_no_feature_of_it() -> None:
    told = {"model": {"props": {"avx": True, "stepping": 1, "xlevel2": 0, "vme": False}}}
    assert _features_of(told) == {"avx": True, "vme": False}
