"""Which types of pools there are, and what each can be made of.

The rule kept here: all of libvirt's types are listed, those that are served as supported.
"""

from __future__ import annotations

from virtory.driver.storage.backend import SERVED
from virtory.model.storage_pool import FORMATS

_IMAGES = (
    *("none", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd"),
    *("ploop", "cow", "qcow", "qcow2", "qed", "vmdk"),
)
_PARTITIONS = (
    *("none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended"),
)
_POOL_FORMATS = {"fs": "auto", "netfs": "auto", "logical": "lvm2", "disk": "unknown"}
_VOLUME_FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("dir", "fs", "netfs", "gluster", "vstorage"), ("raw", _IMAGES)),
    "disk": ("none", _PARTITIONS),
    "rbd": ("raw", ()),
}
_ORDER = (
    *("dir", "fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd"),
    *("sheepdog", "gluster", "zfs", "vstorage"),
)


def capabilities_xml() -> str:
    """What `virsh pool-capabilities` prints."""
    lines = ["<storagepoolCapabilities>"]
    for kind in _ORDER:
        supported = "yes" if kind in SERVED else "no"
        lines.append(f"  <pool type='{kind}' supported='{supported}'>")
        if kind in _POOL_FORMATS:
            formats = FORMATS[kind]
            lines += _options("poolOptions", "sourceFormatType", _POOL_FORMATS[kind], formats)
        if kind in _VOLUME_FORMATS:
            lines += _options("volOptions", "targetFormatType", *_VOLUME_FORMATS[kind])
        lines.append("  </pool>")
    return "\n".join([*lines, "</storagepoolCapabilities>", ""])


def _options(name: str, enum: str, default: str, values: tuple[str, ...]) -> list[str]:
    return [
        f"    <{name}>",
        f"      <defaultFormat type='{default}'/>",
        f"      <enum name='{enum}'>",
        *(f"        <value>{value}</value>" for value in values),
        "      </enum>",
        f"    </{name}>",
    ]
