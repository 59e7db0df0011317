"""The machines that the pure passes are tested with, and the world they are planned for."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from virtory.driver.qemu.capabilities import Capabilities
from virtory.driver.qemu.definition.addresses import with_addresses
from virtory.driver.qemu.definition.defaults import with_defaults
from virtory.driver.qemu.host.accelerator import Verdict
from virtory.driver.qemu.host.firmware import Firmware
from virtory.driver.qemu.planning.host import Host
from virtory.model.domain import Domain, parse_domain

DATA = Path(__file__).parents[2] / "data" / "qemu"
CASES = sorted(
    path.stem for path in DATA.glob("*.xml") if not path.stem.endswith((".defined", ".live"))
)
KVM = Verdict("native", "guest code ran at 900 million/s", instructions_per_s=900_000_000)
NO_KVM = Verdict("absent", "/dev/kvm does not exist", "Run: sudo modprobe kvm_intel")
OVMF = (
    Firmware(
        description="with secure boot",
        code="/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
        template="/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
        format="raw",
        targets=(("x86_64", ("pc-q35-*",)),),
        features=frozenset({"enrolled-keys", "requires-smm", "secure-boot"}),
    ),
    Firmware(
        description="without secure boot",
        code="/usr/share/OVMF/OVMF_CODE_4M.fd",
        template="/usr/share/OVMF/OVMF_VARS_4M.fd",
        format="raw",
        targets=(("x86_64", ("pc-i440fx-*", "pc-q35-*")),),
        features=frozenset(),
    ),
)


def qemu_7_2() -> Capabilities:
    """What Debian 12's QEMU answered to a probe without KVM."""
    return Capabilities(json.loads((DATA / "capabilities-7.2.json").read_text()))


def host(**settings: object) -> Host:
    """A host without KVM, with all helpers, where every port is free; nothing is made there."""
    fields: dict[str, object] = {
        "firmware": OVMF,
        "passt": "/usr/bin/passt",
        "swtpm": "/usr/bin/swtpm",
        "verdict": NO_KVM,
        "now": lambda: 1_700_000_000.0,
        **settings,
    }
    return Host("/run/virtory/qemu", "/var/lib/virtory", **fields)  # type: ignore[arg-type]


def text(case: str, images: Path) -> str:
    """The definition that a client sent."""
    return (DATA / f"{case}.xml").read_text().replace("@IMAGES@", str(images))


def defined(xml: str, capabilities: Capabilities) -> Domain:
    """The definition that is stored."""
    return with_addresses(with_defaults(parse_domain(xml), capabilities))


def make_images(directory: Path) -> Path:
    """The files that the cases name; qcow2 images are headers without a body."""
    directory.mkdir(exist_ok=True)
    for name in ("b.raw", "b2.raw", "c.iso", "vmlinuz", "initrd", "slic.aml"):
        (directory / name).write_bytes(bytes(4096))
    (directory / "a.qcow2").write_bytes(qcow2())
    (directory / "base.qcow2").write_bytes(qcow2())
    (directory / "overlay.qcow2").write_bytes(qcow2("base.qcow2", "qcow2"))
    return directory


def qcow2(
    backing: str | None = None,
    backing_format: str | None = None,
    data_file: str | None = None,
    *,
    version: int = 3,
) -> bytes:
    """The header of a qcow2 image (QEMU's docs/interop/qcow2.txt)."""
    extensions = b""
    for number, value in ((0xE2792ACA, backing_format), (0x44415441, data_file)):
        if value is not None:
            raw = value.encode()
            extensions += struct.pack(">II", number, len(raw)) + raw + bytes(-len(raw) % 8)
    extensions += struct.pack(">II", 0, 0)
    length = 104 if version >= 3 else 72
    name = (backing or "").encode()
    offset = length + len(extensions) if backing else 0
    head = struct.pack(">IIQIIQIIQQIIQ", 0x514649FB, version, offset, len(name), 16, 1 << 20,
                       0, 1, 0, 0, 1, 0, 0)  # fmt: skip
    if version >= 3:
        incompatible = 4 if data_file is not None else 0
        head += struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    return (head + extensions + name).ljust(4096, b"\0")
