"""What of a description is a machine's own, and what its clone has in common with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from virtory.errors import InvalidArgument
from virtory.model.domain import parse_domain
from virtory.provision.clone import free
from virtory.provision.clone_description import described, own_disks, path_beside

if TYPE_CHECKING:
    from pathlib import Path

UUID = "99999999-2222-3333-4444-555555555555"
XML = """<domain type='qemu'><name>web</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
<genid>21111111-2222-3333-4444-555555555555</genid><title>a title</title>
<memory>65536</memory><vcpu>2</vcpu>
<sysinfo type='smbios'><system><entry name='uuid'>11111111-2222-3333-4444-555555555555</entry>
<entry name='serial'>s</entry></system></sysinfo>
<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/code</loader>
<nvram template='/vars'>/nvram/web_VARS.fd</nvram><smbios mode='sysinfo'/></os>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/i/web.qcow2'/>
<backingStore type='file'><format type='raw'/><source file='/i/base'/></backingStore>
<target dev='vda' bus='virtio'/></disk>
<disk type='block' device='disk'><source dev='/dev/x'/><target dev='vdb' bus='virtio'/></disk>
<disk type='file' device='cdrom'><source file='/i/cd.iso'/><target dev='sda' bus='sata'/></disk>
<disk type='file' device='disk'><source file='/i/all'/><target dev='vdc' bus='virtio'/>
<shareable/></disk>
<interface type='network'><mac address='52:54:00:11:22:33'/><source network='default'/>
<target dev='tap7'/></interface>
<channel type='unix'><source mode='bind' path='/run/web.agent'/>
<target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<graphics type='vnc' port='5907' autoport='no'/>
<vsock><cid auto='no' address='7'/></vsock>
</devices></domain>"""


def test_what_names_a_machine_is_new_and_the_rest_stays() -> None:
    original = parse_domain(XML)
    clone = described(original, "shop", UUID, {"vda": "/i/shop.qcow2", "vdb": "/i/shop-b"})
    assert (clone.name, str(clone.uuid), clone.title) == ("shop", UUID, "a title")
    assert clone.genid is not None
    assert original.genid is not None
    assert clone.genid.uuid != original.genid.uuid
    system = clone.sysinfos[0].system
    assert system is not None
    assert [each.value for each in system.entries] == [UUID, "s"]
    assert clone.os.nvram is not None
    assert (clone.os.nvram.path, clone.os.nvram.template) == (None, "/vars")
    devices = clone.devices
    paths = [disk.source.file for disk in devices.disks if disk.source]
    assert paths == ["/i/shop.qcow2", "/i/shop-b", "/i/cd.iso", "/i/all"]
    assert devices.disks[0].backing_store is None
    card = devices.interfaces[0]
    assert card.mac is not None
    assert str(card.mac.address).startswith("52:54:00")
    assert str(card.mac.address) != "52:54:00:11:22:33"
    assert card.target is None
    assert devices.channels[0].source is not None
    assert devices.channels[0].source.path is None
    assert (devices.graphics[0].port, devices.graphics[0].autoport) == (None, True)
    assert devices.vsock is not None
    assert devices.vsock.cid is not None
    assert (devices.vsock.cid.auto, devices.vsock.cid.address) == (True, None)


def test_places_beside_the_original() -> None:
    original = parse_domain(XML)
    disks = own_disks(original)
    assert [disk.target.dev for disk in disks] == ["vda", "vdb"]
    assert path_beside(disks[0], "web", "shop", linked=False) == "/i/shop.qcow2"
    assert path_beside(disks[0], "other", "shop", linked=True) == "/i/web-shop.qcow2"
    with pytest.raises(InvalidArgument, match="is no file, so there is no place beside it"):
        path_beside(disks[1], "web", "shop", linked=False)


def test_names_that_fit_nothing_are_refused() -> None:
    original = parse_domain(XML)
    with pytest.raises(InvalidArgument, match="has no disk 'vdz'"):
        described(original, "shop", UUID, {"vdz": "/x"})
    with pytest.raises(InvalidArgument, match="2 MAC addresses for 1 network card"):
        described(original, "shop", UUID, {}, ["52:54:00:00:00:01", "52:54:00:00:00:02"])


def test_a_disk_beside_the_original_takes_a_name_that_is_free(tmp_path: Path) -> None:
    wanted, second = str(tmp_path / "shop.qcow2"), str(tmp_path / "shop-1.qcow2")
    assert free(wanted, (), local=True) == wanted
    assert free(wanted, (wanted,), local=True) == second
    (tmp_path / "shop.qcow2").touch()
    (tmp_path / "shop-1.qcow2").symlink_to("nowhere")
    assert free(wanted, (), local=True) == str(tmp_path / "shop-2.qcow2")
    assert free(wanted, (), local=False) == wanted
