"""The devices of `test:///default`: the machine, a network card and a disk.

The rule kept here: written down, nothing is read from the real host.
"""

from __future__ import annotations

from virtory.driver.memory.flags_check import only
from virtory.errors import FROM_NODEDEV, NodeDeviceNotFound, OperationUnsupported
from virtory.model.list_flags import ConnectListNodeDevices as Kind

_COMPUTER = """\
<device>
  <name>computer</name>
  <capability type='system'>
    <hardware>
      <vendor>Libvirt</vendor>
      <version>Test driver</version>
      <serial>123456</serial>
      <uuid>11111111-2222-3333-4444-555555555555</uuid>
    </hardware>
    <firmware>
      <vendor>Libvirt</vendor>
      <version>Test Driver</version>
      <release_date>01/22/2007</release_date>
    </firmware>
  </capability>
</device>
"""
_CARD = """\
<device>
  <name>pci_0000_00_03_0</name>
  <path>/sys/devices/pci0000:00/0000:00:03.0</path>
  <parent>computer</parent>
  <driver>
    <name>virtio-pci</name>
  </driver>
  <capability type='pci'>
    <class>0x020000</class>
    <domain>0</domain>
    <bus>0</bus>
    <slot>3</slot>
    <function>0</function>
    <product id='0x1041'>Virtio 1.0 network device</product>
    <vendor id='0x1af4'>Red Hat, Inc.</vendor>
  </capability>
</device>
"""
_NET = """\
<device>
  <name>net_eth1_aa_bb_cc_dd_ee_ff</name>
  <path>/sys/devices/pci0000:00/0000:00:03.0/virtio0/net/eth1</path>
  <parent>pci_0000_00_03_0</parent>
  <capability type='net'>
    <interface>eth1</interface>
    <address>aa:bb:cc:dd:ee:ff</address>
    <link state='up'/>
    <capability type='80203'/>
  </capability>
</device>
"""
_DISK = """\
<device>
  <name>block_sda_TEST</name>
  <path>/sys/devices/pci0000:00/0000:00:04.0/block/sda</path>
  <devnode type='dev'>/dev/sda</devnode>
  <parent>computer</parent>
  <capability type='storage'>
    <block>/dev/sda</block>
    <drive_type>disk</drive_type>
    <serial>TEST</serial>
    <size>10737418240</size>
    <logical_block_size>512</logical_block_size>
    <num_blocks>20971520</num_blocks>
  </capability>
</device>
"""
# Name → bit, capability, parent, description.
_DEVICES: dict[str, tuple[int, str, str | None, str]] = {
    "block_sda_TEST": (Kind.STORAGE, "storage", "computer", _DISK),
    "computer": (Kind.SYSTEM, "system", None, _COMPUTER),
    "net_eth1_aa_bb_cc_dd_ee_ff": (Kind.NET, "net", "pci_0000_00_03_0", _NET),
    "pci_0000_00_03_0": (Kind.PCI_DEV, "pci", "computer", _CARD),
}
_INACTIVE, _STATES = 1 << 30, 3 << 30


class MemoryNodeDevices:
    """The `NodeDeviceDriver` of the test host."""

    async def list_all(self, flags: int) -> list[str]:
        only(flags, Kind.ALL | _STATES, "testConnectListAllNodeDevices")
        if flags & _STATES == _INACTIVE:
            return []
        wanted = flags & Kind.ALL
        return [name for name, one in _DEVICES.items() if not wanted or one[0] & wanted]

    async def with_capability(self, capability: str | None) -> list[str]:
        return [name for name, one in _DEVICES.items() if capability in (None, one[1])]

    async def by_name(self, name: str) -> str:
        if name not in _DEVICES:
            raise NodeDeviceNotFound(f"no node device with matching name '{name}'")
        return name

    async def by_wwn(self, wwnn: str, wwpn: str) -> str:
        raise NodeDeviceNotFound(f"no SCSI host with WWNN '{wwnn}' and WWPN '{wwpn}'")

    async def xml(self, name: str, flags: int) -> str:
        only(flags, 1, "testNodeDeviceGetXMLDesc")
        return _DEVICES[await self.by_name(name)][3]

    async def parent(self, name: str) -> str | None:
        return _DEVICES[await self.by_name(name)][2]

    async def is_persistent(self, name: str) -> bool:
        return _DEVICES[await self.by_name(name)][2] is None

    async def capabilities(self, name: str) -> list[str]:
        return [_DEVICES[await self.by_name(name)][1]]

    async def refuse_change(self, name: str, what: str) -> None:
        raise OperationUnsupported(
            f"cannot {what} node device '{await self.by_name(name)}' of the test host",
            domain=FROM_NODEDEV,
        )
