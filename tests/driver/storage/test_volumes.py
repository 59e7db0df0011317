"""Volumes of a directory: made whole or not at all, and told as they are."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from virtory.driver import image_lock
from virtory.driver.storage import unnamed, wiping
from virtory.driver.store import Intent
from virtory.errors import (
    ArgumentUnsupported,
    ConfigUnsupported,
    InternalError,
    InvalidArgument,
    NotSupported,
    OperationInvalid,
    OperationUnsupported,
    ResourceBusy,
    StorageVolumeNotFound,
    SystemCallFailed,
    VirtoryError,
)
from virtory.model.image_format import new_qcow2
from virtory.model.list_flags import StorageVolumeCreate, StorageVolumeResize

QEMU_IMG = shutil.which("qemu-img")
pytestmark = pytest.mark.skipif(QEMU_IMG is None, reason="qemu-img is not installed")


def info(path: Path | str) -> Any:
    shown = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", str(path)], check=True, capture_output=True
    )
    return json.loads(shown.stdout)


def check(path: Path | str) -> None:
    subprocess.run(["qemu-img", "check", "-q", str(path)], check=True)


@pytest.mark.parametrize(
    "format", ["raw", "qcow2", "qcow", "vmdk", "vdi", "vpc", "vhdx", "qed", "iso", "dir"]
)
async def test_a_volume_of_each_format_is_made_found_and_deleted(host: Any, format: str) -> None:
    pool = await host.pool()
    ref = await host.volume(pool, "v", format=format)
    path = host.directory / "p" / "v"
    if format == "dir":
        assert path.is_dir()
    elif format not in ("raw", "iso"):
        assert info(path)["format"] == format
    else:
        assert path.stat().st_size == 1 << 20 and path.stat().st_blocks == 0
    before = await host.storage.volume_xml(ref, 0)
    assert f"<format type='{format}'/>" in before
    await host.storage.refresh_pool(pool, 0)
    after = await host.storage.volume_info(ref, 0)
    assert format in ("dir", "vpc", "vhdx") or after.capacity == 1 << 20
    assert path.stat().st_mode & 0o777 == 0o600
    await host.storage.delete_volume(ref, 0)
    assert not path.exists() and host.names(pool) == []


async def test_options_of_qcow2_are_followed(host: Any) -> None:
    pool = await host.pool()
    for name, target, flags, expected in (
        ("a", "", 0, {"compat": "0.10"}),
        ("b", "<compat>1.1</compat>", 0, {"compat": "1.1"}),
        ("c", "<features><lazy_refcounts/></features>", 0, {"lazy-refcounts": True}),
        ("d", "<features><extended_l2/></features>", 0, {"extended-l2": True}),
        ("e", "", StorageVolumeCreate.PREALLOC_METADATA, {"compat": "0.10"}),
        ("f", "<clusterSize unit='KiB'>4</clusterSize>", 0, {"compat": "0.10"}),
        ("g", "<nocow/>", 0, {"compat": "0.10"}),
    ):
        xml = (
            f"<volume><name>{name}</name><capacity unit='MiB'>8</capacity>"
            "<allocation>0</allocation>"
            f"<target><format type='qcow2'/>{target}</target></volume>"
        )
        await host.storage.create_volume(pool, xml, flags)
        path = host.directory / "p" / name
        found = info(path)["format-specific"]["data"]
        assert expected.items() <= found.items(), name
        check(path)
    assert info(host.directory / "p" / "f")["cluster-size"] == 4096
    assert (host.directory / "p" / "e").stat().st_size > 8 << 20


async def test_rights_are_followed(host: Any) -> None:
    pool = await host.pool()
    mine = f"<owner>{os.getuid()}</owner><group>{os.getgid()}</group>"
    xml = (
        "<volume><name>v</name><capacity>512</capacity><target><permissions><mode>0644</mode>"
        f"{mine}</permissions></target></volume>"
    )
    ref = await host.storage.create_volume(pool, xml, 0)
    assert (host.directory / "p/v").stat().st_mode & 0o777 == 0o644
    await host.storage.create_volume(
        pool, xml.replace("<name>v<", "<name>d<").replace("<perm", "<format type='dir'/><perm"), 0
    )
    assert (host.directory / "p/d").stat().st_mode & 0o777 == 0o644
    assert "<mode>0644</mode>" in await host.storage.volume_xml(ref, 0)


async def test_an_image_on_another_takes_its_size_from_it(host: Any) -> None:
    pool = await host.pool()
    base = await host.volume(pool, "base", 3 << 20)
    below = f"<backingStore><path>{base.key}</path><format type='raw'/></backingStore>"
    xml = f"<volume><name>v</name><target><format type='qcow2'/></target>{below}</volume>"
    ref = await host.storage.create_volume(pool, xml, 0)
    found = info(ref.key)
    assert (found["virtual-size"], found["backing-filename"]) == (3 << 20, base.key)
    assert f"<path>{base.key}</path>" in await host.storage.volume_xml(ref, 0)
    with pytest.raises(SystemCallFailed, match="inaccessible backing store volume /nix"):
        await host.volume(
            pool, "w", format="qcow2", more="<backingStore><path>/nix</path></backingStore>"
        )
    with pytest.raises(NotSupported):
        await host.volume(pool, "w", more=below)
    assert host.names(pool) == ["base", "v"]


async def test_what_others_stand_on_or_have_open_is_neither_changed_nor_deleted(host: Any) -> None:
    pool = await host.pool()
    storage, flags = host.storage, StorageVolumeResize
    base = await host.volume(pool, "base")
    overlay = host.directory / "p" / "made by hand"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base.key, "-F", "raw", overlay],
        check=True,
    )
    refused = [
        lambda: storage.delete_volume(base, 0),
        lambda: storage.wipe_volume(base, wiping.ZERO, 0),
        lambda: storage.upload_volume(base, 0, 0, 0),
        lambda: storage.resize_volume(base, 1 << 19, flags.SHRINK),
    ]
    for call in refused:
        with pytest.raises(OperationInvalid, match="still in use: it is below the image"):
            await call()
    await storage.resize_volume(base, 2 << 20, 0)
    overlay.unlink()
    with open(base.key, "r+b") as file:
        assert image_lock.take(file.fileno())
        for call in (*refused[1:], lambda: storage.resize_volume(base, 3 << 20, 0)):
            with pytest.raises(OperationInvalid, match="or another program has it open"):
                await call()
    stream = await storage.upload_volume(base, 0, 0, 0)
    with open(base.key, "r+b") as file:
        assert not image_lock.take(file.fileno())
    with pytest.raises(OperationInvalid, match="'base' of storage pool 'p' is still in use"):
        await storage.destroy_pool(pool)
    stream.close()
    await storage.destroy_pool(pool)


async def test_a_name_below_is_one_beside_the_new_image(host: Any) -> None:
    pool = await host.pool()
    await host.volume(pool, "base", format="qcow2")
    below = "<backingStore><path>base</path><format type='qcow2'/></backingStore>"
    xml = f"<volume><name>v</name><target><format type='qcow2'/></target>{below}</volume>"
    ref = await host.storage.create_volume(pool, xml, 0)
    found = info(ref.key)
    assert (found["virtual-size"], found["backing-filename"]) == (1 << 20, "base")


async def test_numbers_beyond_every_file_are_refused(host: Any) -> None:
    pool = await host.pool()
    ref = await host.volume(pool, "v")
    for number in (1 << 63, (1 << 64) - 1):
        with pytest.raises(SystemCallFailed, match=r"Failed to truncate file .*Invalid argument"):
            await host.storage.resize_volume(ref, number, 0)
        for call in (host.storage.download_volume, host.storage.upload_volume):
            with pytest.raises(SystemCallFailed, match=rf"Unable to seek .* to {number}: Invalid"):
                await call(ref, number, 0, 0)
    await host.storage.delete_volume(ref, 0)


async def test_a_volume_that_became_a_pipe_is_not_waited_for(host: Any) -> None:
    pool = await host.pool()
    ref = await host.volume(pool, "v")
    os.unlink(ref.key)
    os.mkfifo(ref.key)
    with pytest.raises(SystemCallFailed, match="Invalid argument"):
        await host.storage.download_volume(ref, 0, 0, 0)


async def test_a_loop_of_images_is_refused(host: Any) -> None:
    pool = await host.pool()
    first = await host.volume(pool, "a", format="qcow2")
    below = "<backingStore><path>{}</path><format type='qcow2'/></backingStore>"
    second = await host.volume(pool, "b", format="qcow2", more=below.format(first.key))
    with pytest.raises(OperationInvalid, match=f"below the image '{second.key}'"):
        await host.storage.delete_volume(first, 0)
    Path(first.key).unlink()
    await host.storage.delete_volume(first, 0)
    with pytest.raises(OperationInvalid, match="would be below itself"):
        await host.volume(pool, "a", format="qcow2", more=below.format(second.key))


async def test_what_a_guest_wrote_into_a_raw_image_is_shown_and_not_followed(host: Any) -> None:
    pool = await host.pool()
    secret = host.directory / "secret"
    secret.write_bytes(b"the host's own" + bytes(600))
    ref = await host.volume(pool, "v")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", ref.key], check=True
    )
    await host.storage.refresh_pool(pool, 0)
    assert str(secret) in await host.storage.volume_xml(ref, 0)
    copy = "<volume><name>copy</name><target><format type='raw'/></target></volume>"
    with pytest.raises(OperationUnsupported, match="which is in no active pool"):
        await host.storage.clone_volume(pool, copy, ref, 0)
    assert host.names(pool) == ["v"]
    assert os.listdir(host.directory / "p") == ["v"]


async def test_names_that_are_taken_or_impossible_are_refused(host: Any) -> None:
    pool = await host.pool()
    await host.volume(pool, "v")
    with pytest.raises(VirtoryError) as caught:
        await host.volume(pool, "v")
    assert caught.value.code == 90
    (host.directory / "p" / "unseen").write_text("the user's")
    for format in ("raw", "qcow2", "vmdk", "dir"):
        with pytest.raises(OperationInvalid, match=r"unseen' already exists"):
            await host.volume(pool, "unseen", format=format)
    assert (host.directory / "p" / "unseen").read_text() == "the user's"
    with pytest.raises(OperationInvalid, match="begins as those of volumes that are being made"):
        await host.volume(pool, ".virtory-new-x")
    with pytest.raises(OperationInvalid, match="cannot contain '/'"):
        await host.volume(pool, "../v")
    with pytest.raises(ConfigUnsupported, match="unknown volume format type nix"):
        await host.volume(pool, "w", format="nix")


async def test_a_file_that_appears_meanwhile_is_not_replaced(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await host.pool()
    path = host.directory / "p" / "v"
    program = host.directory / "qemu-img"  # makes the image, and the user another meanwhile
    program.write_text(f'#!/bin/sh\nprintf %s "theirs" > {path}\nexec {QEMU_IMG} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{host.directory}:{os.environ['PATH']}")
    with pytest.raises(OperationInvalid, match="already exists"):
        await host.volume(pool, "v", format="vdi")
    assert path.read_text() == "theirs"
    assert host.names(pool) == []


@pytest.mark.parametrize("format", ["qcow2", "vdi"])
async def test_a_failure_leaves_nothing(host: Any, format: str) -> None:
    pool = await host.pool()
    features = "<compat>1.1</compat><features><extended_l2/></features>"  # only qemu-img makes them
    xml = (
        f"<volume><name>v</name><capacity>{1 << 62}</capacity><target><format type='{format}'/>"
        f"{features if format == 'qcow2' else ''}</target></volume>"
    )
    with pytest.raises(InternalError, match=f"cannot create {format} image"):
        await host.storage.create_volume(pool, xml, 0)
    assert os.listdir(host.directory / "p") == []
    await host.volume(pool, "v", format=format)


async def test_without_unnamed_files_a_daemon_that_ended_is_tidied_after(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await host.pool()
    # As a kernel or a file system without them answers: EISDIR.
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_EXCL)
    await host.volume(pool, "v", format="vmdk")
    assert os.listdir(host.directory / "p") == ["v"]
    left = host.directory / "p" / f"{unnamed.UNFINISHED}00"
    left.write_bytes(b"half")
    await host.store.save(Intent(b"k" * 16, unnamed.KIND, json.dumps({"path": str(left)})))
    await host.again()
    assert not left.exists() and host.names(pool) == ["v"]


async def test_a_volume_is_made_larger_and_with_a_flag_smaller(host: Any) -> None:
    pool = await host.pool()
    flags = StorageVolumeResize
    for format in ("raw", "qcow2"):
        ref = await host.volume(pool, format, 4 << 20, format)

        async def capacity(ref: Any = ref) -> int:
            return int((await host.storage.volume_info(ref, 0)).capacity)

        await host.storage.resize_volume(ref, 8 << 20, 0)
        assert await capacity() == 8 << 20
        await host.storage.resize_volume(ref, 1 << 20, flags.DELTA)
        assert await capacity() == 9 << 20
        with pytest.raises(InvalidArgument, match="unless shrink flag"):
            await host.storage.resize_volume(ref, 2 << 20, 0)
        await host.storage.resize_volume(ref, 2 << 20, flags.SHRINK)
        await host.storage.resize_volume(ref, 1 << 20, flags.SHRINK | flags.DELTA)
        assert await capacity() == 1 << 20
    check(host.directory / "p/qcow2")
    raw, qcow2 = (host.storage.volume_by_name(pool, name) for name in ("raw", "qcow2"))
    await host.storage.resize_volume(raw, 2 << 20, flags.ALLOCATE)
    assert (host.directory / "p/raw").stat().st_blocks * 512 >= 1 << 20
    with pytest.raises(OperationUnsupported):
        await host.storage.resize_volume(qcow2, 2 << 20, flags.ALLOCATE)


async def test_a_wipe_leaves_zeroes_and_one_that_was_cut_off_is_finished(host: Any) -> None:
    pool = await host.pool()
    ref = await host.volume(pool, "v")
    path = host.directory / "p" / "v"
    for algorithm in (wiping.ZERO, wiping.RANDOM):
        path.write_bytes(b"secret" * 1000)
        await host.storage.wipe_volume(ref, algorithm, 0)
        assert b"secret" not in path.read_bytes() and path.stat().st_size == 6000
    path.write_bytes(b"secret" * 1000)
    step = wiping.intention(str(path), 0)
    await host.store.save(Intent(b"k" * 16, wiping.KIND, step))
    await host.again()
    with pytest.raises(OperationInvalid, match="still in use"):
        await host.storage.delete_volume(ref, 0)
    await host.storage.idle()
    assert path.read_bytes() == bytes(6000)
    with pytest.raises(ArgumentUnsupported):
        await host.storage.wipe_volume(ref, wiping.TRIM, 0)
    with pytest.raises(InvalidArgument):
        await host.storage.wipe_volume(ref, 99, 0)


async def test_copies_hold_the_same_and_holes_stay_holes(host: Any) -> None:
    first, second = await host.pool("one"), await host.pool("two")
    source = await host.volume(first, "source", 8 << 20)
    with open(source.key, "r+b") as file:
        file.seek(4 << 20)
        file.write(os.urandom(1 << 20))
    for pool, name, format in (
        (first, "a", "raw"),
        (second, "b", "raw"),
        (second, "c", "qcow2"),
        (second, "d", "vmdk"),
    ):
        copy = f"<volume><name>{name}</name><target><format type='{format}'/></target></volume>"
        ref = await host.storage.clone_volume(pool, copy, source, 0)
        compare = ["qemu-img", "compare", "-q", "-f", "raw", "-F", format, source.key, ref.key]
        subprocess.run(compare, check=True)
        assert os.stat(ref.key).st_blocks * 512 < 4 << 20
    between = host.storage.volume_by_name(second, "c")
    copy = "<volume><name>e</name><target><format type='qcow2'/></target></volume>"
    ref = await host.storage.clone_volume(first, copy, between, 0)
    check(ref.key)
    subprocess.run(["qemu-img", "compare", "-q", source.key, ref.key], check=True)
    size = 10 << 20
    sizes = f"<capacity>{size}</capacity><allocation>{size}</allocation>"
    whole = f"<volume><name>f</name>{sizes}</volume>"
    ref = await host.storage.clone_volume(first, whole, source, 0)
    assert os.stat(ref.key).st_size == size <= os.stat(ref.key).st_blocks * 512


async def test_an_image_that_qemu_writes_is_not_copied(host: Any) -> None:
    pool = await host.pool()
    ref = await host.volume(pool, "v", format="qcow2")
    qemu = await asyncio.create_subprocess_exec(
        *("qemu-io", "-f", "qcow2", ref.key),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert qemu.stdin is not None and qemu.stdout is not None
    qemu.stdin.write(b"write 0 4096\n")
    await qemu.stdout.readuntil(b"wrote")
    copy = "<volume><name>w</name><target><format type='qcow2'/></target></volume>"
    with pytest.raises(ResourceBusy, match="written by a running machine"):
        await host.storage.clone_volume(pool, copy, ref, 0)
    qemu.stdin.write(b"quit\n")
    await qemu.wait()
    await host.storage.clone_volume(pool, copy, ref, 0)
    assert host.names(pool) == ["v", "w"]


async def test_a_copy_reads_nothing_but_volumes_whatever_a_header_says(
    host: Any, tmp_path: Path
) -> None:
    pool = await host.pool()
    directory = host.directory / "p"
    secret = tmp_path / "secret"
    secret.write_bytes(b"classified".ljust(1 << 20, b"."))
    whole = "<volume><name>{}</name><target><format type='raw'/></target></volume>"

    async def copied(name: str) -> bytes:
        await host.storage.refresh_pool(pool, 0)
        source = host.storage.volume_by_name(pool, name)
        copy = whole.format(f"copy-of-{name}")
        ref = await host.storage.clone_volume(pool, copy, source, 0)
        data = (directory / f"copy-of-{name}").read_bytes()
        await host.storage.delete_volume(ref, 0)
        return data

    def image(name: str, backing: object, format: str | None = None) -> None:
        made = new_qcow2(1 << 20, backing=str(backing).encode(), backing_format=format)
        assert made is not None
        with open(directory / name, "wb") as file:
            for offset, piece in made.pieces:
                file.seek(offset)
                file.write(piece)
            file.truncate(made.length)

    image("outside", secret, "raw")
    with pytest.raises(OperationUnsupported, match="in no active pool"):
        await copied("outside")
    escaped = str(secret).replace("/", "\\u002f")
    image("json", f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{escaped}"}}}}')
    with pytest.raises(SystemCallFailed, match=r"cannot open .*json:"):
        await copied("json")
    image("guessed", "outside")  # QEMU alone would take "outside" for qcow2, and go on below it
    assert b"classified" not in await copied("guessed")
    image("far", secret, "raw")
    head = bytearray((directory / "far").read_bytes())
    head[40000 : 40000 + len(str(secret))] = str(secret).encode()
    head[8:16] = (40000).to_bytes(8, "big")
    (directory / "far").write_bytes(head)
    assert b"classified" not in await copied("far")
    made = ("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={secret},data_file_raw=on")
    subprocess.run([*made, directory / "apart", "1M"], check=True)
    secret.write_bytes(b"classified".ljust(1 << 20, b"."))
    image("above", "apart", "qcow2")
    for name in ("apart", "above"):
        with pytest.raises(OperationUnsupported, match="its data in another file"):
            await copied(name)
    image("below", "guessed", "qcow2")
    assert await copied("below") == await copied("guessed") != bytes(1 << 20)


async def test_what_is_no_file_or_has_no_name_is_no_volume(host: Any) -> None:
    pool = await host.pool()
    directory = host.directory / "p"
    os.mkfifo(directory / "pipe")
    os.symlink("nowhere", directory / "dangling")
    (directory / "line\nbreak").write_text("")
    (directory / os.fsdecode(b"\xff")).write_text("")
    (directory / "sub").mkdir()
    (directory / f"{unnamed.UNFINISHED}1").write_text("")
    os.symlink("sub", directory / "linked")
    await host.storage.refresh_pool(pool, 0)
    assert host.names(pool) == ["linked", "sub"]


async def test_lookups_and_a_file_that_has_gone(host: Any) -> None:
    pool = await host.pool()
    ref = await host.volume(pool, "v")
    storage = host.storage
    assert storage.volume_by_key(ref.key) == storage.volume_by_path(f"{ref.key}/") == ref
    assert storage.volume_path(ref) == ref.key
    assert storage.pool_of_volume(ref).uuid == pool
    assert storage.pool_by_path(f"{host.directory}/p/").uuid == pool
    for lookup in (storage.volume_by_key, storage.volume_by_path):
        with pytest.raises(StorageVolumeNotFound):
            lookup("/nix")
    os.unlink(ref.key)
    with pytest.raises(StorageVolumeNotFound, match="its file is gone"):
        await storage.volume_info(ref, 0)
    await storage.delete_volume(ref, 0)
    with pytest.raises(StorageVolumeNotFound):
        await storage.volume_info(ref, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_full_disk_leaves_nothing(host: Any, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", small], check=True)
    try:
        pool = await host.pool("full", path=small)
        xml = "<volume><name>v</name><capacity unit='MiB'>8</capacity></volume>"
        with pytest.raises(SystemCallFailed, match=r"No space left .*; free some space"):
            await host.storage.create_volume(pool, xml, 0)
        assert os.listdir(small) == [] and host.names(pool) == []
        other = await host.pool("other")
        source = await host.volume(other, "s", 8 << 20)
        with open(source.key, "r+b") as file:
            file.write(os.urandom(8 << 20))
        with pytest.raises(SystemCallFailed, match="No space left"):
            await host.storage.clone_volume(pool, xml, source, 0)
        assert os.listdir(small) == [] and host.names(pool) == []
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(SystemCallFailed, match=r"[Rr]ead-only"):
            await host.volume(pool, "w")
        await host.storage.destroy_pool(pool)
    finally:
        subprocess.run(["umount", small], check=True)
