"""Debian images: Debian's own packages, put together by mmdebstrap, without loop devices or root.

The rule kept here: the disk boots by itself under UEFI with a kernel the guest owns and upgrades;
kernel and a small initramfs are kept beside it for direct boot, which emulated guests need to be
quick.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from virtory.provision import gpt, packages
from virtory.provision.errors import BuildFailed
from virtory.provision.images import DISK, INITRD, KERNEL, Image, ImageStore
from virtory.provision.initramfs import initramfs
from virtory.provision.kernel import Modules, bare_kernel
from virtory.provision.programs import require, run
from virtory.provision.steps import Report, silent, step
from virtory.provision.unpacking import extract

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parent / "files" / "debian"
MIB = 1 << 20
ESP_START, ESP_SIZE = 2 * MIB, 64 * MIB
ROOT_START = ESP_START + ESP_SIZE
DISK_SIZE = 2048 * MIB
ROOT_SIZE = DISK_SIZE - ROOT_START - 2 * MIB
PACKAGES = (
    *("linux-image-cloud-amd64", "systemd-sysv", "udev", "dbus", "libpam-systemd"),
    *("systemd-resolved", "cloud-init", "openssh-server", "qemu-guest-agent", "iproute2"),
    *("netbase", "iputils-ping", "sudo", "e2fsprogs", "fdisk"),
    *("kmod", "cloud-guest-utils", "busybox-static", "zstd", "ca-certificates"),
    *("procps", "less", "vim-tiny"),
)
CMDLINE = (
    "console=ttyS0,115200 root=/dev/vda1 ro quiet no_timer_check tsc=reliable mitigations=off"
    " nokaslr cryptomgr.notests 8250.nr_uarts=2 i8042.noaux i8042.nokbd"
    " systemd.gpt_auto=0 systemd.show_status=1"
)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "VIRTORY_DEBIAN_MIRROR"
"""The environment's variable that names a mirror, where the host's apt knows none."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian release that can be built."""

    number: str
    codename: str


RELEASES = {"debian-12": Release("12", "bookworm")}


def build(name: str, store: ImageStore, report: Report = silent, *, replace: bool = False) -> Image:
    """Make the Debian image called `name` (a key of `RELEASES`) and put it into the store."""
    release = RELEASES[name]
    require("mmdebstrap", "mke2fs", "mformat", "mcopy", "mmd", "qemu-img", "dpkg-deb", "apt-get")
    if os.geteuid() != 0:
        require("unshare", "newuidmap")
    with (
        store.adding(name, replace=replace) as place,
        tempfile.TemporaryDirectory(prefix=".debian-", dir=store.directory) as work_name,
    ):
        work = Path(work_name)
        work.chmod(0o755)
        disk = work / "disk.raw"
        with step("install Debian's packages (mmdebstrap)", report):
            archive = _bootstrap(release, work)
        with step("kernel and initramfs for direct boot", report):
            kernel = _boot_files(archive, work, place)
        with step("partitions, EFI system partition, boot loader", report):
            _esp(work, disk)
        with step("root file system", report):
            _root(archive, work, disk)
        with step("write the qcow2 image", report):
            run(
                ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, place / DISK],
                doing="write the image",
            )
        with step("checksum and catalogue entry", report):
            return store.publish(place, _entry(name, release, kernel, place))


def _entry(name: str, release: Release, kernel: str, place: Path) -> Image:
    return Image(
        name=name,
        directory=place,
        aliases=(f"debian{release.number}", release.codename, "debian"),
        origin=f"built from Debian {release.number}'s packages",
        user="debian",
        firmware="uefi",
        cmdline=CMDLINE,
        direct_boot="emulated",
        min_memory=256 * MIB,
        facts={"kernel": kernel, "os": f"Debian {release.number} ({release.codename})"},
    )


def _bootstrap(release: Release, work: Path) -> Path:
    overlay, archive, sources = work / "overlay.tar", work / "root.tar", work / "sources.list"
    lines = list(_sources(release))
    overlay.write_bytes(_overlay("".join(f"deb {line}\n" for line in lines)))
    signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    sources.write_text("".join(f"deb {signed}{line}\n" for line in lines))
    excludes = ("man", "doc", "locale", "info", "groff", "lintian", "linda")
    run(
        [
            *("mmdebstrap", "--mode=auto", "--variant=minbase", "--format=tar"),
            f"--include={','.join(PACKAGES)}",
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in excludes),
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            "--dpkgopt=path-exclude=/usr/lib/binfmt.d/python3*",
            f"--customize-hook=tar-in {overlay} /",
            '--customize-hook=chroot "$1" sh /usr/share/virtory-finish.sh',
            release.codename,
            archive,
            sources,
        ],
        doing=f"install Debian {release.number}",
        env={"TMPDIR": str(work)},
        log=work / "mmdebstrap.log",
    )
    return archive


def _overlay(sources: str) -> bytes:
    """Our files and the guest's apt sources as a tar of root's, whoever builds."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in sorted(FILES.rglob("*")):
            name = str(path.relative_to(FILES))
            if not path.is_file() or name == "esp-grub.cfg":
                continue
            if name == "finish.sh":
                name = "usr/share/virtory-finish.sh"
            info = tarfile.TarInfo(f"./{name}")
            info.size = path.stat().st_size
            info.mode = 0o644
            with open(path, "rb") as file:
                archive.addfile(info, file)
        info = tarfile.TarInfo("./etc/apt/sources.list")
        info.size = len(sources.encode())
        info.mode = 0o644
        archive.addfile(info, io.BytesIO(sources.encode()))
    return out.getvalue()


def _sources(release: Release) -> Iterator[str]:
    """What the image is built from and the guest updates from: the host's own mirror of Debian.

    Where the host's apt knows none, as on another distribution, the environment names one.
    """
    text = run(
        ["apt-get", "indextargets", "Created-By: Packages", "--format", "$(REPO_URI) $(LABEL)"],
        doing="read the host's apt sources",
    )
    found = dict.fromkeys(line.strip() for line in text.splitlines())
    named = [os.environ[MIRROR]] if os.environ.get(MIRROR) else []
    mirrors = named + [line.split()[0] for line in found if line.split()[1:] == ["Debian"]]
    security = [line.split()[0] for line in found if line.split()[1:] == ["Debian-Security"]]
    if not mirrors:
        raise BuildFailed(
            "the apt sources of this host name no mirror of Debian to build the image from",
            cure=f"name one: {MIRROR}=https://… virtory image build {release.codename}",
        )
    yield f"{mirrors[0]} {release.codename} main"
    yield f"{mirrors[0]} {release.codename}-updates main"
    for mirror in security[:1]:
        yield f"{mirror} {release.codename}-security main"


def _boot_files(archive: Path, work: Path, place: Path) -> str:
    tree = work / "boot"
    tree.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isreg() and (
                name.startswith("boot/vmlinuz-")
                or ("/modules/" in name and ".ko" in name)
                or name.endswith("bin/busybox")
            ):
                extract(tar, member, tree)
    (image,) = (tree / "boot").glob("vmlinuz-*")
    release = image.name.removeprefix("vmlinuz-")
    content = image.read_bytes()
    (place / KERNEL).write_bytes(bare_kernel(content) or content)
    (busybox,) = tree.rglob("bin/busybox")
    (modules,) = (path for path in tree.rglob(release) if path.is_dir())
    (place / INITRD).write_bytes(initramfs(busybox, Modules(modules)))
    return release


def _esp(work: Path, disk: Path) -> None:
    """The partition table and the EFI system partition with Debian's signed boot loader."""
    gpt.write(
        disk,
        DISK_SIZE,
        [
            gpt.Partition(1, gpt.LINUX_ROOT_X86_64, ROOT_START, ROOT_SIZE, "root"),
            gpt.Partition(15, gpt.EFI_SYSTEM, ESP_START, ESP_SIZE, "ESP"),
        ],
    )
    packages.refresh(work)
    tree = work / "efi"
    tree.mkdir()
    for deb in packages.download(["grub-efi-amd64-signed", "shim-signed"], work):
        packages.unpack(
            deb, tree, lambda name: name.endswith(("grubx64.efi.signed", "shimx64.efi.signed"))
        )
    drive = f"{disk}@@{ESP_START}"
    size = ["-T", str(ESP_SIZE // 512), "-h", "64", "-s", "32"]
    run(["mformat", "-i", drive, "-v", "ESP", *size, "::"], doing="format the ESP")
    run(["mmd", "-i", drive, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"], doing="fill the ESP")
    shim, grub = next(tree.rglob("shimx64.efi.signed")), next(tree.rglob("grubx64.efi.signed"))
    for source, target in (
        (shim, "EFI/BOOT/BOOTX64.EFI"),
        (grub, "EFI/BOOT/grubx64.efi"),
        (FILES / "esp-grub.cfg", "EFI/debian/grub.cfg"),
    ):
        run(["mcopy", "-i", drive, source, f"::/{target}"], doing="fill the ESP")


_MAKE_ROOT = """
set -e
trap 'rm -rf "$1/tree"' EXIT
mkdir "$1/tree"
tar -C "$1/tree" --xattrs --xattrs-include='*' --numeric-owner --exclude='./dev/*' -xpf "$2"
mke2fs -q -F -t ext4 -L debian-root -m 1 -O '^metadata_csum_seed,^orphan_file' \
    -E "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,offset=$4" -d "$1/tree" "$3" "$5k"
"""


def _root(archive: Path, work: Path, disk: Path) -> None:
    """The root file system with its owners; a user's own ID range stands for the guest's IDs."""
    script = ["sh", "-c", _MAKE_ROOT, "sh", str(work), str(archive), str(disk)]
    script += [str(ROOT_START), str(ROOT_SIZE >> 10)]
    if os.geteuid() != 0:
        script = ["unshare", "--map-auto", "--map-root-user", *script]
    run(script, doing="make the root file system")
