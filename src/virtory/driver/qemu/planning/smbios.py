"""What SMBIOS of the host is shown to a guest by `<smbios mode='host'/>`.

The rule kept here: the machine's UUID is its own, whatever the host's is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from virtory.driver.qemu.machine_text import escaped
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain

_TABLES: Final = {
    0: {"vendor": "bios_vendor", "version": "bios_version", "date": "bios_date"},
    1: {
        "manufacturer": "sys_vendor",
        "product": "product_name",
        "version": "product_version",
        "serial": "product_serial",
        "sku": "product_sku",
        "family": "product_family",
    },
    2: {
        "manufacturer": "board_vendor",
        "product": "board_name",
        "version": "board_version",
        "serial": "board_serial",
        "asset": "board_asset_tag",
    },
}


def host_smbios(domain: Domain, host: Host) -> tuple[str, ...]:
    """The values of QEMU's `-smbios`; none unless the machine asks for the host's.

    Raises ConfigUnsupported when the host has no such tables.
    """
    if domain.os.smbios != "host":
        return ()
    options = []
    for table, fields in _TABLES.items():
        found = {name: _read(os.path.join(host.smbios, file)) for name, file in fields.items()}
        parts = [f"{name}={escaped(value)}" for name, value in found.items() if value]
        if parts:
            options.append(",".join([f"type={table}", *parts]))
    if not options:
        raise ConfigUnsupported(
            "/domain/os/smbios/@mode: Host SMBIOS information is not available",
            cure="Use mode='sysinfo' with a <sysinfo type='smbios'> of your own.",
        )
    return tuple(options)


def _read(path: str) -> str:
    """A line of text; empty for what is not there, or not for us."""
    try:
        with open(path, errors="replace") as file:
            return " ".join(file.readline(1000).split())
    except OSError:
        return ""
