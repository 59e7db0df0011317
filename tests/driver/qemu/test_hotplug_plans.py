"""One device more beside everything that can run: what is there stays, the new one gets a place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cases import CASES, NO_KVM, defined, host, make_images, qemu_7_2, text

from virtory.driver import device_edit
from virtory.driver.qemu.aliases import next_alias
from virtory.driver.qemu.definition.addresses import with_addresses
from virtory.driver.qemu.definition.defaults import with_defaults
from virtory.driver.qemu.definition.unsupported import unsupported
from virtory.driver.qemu.devices import Wiring
from virtory.driver.qemu.hotplug.items import describe, fragment, owned, undoing
from virtory.driver.qemu.live import with_cpu
from virtory.driver.qemu.planning.choice import prepare
from virtory.errors import InternalError
from virtory.model.domain import parse_device, problems

if TYPE_CHECKING:
    from pathlib import Path

    from virtory.driver.qemu.plan import Plan
    from virtory.model.domain import Domain

CAPABILITIES = qemu_7_2()
DEVICES = {
    "rngs": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "channels": "<channel type='unix'><target type='virtio' name='org.example.more'/></channel>",
    "inputs": "<input type='keyboard' bus='virtio'/>",
    "interfaces": "<interface type='user'><mac address='52:54:00:00:00:99'/>"
    "<model type='virtio'/><backend type='passt'/></interface>",
    "disks": "<disk><driver type='qcow2'/><source file='@IMAGES@/overlay.qcow2'/>"
    "<target dev='vdz' bus='virtio'/></disk>",
}


def running(case: str, directory: Path) -> tuple[Domain, Plan, Path]:
    images = make_images(directory / "images")
    live, plan = prepare(defined(text(case, images), CAPABILITIES), host(), 7)
    return with_cpu(live, CAPABILITIES, plan.accelerator), plan, images


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("field", DEVICES)
def test_a_device_finds_its_place_beside_all_that_runs(
    case: str, field: str, tmp_path: Path
) -> None:
    live, _, images = running(case, tmp_path)
    device: Any = parse_device(DEVICES[field].replace("@IMAGES@", str(images)))
    wanted = device_edit.appended(live, device)
    assert list(problems(wanted)) == []
    whole = with_defaults(wanted, CAPABILITIES)
    assert unsupported(whole, CAPABILITIES, NO_KVM) == unsupported(
        with_defaults(live, CAPABILITIES), CAPABILITIES, NO_KVM
    )
    try:
        whole = with_addresses(whole, grow=False)
    except InternalError as error:
        assert "No more available PCI slots" in str(error)
        return
    before, after = getattr(live.devices, field), getattr(whole.devices, field)
    assert len(after) == len(before) + 1
    assert after[len(before)].address is not None


def test_a_card_of_conventional_pci_is_told_what_would_find_a_place(tmp_path: Path) -> None:
    live, _, _ = running("q35-cloud", tmp_path)
    device: Any = parse_device(DEVICES["interfaces"].replace("virtio", "rtl8139"))
    whole = with_defaults(device_edit.appended(live, device), CAPABILITIES)
    with pytest.raises(InternalError, match=r"conventional PCI.*choose a model that is none"):
        with_addresses(whole, grow=False)


@pytest.mark.parametrize("field", DEVICES)
def test_what_a_device_takes_is_what_it_gives_back(field: str, tmp_path: Path) -> None:
    live, plan, images = running("q35-devices", tmp_path)
    device: Any = parse_device(DEVICES[field].replace("@IMAGES@", str(images)))
    device = replace(device, alias=next_alias(field, device, live.devices))
    assert device.alias not in [one.device.alias for one in device_edit.every(live.devices)
                                if hasattr(one.device, "alias")]  # fmt: skip
    more = fragment(plan, live, host(), device)
    from virtory.driver.qemu.growth import joined, without

    # That no image's number is given twice is remembered, and nothing else.
    whole = replace(joined(plan, more), last_image=plan.last_image)
    assert owned(whole, device) == more
    assert without(whole, owned(whole, device)) == plan
    items = describe(device, Wiring(live, whole))
    assert items[-1].kind == "device" and items[-1].value["id"] == device.alias
    assert len(list(undoing(items))) == len(items) - 1
