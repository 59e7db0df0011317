"""`virtory image pull`: a disk image from a web server into the store, or an error and no trace.

The rule kept here: only bytes that match the checksum become an image, and its format is found by
content at this one moment; afterwards every definition states it.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import urllib.parse
from typing import TYPE_CHECKING

from virtory.provision.download import LARGEST, TIMEOUT_S, check_url, download, partial_name
from virtory.provision.errors import BadImage, DownloadFailed
from virtory.provision.images import DISK, Image, ImageStore, check_name
from virtory.provision.programs import require, run
from virtory.provision.qcow2 import check_harmless, detect
from virtory.provision.steps import Report, silent, step

if TYPE_CHECKING:
    from pathlib import Path

_ENDINGS = re.compile(r"(\.(qcow2|img|raw|xz|gz|zst))+$")
_CHECKSUM = re.compile(r"(sha256):([0-9a-fA-F]{64})|(sha512):([0-9a-fA-F]{128})")
_USERS = {
    "debian": "debian",
    "ubuntu": "ubuntu",
    "fedora": "fedora",
    "centos": "cloud-user",
    "rhel": "cloud-user",
    "rocky": "rocky",
    "alma": "almalinux",
    "arch": "arch",
    "alpine": "alpine",
    "opensuse": "opensuse",
    "freebsd": "freebsd",
}
_BLOCK = 1 << 20
_MOST_WORDS = 2000
_UNPACKERS = {
    b"\xfd7zXZ": ["xz", "-dcq", "--memlimit-decompress=512MiB"],
    b"\x1f\x8b": ["gzip", "-dcq"],
    b"\x28\xb5\x2f\xfd": ["zstd", "-dcq", "--memory=512MB"],
}
"""How a file begins, and what unpacks it."""


def pull(
    url: str,
    store: ImageStore,
    report: Report = silent,
    *,
    name: str | None = None,
    checksum: str | None = None,
    user: str | None = None,
    replace: bool = False,
    largest: int = LARGEST,
    timeout_s: float = TIMEOUT_S,
) -> Image:
    """Fetch a qcow2 or raw image (also .xz, .gz, .zst) into the store under `name`.

    `checksum` is "sha256:…" or "sha512:…" of the file on the server. `user` is the account that
    takes the SSH key; None guesses from the name.
    """
    check_url(url)
    name = name or name_of(url)
    check_name(name)
    wanted = _parsed(checksum) if checksum else None
    with store.adding(name, replace=replace) as place:
        with step("download", report):
            arrived = download(
                url,
                store.directory / partial_name(url, name),
                report,
                largest=largest,
                timeout_s=timeout_s,
            )
        try:
            if wanted is not None:
                with step("verify the checksum", report):
                    _verify(arrived, wanted, url)
            with step("unpack and check", report):
                _import(arrived, place, largest)
        finally:
            arrived.unlink(missing_ok=True)
        with step("checksum and catalogue entry", report):
            return store.publish(
                place,
                Image(
                    name=name,
                    directory=place,
                    origin=url,
                    user=user or guess_user(name),
                    firmware="bios",
                    facts={"verified": checksum or "no checksum was given"},
                ),
            )


def name_of(url: str) -> str:
    """The last part of the address, without what says its format."""
    last = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rstrip("/").rpartition("/")[2])
    return _ENDINGS.sub("", last)


def guess_user(name: str) -> str:
    """The default account of well-known distributions' cloud images; root for others."""
    return next((user for word, user in _USERS.items() if word in name.lower()), "root")


def _parsed(checksum: str) -> tuple[str, str]:
    match = _CHECKSUM.fullmatch(checksum.strip())
    if match is None:
        raise DownloadFailed(
            f"'{checksum}' is not a checksum", cure="write sha256: or sha512: and the hex digits"
        )
    return match[1] or match[3], (match[2] or match[4]).lower()


def _verify(path: Path, wanted: tuple[str, str], url: str) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, wanted[0]).hexdigest()
    if found != wanted[1]:
        raise DownloadFailed(
            f"what {url} sent has the {wanted[0]} {found}, and {wanted[1]} was expected",
            cure="do not use it: ask the publisher, or get the current checksum",
        )


def _import(arrived: Path, place: Path, largest: int) -> None:
    disk = place / DISK
    unpacked = _unpacked(arrived, place / "unpacked", largest)
    if detect(unpacked) == "qcow2":
        check_harmless(unpacked)
        run(
            ["qemu-img", "check", "-q", "-f", "qcow2", unpacked],
            doing=f"check {arrived.name}: it is damaged",
        )
        os.replace(unpacked, disk)
        return
    run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", unpacked, disk],
        doing="convert the raw image",
    )
    unpacked.unlink()


def _unpacked(source: Path, target: Path, largest: int) -> Path:
    with open(source, "rb") as file:
        magic = file.read(6)
    for beginning, program in _UNPACKERS.items():
        if magic.startswith(beginning):
            _unpack(program, source, target, largest)
            return target
    os.replace(source, target)
    return target


def _unpack(program: list[str], source: Path, target: Path, largest: int) -> None:
    """Write what `program` makes of the file, with holes for its zeroes, and at most `largest`."""
    require(program[0])
    size = 0
    with (
        open(source, "rb") as packed,
        tempfile.TemporaryFile() as said,
        open(target, "wb") as file,
        subprocess.Popen(program, stdin=packed, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        assert process.stdout is not None
        while block := process.stdout.read(_BLOCK):
            size += len(block)
            if size > largest:
                process.kill()
                raise BadImage(f"the file unpacks to more than {largest} bytes")
            if block.count(0) == len(block):
                file.seek(size)
            else:
                file.write(block)
        file.truncate(size)
        if process.wait():
            said.seek(0)
            words = said.read(_MOST_WORDS).decode(errors="replace").strip()
            raise BadImage(f"the compressed file is damaged: {words or program[0]}")
