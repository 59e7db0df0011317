"""A machine's cloud-init seed: who it is, whose key opens it, how its network is set up.

The rule kept here: it is found by two ways at once, the SMBIOS serial and a disc labelled CIDATA,
and stays the same for the machine's whole life. What is virtory's goes into meta-data and
vendor-data; user-data is the user's own file, byte for byte.
(cloud-init: doc/rtd/reference/datasources/nocloud.rst)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from virtory.provision.keys import HostKey

VOLUME = "cidata"
NO_USER_DATA = "#cloud-config\n{}\n"
_NEW_ID = (
    "rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup;"
    " [ ! -d /var/lib/dbus ] || ln -sf /etc/machine-id /var/lib/dbus/machine-id"
)


@dataclass(frozen=True, slots=True)
class Seed:
    """`instance` names one life of the machine: cloud-init runs once for each."""

    instance: str
    hostname: str
    authorized_keys: tuple[str, ...]
    mac: str
    host_key: HostKey | None = None
    user_data: bytes | None = None
    is_clone: bool = False

    def serial(self) -> str:
        """The SMBIOS system serial number."""
        return f"ds=nocloud;i={self.instance};h={self.hostname}"

    def meta_data(self) -> str:
        """Identity and keys: these reach the guest whatever the user's own data says."""
        lines = [f"instance-id: {self.instance}", f"local-hostname: {self.hostname}"]
        if self.authorized_keys:
            lines.append("public-keys:")
            lines += [f"  - {json.dumps(key)}" for key in self.authorized_keys]
        return "\n".join(lines) + "\n"

    def vendor_data(self) -> str:
        """The host key known in advance, and a root partition as large as the disk."""
        lines = ["#cloud-config", "ssh_deletekeys: true", "manage_etc_hosts: true"]
        if self.host_key is not None:
            lines += ["ssh_keys:", "  ed25519_private: |"]
            lines += [f"    {line}" for line in self.host_key.private.strip().splitlines()]
            lines.append(f"  ed25519_public: {json.dumps(self.host_key.public)}")
        if self.is_clone:  # cloud-init leaves the machine-id of the original where it is
            command = json.dumps(["cloud-init-per", "instance", "machine-id", "sh", "-c", _NEW_ID])
            lines += ["bootcmd:", f"  - {command}"]
        return "\n".join(lines) + "\n"

    def network_config(self) -> str:
        """DHCP on the machine's own interface, found by its MAC address and never by its name."""
        return (
            "version: 2\n"
            "ethernets:\n"
            "  primary:\n"
            "    match:\n"
            f'      macaddress: "{self.mac}"\n'
            "    dhcp4: true\n"
        )

    def files(self) -> dict[str, bytes]:
        """The disc's files by name."""
        return {
            "meta-data": self.meta_data().encode(),
            "vendor-data": self.vendor_data().encode(),
            "user-data": self.user_data if self.user_data is not None else NO_USER_DATA.encode(),
            "network-config": self.network_config().encode(),
        }

    def write_disc(self, path: Path) -> None:
        """Write the ISO 9660 disc; its owner alone may read it, since it holds a private key."""
        import io
        import os

        import pycdlib

        disc = pycdlib.PyCdlib()
        disc.new(vol_ident=VOLUME, rock_ridge="1.09", joliet=3)
        for number, (name, data) in enumerate(self.files().items()):
            disc.add_fp(
                io.BytesIO(data),
                len(data),
                f"/FILE{number}.;1",
                rr_name=name,
                joliet_path=f"/{name}",
            )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            disc.write_fp(file)
        disc.close()


def user_data_of(seed: Path) -> bytes | None:
    """The user's own data on a machine's seed disc; None when there is none."""
    import io

    import pycdlib

    disc = pycdlib.PyCdlib()
    found = io.BytesIO()
    disc.open(str(seed))
    try:
        disc.get_file_from_iso_fp(found, joliet_path="/user-data")
    finally:
        disc.close()
    data = found.getvalue()
    return None if data == NO_USER_DATA.encode() else data
