"""libvirt's public constants, as plain integers, of every kind but domains and their snapshots.

The rule kept here: names and values are those of libvirt's public headers (9.0.0), without the
`VIR_` prefix and the group's own. Plain integers, because they travel as such and are masked in hot
paths; `ALL` of a group is the union of its single bits, for refusing unknown ones.
"""

from __future__ import annotations

from typing import Final


class ConnectListNetworks:
    INACTIVE: Final = 1
    ACTIVE: Final = 2
    PERSISTENT: Final = 4
    TRANSIENT: Final = 8
    AUTOSTART: Final = 0x10
    NO_AUTOSTART: Final = 0x20
    ALL: Final = 0x3F


class ConnectListStoragePools:
    INACTIVE: Final = 1
    ACTIVE: Final = 2
    PERSISTENT: Final = 4
    TRANSIENT: Final = 8
    AUTOSTART: Final = 0x10
    NO_AUTOSTART: Final = 0x20
    DIR: Final = 0x40
    FS: Final = 0x80
    NETFS: Final = 0x100
    LOGICAL: Final = 0x200
    DISK: Final = 0x400
    ISCSI: Final = 0x800
    SCSI: Final = 0x1000
    MPATH: Final = 0x2000
    RBD: Final = 0x4000
    SHEEPDOG: Final = 0x8000
    GLUSTER: Final = 0x10000
    ZFS: Final = 0x20000
    VSTORAGE: Final = 0x40000
    ISCSI_DIRECT: Final = 0x80000
    ALL: Final = 0xFFFFF


class ConnectListInterfaces:
    INACTIVE: Final = 1
    ACTIVE: Final = 2


class ConnectListNodeDevices:
    SYSTEM: Final = 1
    PCI_DEV: Final = 2
    USB_DEV: Final = 4
    USB_INTERFACE: Final = 8
    NET: Final = 0x10
    SCSI_HOST: Final = 0x20
    SCSI_TARGET: Final = 0x40
    SCSI: Final = 0x80
    STORAGE: Final = 0x100
    FC_HOST: Final = 0x200
    VPORTS: Final = 0x400
    SCSI_GENERIC: Final = 0x800
    DRM: Final = 0x1000
    MDEV_TYPES: Final = 0x2000
    MDEV: Final = 0x4000
    CCW_DEV: Final = 0x8000
    CSS_DEV: Final = 0x10000
    VDPA: Final = 0x20000
    AP_CARD: Final = 0x40000
    AP_QUEUE: Final = 0x80000
    AP_MATRIX: Final = 0x100000
    VPD: Final = 0x200000
    ALL: Final = 0x3FFFFF


NODE_DEVICE_CAPABILITIES = {
    "system": ConnectListNodeDevices.SYSTEM,
    "pci": ConnectListNodeDevices.PCI_DEV,
    "usb_device": ConnectListNodeDevices.USB_DEV,
    "usb": ConnectListNodeDevices.USB_INTERFACE,
    "net": ConnectListNodeDevices.NET,
    "scsi_host": ConnectListNodeDevices.SCSI_HOST,
    "scsi_target": ConnectListNodeDevices.SCSI_TARGET,
    "scsi": ConnectListNodeDevices.SCSI,
    "storage": ConnectListNodeDevices.STORAGE,
    "fc_host": ConnectListNodeDevices.FC_HOST,
    "vports": ConnectListNodeDevices.VPORTS,
    "scsi_generic": ConnectListNodeDevices.SCSI_GENERIC,
    "drm": ConnectListNodeDevices.DRM,
    "mdev_types": ConnectListNodeDevices.MDEV_TYPES,
    "mdev": ConnectListNodeDevices.MDEV,
    "ccw": ConnectListNodeDevices.CCW_DEV,
    "css": ConnectListNodeDevices.CSS_DEV,
    "vdpa": ConnectListNodeDevices.VDPA,
    "ap_card": ConnectListNodeDevices.AP_CARD,
    "ap_queue": ConnectListNodeDevices.AP_QUEUE,
    "ap_matrix": ConnectListNodeDevices.AP_MATRIX,
    "vpd": ConnectListNodeDevices.VPD,
}
"""A capability's name in descriptions, and the bit that lists the devices that have it."""


class ConnectListSecrets:
    EPHEMERAL: Final = 1
    NO_EPHEMERAL: Final = 2
    PRIVATE: Final = 4
    NO_PRIVATE: Final = 8
    ALL: Final = 0xF


class StoragePoolCreate:
    WITH_BUILD: Final = 1
    WITH_BUILD_OVERWRITE: Final = 2
    WITH_BUILD_NO_OVERWRITE: Final = 4
    ALL: Final = 7


class StoragePoolBuild:
    REPAIR: Final = 1
    RESIZE: Final = 2
    NO_OVERWRITE: Final = 4
    OVERWRITE: Final = 8


class StoragePoolDelete:
    ZEROED: Final = 1


class StoragePoolEventKind:
    DEFINED: Final = 0
    UNDEFINED: Final = 1
    STARTED: Final = 2
    STOPPED: Final = 3
    CREATED: Final = 4
    DELETED: Final = 5


class StorageVolumeCreate:
    PREALLOC_METADATA: Final = 1
    REFLINK: Final = 2
    VALIDATE: Final = 4


class StorageVolumeDelete:
    ZEROED: Final = 1
    WITH_SNAPSHOTS: Final = 2


class StorageVolumeResize:
    ALLOCATE: Final = 1
    DELTA: Final = 2
    SHRINK: Final = 4
    ALL: Final = 7


class StorageVolumeInfo:
    GET_PHYSICAL: Final = 1


class StorageVolumeStream:
    SPARSE: Final = 1
