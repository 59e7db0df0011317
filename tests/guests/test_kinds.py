"""Every kind of machine and of device that is served boots the tiny Linux, under its own user."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from virtory.errors import DomainNotFound

OVMF = Path("/usr/share/qemu/firmware")

KINDS = {
    "pc": {
        "machine": "pc",
        "devices": "<disk type='file' device='cdrom'><target dev='hda'/></disk>",
    },
    "microvm": {"machine": "microvm", "features": ""},
    "user network": {
        "devices": "<interface type='user'><model type='virtio'/></interface>",
    },
    "passt": {
        "devices": "<interface type='user'><backend type='passt'/><model type='virtio'/>"
        "</interface>",
        "needs": "passt",
    },
    "tpm": {
        "devices": "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>",
        "needs": "swtpm",
    },
    "screen": {
        "devices": (
            "<graphics type='vnc' port='-1' autoport='yes' passwd='abc'>"
            "<listen type='address' address='127.0.0.1'/></graphics>"
            "<video><model type='virtio'/></video>"
            "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
            "<watchdog model='i6300esb' action='pause'/>"
        ),
    },
    "more consoles": {
        "more": "<genid/>",
        "devices": (
            "<console type='pty'><target type='serial'/></console>"
            "<console type='pty'><target type='virtio'/></console><panic model='isa'/>"
        ),
    },
}


@pytest.mark.parametrize("kind", KINDS)
async def test_it_boots(driver, linux, boot, state, kind):
    options = dict(KINDS[kind])
    if (needed := options.pop("needs", None)) and shutil.which(needed) is None:
        pytest.skip(f"{needed} is not installed")
    uuid, _ = await boot(linux.xml("m", **options))
    guest = driver.domain._table.get(uuid).guest
    user = os.stat(f"/proc/{guest.pid}").st_uid
    assert user == (guest.plan.uid if os.geteuid() == 0 else os.geteuid())
    assert user != 0
    status = Path(f"/proc/{guest.pid}/status").read_text()
    assert "\nSeccomp:\t2\n" in status
    await driver.domain.destroy(uuid, 0)
    assert os.listdir(Path(state) / "run") == ["autostarted"]


@pytest.mark.skipif(not OVMF.is_dir(), reason="no UEFI firmware is installed (ovmf)")
async def test_it_boots_by_uefi_and_keeps_its_variables(driver, linux, boot, state):
    xml = linux.xml("m", memory_mib=256).replace("<os>", "<os firmware='efi'>")
    uuid, _ = await boot(xml)
    assert "<loader readonly='yes'" in await driver.domain.xml(uuid, 0)
    (variables,) = (Path(state) / "nvram").iterdir()
    assert variables.stat().st_size > 100_000
    await driver.domain.destroy(uuid, 0)
    assert variables.exists()


async def test_variables_go_or_stay_only_by_order(driver, linux, state):
    xml = linux.xml("m", memory_mib=256).replace("<os>", "<os firmware='efi'>")
    if not OVMF.is_dir():
        pytest.skip("no UEFI firmware is installed (ovmf)")
    ref = await driver.domain.define(xml, 0)
    await driver.domain.create(ref.uuid, 1, None)
    await driver.domain.destroy(ref.uuid, 0)
    (variables,) = (Path(state) / "nvram").iterdir()
    with pytest.raises(Exception, match="cannot undefine domain with nvram"):
        await driver.domain.undefine(ref.uuid, 0)
    await driver.domain.undefine(ref.uuid, 8)
    assert variables.exists()
    ref = await driver.domain.define(
        xml.replace("<memory", f"<uuid>{ref_uuid(ref)}</uuid><memory", 1), 0
    )
    await driver.domain.undefine(ref.uuid, 4)
    assert not variables.exists()


@pytest.mark.skipif(not OVMF.is_dir(), reason="no UEFI firmware is installed (ovmf)")
async def test_variables_of_a_machine_undefined_while_it_is_started_go_with_it(
    driver, linux, state
):
    xml = linux.xml("m", memory_mib=256).replace("<os>", "<os firmware='efi'>")
    ref = await driver.domain.define(xml, 0)
    starting = asyncio.create_task(driver.domain.create(ref.uuid, 1, None))
    await asyncio.sleep(0)
    await driver.domain.undefine(ref.uuid, 4)
    await starting
    assert os.listdir(Path(state) / "nvram") == []
    await driver.domain.destroy(ref.uuid, 0)
    assert os.listdir(Path(state) / "nvram") == []


@pytest.mark.skipif(not OVMF.is_dir(), reason="no UEFI firmware is installed (ovmf)")
async def test_a_machine_that_is_just_being_undefined_is_not_started(driver, linux, state):
    xml = linux.xml("m", memory_mib=256).replace("<os>", "<os firmware='efi'>")
    ref = await driver.domain.define(xml, 0)
    going = asyncio.create_task(driver.domain.undefine(ref.uuid, 4))
    await asyncio.sleep(0)
    with pytest.raises(DomainNotFound, match="was undefined before it was started"):
        await driver.domain.create(ref.uuid, 1, None)
    await going
    assert driver.domain.list_all(0) == []
    assert not (Path(state) / "nvram").exists()


def ref_uuid(ref):
    from virtory.model.values import Uuid

    return Uuid.of_bytes(ref.uuid)
