"""UEFI firmware by its descriptions, as a distribution ships them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cases import OVMF, defined, qemu_7_2

from virtory.driver.qemu.host.firmware import Firmware, installed, with_firmware
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from pathlib import Path

    from virtory.model.domain import Domain

CAPABILITIES = qemu_7_2()
DESCRIPTION = {
    "description": "test",
    "interface-types": ["uefi"],
    "mapping": {
        "device": "flash",
        "executable": {"filename": "/f/CODE.fd", "format": "raw"},
        "nvram-template": {"filename": "/f/VARS.fd", "format": "raw"},
    },
    "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
    "features": ["acpi-s3"],
}


def machine(os: str, features: str = "<features><acpi/></features>", kind: str = "q35") -> Domain:
    text = (
        f"<domain type='qemu'><name>a</name><memory>65536</memory>"
        f"<os {os.partition('|')[0]}><type arch='x86_64' machine='{kind}'>hvm</type>"
        f"{os.partition('|')[2]}</os>{features}</domain>"
    )
    return defined(text, CAPABILITIES)


def chosen(domain: Domain, found: tuple[Firmware, ...] = OVMF) -> tuple[str | None, str | None]:
    os = with_firmware(domain, found, "/state/vars.fd").os
    return (os.loader.path if os.loader else None, os.nvram.template if os.nvram else None)


def test_descriptions_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    vendor, admin = tmp_path / "usr", tmp_path / "etc"
    vendor.mkdir()
    admin.mkdir()
    for directory, name, what in (
        (vendor, "60-plain.json", "plain"),
        (vendor, "50-secure.json", "secure"),
        (admin, "60-plain.json", "the administrator's"),
    ):
        (directory / name).write_text(json.dumps({**DESCRIPTION, "description": what}))
    (vendor / "10-broken.json").write_text("{")
    (vendor / "20-bios.json").write_text(json.dumps({**DESCRIPTION, "interface-types": ["bios"]}))
    found = installed((str(vendor), str(admin), str(tmp_path / "missing")))
    assert [each.description for each in found] == ["secure", "the administrator's"]


def test_the_first_that_suits_is_taken() -> None:
    assert chosen(machine("firmware='efi'"))[0] == "/usr/share/OVMF/OVMF_CODE_4M.ms.fd"


def test_wishes_decide() -> None:
    wish = "firmware='efi'|<firmware><feature enabled='no' name='secure-boot'/></firmware>"
    assert chosen(machine(wish))[0] == "/usr/share/OVMF/OVMF_CODE_4M.fd"


def test_without_smm_only_firmware_that_needs_none_is_taken() -> None:
    features = "<features><acpi/><smm state='off'/></features>"
    assert chosen(machine("firmware='efi'", features))[0] == "/usr/share/OVMF/OVMF_CODE_4M.fd"


def test_the_machine_type_decides() -> None:
    assert chosen(machine("firmware='efi'", kind="pc"))[0] == "/usr/share/OVMF/OVMF_CODE_4M.fd"


def test_secure_firmware_switches_smm_on_and_its_flash_to_secure() -> None:
    live = with_firmware(machine("firmware='efi'"), OVMF, "/v")
    assert live.os.loader is not None
    assert (live.os.loader.secure, live.os.loader.readonly, live.os.loader.type) == (
        True,
        True,
        "pflash",
    )
    assert live.features is not None
    assert live.features.smm is not None
    assert live.features.smm.state is True
    assert live.os.firmware_auto is None


def test_nothing_that_suits_is_an_error_that_names_the_package() -> None:
    with pytest.raises(ConfigUnsupported, match="no UEFI firmware") as caught:
        chosen(machine("firmware='efi'"), ())
    assert "apt install ovmf" in str(caught.value)


def test_a_loader_of_the_definition_stays_and_gets_its_variables() -> None:
    loader = "|<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    live = with_firmware(machine(loader), OVMF, "/state/vars.fd")
    assert live.os.nvram is not None
    assert live.os.nvram.path == "/state/vars.fd"
    assert live.os.nvram.template == "/usr/share/OVMF/OVMF_VARS_4M.fd"


def test_a_loader_that_several_names_lead_to_gets_the_variables_of_the_name_that_was_given(
    tmp_path: Path,
) -> None:
    code, link = tmp_path / "secboot.fd", tmp_path / "enrolled.fd"
    code.touch()
    link.symlink_to(code)
    by_link = replace(OVMF[0], code=str(link), template="/enrolled_VARS.fd")
    itself = replace(OVMF[0], code=str(code), template="/VARS.fd")
    loader = f"|<loader readonly='yes' type='pflash'>{code}</loader>"
    nvram = with_firmware(machine(loader), (by_link, itself), "/v").os.nvram
    assert nvram is not None
    assert nvram.template == "/VARS.fd"


def test_an_unknown_loader_needs_a_template_by_name() -> None:
    loader = "|<loader readonly='yes' type='pflash'>/own/CODE.fd</loader>"
    with pytest.raises(ConfigUnsupported, match="/own/CODE"):
        with_firmware(machine(loader), OVMF, "/v")


def test_a_bios_machine_is_left_alone() -> None:
    domain = machine("")
    assert with_firmware(domain, OVMF, "/v") is domain
