"""The `tiny` image: Debian's cloud kernel, busybox, dropbear and the guest agent, made in seconds.

The rule kept here: every byte of it is Debian's or stands in `files/tiny`; the guest's own start-up
does what leads to a login first, and everything else afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from virtory.provision import elf, packages
from virtory.provision.errors import BuildFailed
from virtory.provision.images import DISK, INITRD, KERNEL, Image, ImageStore
from virtory.provision.initramfs import EARLY, initramfs
from virtory.provision.kernel import Modules, bare_kernel
from virtory.provision.programs import require, run
from virtory.provision.steps import Report, silent, step

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES = Path(__file__).parent / "files" / "tiny"
PROGRAMS = ("busybox-static", "dropbear-bin", "qemu-guest-agent", "e2fsprogs")
BINARIES = {
    "busybox": "usr/bin/busybox",
    "dropbear": "usr/sbin/dropbear",
    "dropbearkey": "usr/bin/dropbearkey",
    "dropbearconvert": "usr/bin/dropbearconvert",
    "qemu-ga": "usr/sbin/qemu-ga",
    "resize2fs": "usr/sbin/resize2fs",
}
LATE = (
    *("virtio_console", "virtio_balloon", "isofs", "button", "evdev", "pvpanic_pci"),
    *(
        "virtiofs",
        "overlay",
        "vfat",
        "nls_ascii",
        "virtio_scsi",
        "sd_mod",
        "sr_mod",
        "vmw_vsock_virtio_transport",
    ),
)
CMDLINE = (
    "console=ttyS0 root=/dev/vda quiet panic=10 no_timer_check tsc=reliable mitigations=off"
    " nokaslr cryptomgr.notests 8250.nr_uarts=2 i8042.noaux i8042.nokbd"
)
SIZE = 256 << 20
_LIBRARY = re.compile(r"(lib(?!perl|gdbm|db5|text-|file-|number-|selinux)|zlib).*")
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534::/:/usr/sbin/nologin
"""
_TEXTS = {
    "etc/passwd": _PASSWD,
    "etc/shadow": "root:*:1::::::\nsshd:!:1::::::\nnobody:!:1::::::\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/shells": "/bin/sh\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": 'NAME="virtory tiny"\nPRETTY_NAME="virtory tiny (of Debian\'s packages)"\n'
    "ID=virtory-tiny\nID_LIKE=debian\n",
    "etc/motd": "",
    "etc/acpi/PWRF/00000080": "#!/bin/sh\nexec /sbin/poweroff\n",
}


def build(store: ImageStore, report: Report = silent, *, replace: bool = False) -> Image:
    """Make the image and put it into the store under the name `tiny`."""
    require("apt-get", "dpkg-deb", "mke2fs", "qemu-img")
    with (
        store.adding("tiny", replace=replace) as place,
        tempfile.TemporaryDirectory(prefix=".tiny-", dir=store.directory) as work_name,
    ):
        work = Path(work_name)
        with step("download Debian packages", report):
            kernel_package, debs = _fetch(work)
        with step("unpack", report):
            tree = _unpack(debs, work / "tree")
            release = kernel_package.removeprefix("linux-image-")
        with step("kernel and initramfs", report):
            _boot_files(tree, release, place)
        with step("root file system", report):
            root = _root(tree, release, work / "root")
            disk = work / "disk.raw"
            make_ext4(root, disk, SIZE, label="tiny")
            run(
                ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, place / DISK],
                doing="write the image",
            )
        with step("checksum and catalogue entry", report):
            return store.publish(
                place,
                Image(
                    name="tiny",
                    directory=place,
                    origin="built from Debian's packages",
                    user="root",
                    cmdline=CMDLINE,
                    direct_boot="always",
                    cloud_init="minimal",
                    min_memory=96 << 20,
                    facts={"kernel": release, "os": "busybox"},
                ),
            )


def make_ext4(root: Path, disk: Path, size: int, *, label: str, offset: int = 0) -> None:
    """A file system with the files of `root`, all owned by root, at `offset` of the file `disk`."""
    if not disk.exists():
        with open(disk, "wb") as file:
            file.truncate(size + offset)
    options = f"root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,offset={offset}"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-m", "1", "-E", options]
    argv += ["-O", "^metadata_csum_seed,^orphan_file", "-d", str(root), str(disk), f"{size >> 10}k"]
    if os.geteuid() != 0:
        argv = ["unshare", "--map-root-user", *argv]
    run(argv, doing="make the root file system")


def _fetch(work: Path) -> tuple[str, list[Path]]:
    packages.refresh(work)
    kernel = packages.newest_kernel(work)
    names = packages.closure(PROGRAMS, work)
    libraries = [name for name in names if _LIBRARY.fullmatch(name)]
    debs = packages.download([kernel, *PROGRAMS, *libraries], work)
    return kernel, debs


def _unpack(debs: Iterable[Path], tree: Path) -> Path:
    tree.mkdir()
    names = "|".join(re.escape(name) for name in BINARIES)
    wanted = re.compile(
        rf"(.*/)?bin/({names})|(.*/)?sbin/({names})|(usr/)?lib(64)?/(x86_64-linux-gnu/)?[^/]*\.so[^/]*"
        r"|boot/vmlinuz-.*|(usr/)?lib/modules/.*\.ko.*"
    )
    for deb in debs:
        packages.unpack(deb, tree, lambda name: wanted.fullmatch(name) is not None)
    return tree


def _boot_files(tree: Path, release: str, place: Path) -> None:
    image = (tree / f"boot/vmlinuz-{release}").read_bytes()
    (place / KERNEL).write_bytes(bare_kernel(image) or image)
    (place / INITRD).write_bytes(initramfs(_find(tree, "busybox"), _modules(tree, release)))


def _root(tree: Path, release: str, root: Path) -> Path:
    for name in ("dev", "proc", "sys", "run", "root", "tmp", "var/lib/tiny", "usr/bin", "usr/sbin"):
        (root / name).mkdir(parents=True)
    (root / "usr/lib").mkdir()
    for link in ("bin", "sbin", "lib"):
        (root / link).symlink_to(f"usr/{link}")
    (root / "lib64").symlink_to("usr/lib")
    for name, target in BINARIES.items():
        _install(_find(tree, name), root / target, 0o755)
    _applets(root)
    _libraries(tree, root)
    _modules_into(_modules(tree, release), root / "usr/lib/modules" / release)
    for path, text in _TEXTS.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "etc/shadow").chmod(0o600)
    (root / "etc/acpi/PWRF/00000080").chmod(0o755)
    (root / "etc/resolv.conf").symlink_to("/run/resolv.conf")
    for name in ("rc", "seed", "late", "down", "udhcpc.script"):
        _install(FILES / name, root / "etc" / name, 0o755)
    for name in ("inittab", "profile"):
        _install(FILES / name, root / "etc" / name, 0o644)
    _install(FILES / "shutdown", root / "usr/sbin/shutdown", 0o755)
    (root / "root").chmod(0o700)
    (root / "tmp").chmod(0o1777)
    return root


def _applets(root: Path) -> None:
    done = subprocess.run(
        [root / "usr/bin/busybox", "--list-full"], capture_output=True, check=True
    )
    for path in done.stdout.decode().split():
        folder = "sbin" if path.startswith(("sbin/", "usr/sbin/")) else "bin"
        link = root / "usr" / folder / path.rpartition("/")[2]
        if not link.exists() and not link.is_symlink():
            link.symlink_to("../bin/busybox" if folder == "sbin" else "busybox")


def _libraries(tree: Path, root: Path) -> None:
    have = {path.name: path for path in tree.rglob("*.so*")}
    waiting = [root / target for target in BINARIES.values()]
    done: set[str] = set()
    while waiting:
        for needed in elf.needed(waiting.pop().read_bytes()):
            name = needed.rpartition("/")[2]
            if name in done:
                continue
            done.add(name)
            if name not in have:
                raise BuildFailed(f"the tiny image needs {name}, which no downloaded package has")
            target = root / "usr/lib" / name
            _install(have[name].resolve(), target, 0o755)
            waiting.append(target)


def _modules_into(modules: Modules, directory: Path) -> None:
    directory.mkdir(parents=True)
    lines = []
    for name in modules.in_order((*EARLY, *LATE)):
        (directory / f"{name}.ko").write_bytes(modules.read(name))
        needs = modules.in_order(modules.needs(name))
        lines.append(f"{name}.ko:{''.join(f' {need}.ko' for need in reversed(needs))}\n")
    (directory / "modules.dep").write_text("".join(lines))


def _modules(tree: Path, release: str) -> Modules:
    for base in ("lib", "usr/lib"):
        if (tree / base / "modules" / release).is_dir():
            return Modules(tree / base / "modules" / release)
    raise BuildFailed(f"the kernel package of {release} holds no modules")


def _find(tree: Path, name: str) -> Path:
    for folder in ("usr/bin", "bin", "usr/sbin", "sbin"):
        path = tree / folder / name
        if path.is_file():
            return path
    raise BuildFailed(f"no downloaded package holds the program {name}")


def _install(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
