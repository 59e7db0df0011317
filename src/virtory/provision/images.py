"""The image store: one directory for each image, holding its disk, its kernel and its facts.

The rule kept here: an image appears whole or not at all. It is made in a hidden directory beside
the others and renamed into place; a lock for each name keeps two builders apart.

    <images>/<name>/image.json     the catalogue entry (this file's `Image`)
    <images>/<name>/disk.qcow2     never written again once it is there: machines overlay it
    <images>/<name>/kernel, initrd for direct kernel boot, where the image has them
    <images>/.<name>.lock          held while the image is made or removed
    <images>/.new-<name>-*         being made; left by a crash, swept by the next maker
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virtory.provision import places
from virtory.provision.errors import BadImage, ImageInUse, ImageNotFound
from virtory.provision.qcow2 import backing_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENTRY = "image.json"
DISK = "disk.qcow2"
KERNEL = "kernel"
INITRD = "initrd"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Image:
    """A catalogue entry.

    Attributes:
        directory: where the image lives; the paths below are in it.
        origin: how it was made, for people: "built from Debian 12's packages", or its URL.
        virtual_size: bytes the guest sees; `file_size`: bytes of the disk file.
        checksum: "sha256:…" of the disk file, taken when it arrived.
        user: the account that the user's key opens.
        firmware: what can boot the disk by itself: "bios", "uefi" or "none".
        cloud_init: who reads the seed: "full" (cloud-init), "minimal" (the tiny image), "none".
        cmdline: kernel command line for direct boot; empty without a kernel.
        direct_boot: "never", "emulated" (where there is no KVM, for speed), or "always".
        min_memory: bytes below which the guest does not boot.
        facts: what else is worth knowing: kernel release, distribution, boot time …
        made: seconds since the epoch.
    """

    name: str
    directory: Path
    aliases: tuple[str, ...] = ()
    arch: str = "x86_64"
    origin: str = ""
    virtual_size: int = 0
    file_size: int = 0
    checksum: str = ""
    user: str = "root"
    firmware: str = "none"
    cloud_init: str = "full"
    cmdline: str = ""
    direct_boot: str = "never"
    min_memory: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    made: float = 0.0

    @property
    def disk(self) -> Path:
        return self.directory / DISK

    @property
    def kernel(self) -> Path | None:
        return _existing(self.directory / KERNEL)

    @property
    def initrd(self) -> Path | None:
        return _existing(self.directory / INITRD)

    def as_json(self) -> dict[str, Any]:
        """The entry as it is stored and as `--json` shows it, without its place."""
        entry = asdict(self)
        del entry["directory"]
        return entry


class ImageStore:
    """The images of one directory; other processes may add and remove at any time."""

    def __init__(self, directory: Path | None = None, machines: Path | None = None) -> None:
        """`directory` and `machines` default to the user's own (`places`)."""
        self.directory = directory or places.images_directory()
        self.machines = machines or places.machines_directory()

    def list(self) -> list[Image]:
        """Every image, by name; entries that can not be read are left out."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(self.directory)):
                if not name.startswith("."):
                    with contextlib.suppress(BadImage, OSError):
                        found.append(self._read(name))
        return found

    def find(self, name: str) -> Image:
        """The image with this name or alias; raises `ImageNotFound`."""
        if NAME.fullmatch(name) and (self.directory / name / ENTRY).exists():
            return self._read(name)
        images = self.list()
        for image in images:
            if name in image.aliases:
                return image
        from virtory.provision.recipes import RECIPES

        have = ", ".join(image.name for image in images) or "none"
        build = f"build it: virtory image build {name}"
        other = f"build one ({', '.join(RECIPES)}) or fetch one: virtory image pull URL"
        raise ImageNotFound(
            f"no image is called '{name}' (in {self.directory}: {have})",
            cure=build if name in RECIPES else other,
        )

    @contextlib.contextmanager
    def adding(self, name: str, replace: bool = False) -> Iterator[Path]:
        """A hidden directory to make the image in; `publish` it before the block ends.

        Raises `ImageInUse` when another process is making it, or when it exists and `replace` is
        False or machines stand on it.
        """
        check_name(name)
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._locked(name):
            if (self.directory / name).exists():
                if not replace:
                    raise ImageInUse(
                        f"an image called '{name}' exists already",
                        cure=f"remove it with 'virtory image rm {name}', or choose another name",
                    )
                self._refuse_when_used(name)
            for stale in self.directory.glob(f".new-{name}-*"):
                shutil.rmtree(stale, ignore_errors=True)
            place = Path(tempfile.mkdtemp(prefix=f".new-{name}-", dir=self.directory))
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)

    def publish(self, place: Path, image: Image) -> Image:
        """Put the image made in `place` (of `adding`) under its name; returns it with sizes."""
        from virtory.provision.qcow2 import sha256, virtual_size

        entry = {
            **image.as_json(),
            "virtual_size": virtual_size(place / DISK),
            "file_size": os.path.getsize(place / DISK),
            "checksum": sha256(place / DISK),
            "made": time.time(),
        }
        with open(place / ENTRY, "w", encoding="utf-8") as file:
            json.dump(entry, file, indent=2)
            file.write("\n")
        for path in place.iterdir():
            path.chmod(0o644)
            _sync(path)
        place.chmod(0o755)
        final = self.directory / image.name
        if final.exists():
            old = place.with_name(f"{place.name}-old")
            final.rename(old)
            place.rename(final)
            shutil.rmtree(old, ignore_errors=True)
        else:
            place.rename(final)
        _sync(self.directory)
        return self._read(image.name)

    def remove(self, name: str) -> Image:
        """Remove an image that no machine uses; raises `ImageInUse` naming those that do."""
        image = self.find(name)
        with self._locked(image.name):
            self._refuse_when_used(image.name)
            doomed = self.directory / f".new-{image.name}-removed"
            image.directory.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        return image

    def users(self, name: str) -> Sequence[str]:
        """Machines whose disk is an overlay of the image, read from the disks themselves."""
        disk = os.path.realpath(self.directory / name / DISK)
        users = set()
        for path in self.machines.glob("*/*.qcow2"):
            with contextlib.suppress(BadImage, OSError):
                if os.path.realpath(backing_file(path) or "") == disk:
                    users.add(path.parent.name)
        return sorted(users)

    def _refuse_when_used(self, name: str) -> None:
        users = self.users(name)
        if users:
            raise ImageInUse(
                f"image '{name}' is the base of the disk of: {', '.join(users)}",
                cure=f"remove these machines first: virtory rm {shlex.join(users)}",
            )

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with open(self.directory / f".{name}.lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ImageInUse(
                    f"another process is making or removing image '{name}' at this moment",
                    cure="wait for it to end, then try again",
                ) from None
            yield

    def _read(self, name: str) -> Image:
        directory = self.directory / name
        try:
            entry = json.loads((directory / ENTRY).read_text(encoding="utf-8"))
            entry["aliases"] = tuple(entry.get("aliases", ()))
            known = {key: entry[key] for key in Image.__slots__ if key in entry}
            return Image(**{**known, "name": name, "directory": directory})
        except (ValueError, TypeError, AttributeError) as error:
            raise BadImage(
                f"the catalogue entry {directory / ENTRY} can not be read: {error}",
                cure=f"remove the directory {directory} and make the image again",
            ) from None


def check_name(name: str) -> None:
    """Raise `BadImage` for a name that can not be a directory's."""
    if not NAME.fullmatch(name):
        raise BadImage(
            f"'{name}' can not name an image",
            cure="use at most 64 letters, digits and . _ + -, beginning with a letter or digit",
        )


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
