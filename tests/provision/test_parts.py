"""The parts images are made of: archives, partition tables, kernels, programs' errors."""

from __future__ import annotations

import gzip
import io
import shutil
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from virtory.provision import cpio, elf, gpt, programs, unpacking
from virtory.provision.errors import BuildFailed
from virtory.provision.kernel import Modules, bare_kernel


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_cpio_itself_reads_the_archive(tmp_path: Path) -> None:
    data = cpio.archive(
        {
            "init": cpio.Entry.file(b"#!/bin/sh\n", 0o755),
            "etc/deep/er": cpio.Entry.file(b"x" * 1001),
            "bin/sh": cpio.Entry.symlink("busybox"),
        }
    )
    assert len(data) % 512 == 0
    argv = ["cpio", "-idm", "--quiet", "--no-absolute-filenames"]
    subprocess.run(argv, input=data, cwd=tmp_path, check=True)
    assert (tmp_path / "etc/deep/er").read_bytes() == b"x" * 1001
    assert (tmp_path / "bin/sh").readlink() == Path("busybox")
    assert stat.S_IMODE((tmp_path / "init").stat().st_mode) == 0o755


def test_the_same_table_gives_the_same_bytes_in_any_order() -> None:
    one, two = cpio.Entry.file(b"1"), cpio.Entry.directory()
    assert cpio.archive({"a/b": one, "c": two}) == cpio.archive({"c": two, "a/b": one})


def _table(data: bytes, at: int) -> tuple[int, ...]:
    return struct.unpack_from("<8sIIIIQQQQ16sQIII", data, at * gpt.SECTOR)  # type: ignore[return-value]


def test_both_partition_tables_agree_and_their_checksums_hold(tmp_path: Path) -> None:
    import zlib

    path = tmp_path / "disk"
    parts = [
        gpt.Partition(1, gpt.LINUX_ROOT_X86_64, 4 * gpt.MIB, 8 * gpt.MIB, "root"),
        gpt.Partition(15, gpt.EFI_SYSTEM, 1 * gpt.MIB, 2 * gpt.MIB, "ESP"),
    ]
    gpt.write(path, 16 * gpt.MIB, parts)
    data = path.read_bytes()
    assert len(data) == 16 * gpt.MIB and data[510:512] == b"\x55\xaa" and data[450] == 0xEE
    last = 16 * gpt.MIB // gpt.SECTOR - 1
    first_copy, second_copy = _table(data, 1), _table(data, last)
    for header, here, other in ((first_copy, 1, last), (second_copy, last, 1)):
        assert (header[0], header[5], header[6]) == (b"EFI PART", here, other)
        raw = bytearray(data[here * gpt.SECTOR : here * gpt.SECTOR + 92])
        raw[16:20] = bytes(4)
        assert zlib.crc32(raw) == header[3]
        entries = data[header[10] * gpt.SECTOR :][: 128 * 128]
        assert zlib.crc32(entries) == header[13]
        assert struct.unpack_from("<QQ", entries, 32) == (8192, 8192 + 16384 - 1)
        assert entries[14 * 128 :][:16] == gpt.EFI_SYSTEM.bytes_le
    with pytest.raises(ValueError, match="does not fit"):
        gpt.write(path, 11 * gpt.MIB, parts)


def _bzimage(payload: bytes) -> bytes:
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x1FE:0x200] = b"\x55\xaa"
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    return bytes(head) + payload


def _elf(note: int = 18) -> bytes:
    return b"\x7fELF" + bytes(60) + struct.pack("<III", 4, 4, note) + b"Xen\0" + bytes(64)


def test_the_kernel_inside_a_bzimage_is_taken_out_when_qemu_can_enter_it() -> None:
    kernel = _elf()
    assert bare_kernel(_bzimage(gzip.compress(kernel))) == kernel
    other = _elf(note=6)
    assert bare_kernel(_bzimage(gzip.compress(other))) is None
    assert bare_kernel(b"") is None
    assert bare_kernel(_bzimage(b"rubbish" * 9)) is None


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    needs = {"virtio-net": "net_failover,virtio", "net_failover": "failover", "failover": "",
             "virtio": "", "lonely": ""}  # fmt: skip
    for name, others in needs.items():
        (tmp_path / f"{name}.ko").write_bytes(b"\x7fELF\0depends=" + others.encode() + b"\0x=y\0")
    modules = Modules(tmp_path)
    order = modules.in_order(["virtio_net", "no-such-module"])
    assert order == ["failover", "net_failover", "virtio", "virtio_net"]
    assert "virtio-net" in modules and "other" not in modules


def test_the_libraries_of_a_program_are_those_the_loader_sees() -> None:
    program = Path(shutil.which("qemu-img") or "/bin/sh")
    names = elf.needed(program.read_bytes())
    assert "libc.so.6" in names and any("ld-linux" in name for name in names)
    assert elf.needed(b"#!/bin/sh\n") == []


def test_missing_programs_are_named_together_with_their_packages() -> None:
    with pytest.raises(BuildFailed, match=r"no-such-a, no-such-b.*apt install no-such-a no-such-b"):
        programs.require("sh", "no-such-a", "no-such-b")


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(BuildFailed, match="could not try: sh ended with 3: first / second"):
        programs.run(["sh", "-c", "echo first >&2; echo second >&2; exit 3"], doing="try")
    assert programs.run(["sh", "-c", "echo out"], doing="try") == "out\n"


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> tarfile.TarFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer, mode="r|")


def _link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member, b""


def test_members_of_an_archive_become_files_without_set_id_bits_on_any_python(
    tmp_path: Path,
) -> None:
    program = tarfile.TarInfo("./usr/bin/su")
    program.mode = 0o4777
    with _archive((program, b"run"), _link("./bin", "usr/bin")) as archive:
        for member in archive:
            unpacking.extract(archive, member, tmp_path)
    assert (tmp_path / "bin" / "su").read_bytes() == b"run"
    assert stat.S_IMODE((tmp_path / "usr/bin/su").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["../out", "/tmp/out-of-here", "there/out", "."])
def test_members_that_lead_out_of_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    with _archive(_link("there", str(outside)), (tarfile.TarInfo(name), b"evil")) as archive:
        for member in archive:
            if member.issym():
                unpacking.extract(archive, member, target)
                continue
            with pytest.raises(BuildFailed, match="leads out of its directory"):
                unpacking.extract(archive, member, target)
    assert list(outside.iterdir()) == []
