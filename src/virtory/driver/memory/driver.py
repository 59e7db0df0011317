"""The driver of `test:///default`: a host with one running domain, `test`.

The rule kept here: it is whole as soon as it exists; `start` only starts what is marked for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from virtory.driver.bus import Bus
from virtory.driver.memory.connect import MemoryConnect
from virtory.driver.memory.domain import MemoryDomains
from virtory.driver.memory.host import Host
from virtory.driver.memory.interface import MemoryInterfaces
from virtory.driver.memory.network import MemoryNetworks
from virtory.driver.memory.node_device import MemoryNodeDevices
from virtory.driver.memory.snapshots import MemorySnapshots
from virtory.driver.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.interface.connect import ConnectDriver
    from virtory.driver.interface.domain import DomainDriver
    from virtory.driver.interface.interface import InterfaceDriver
    from virtory.driver.interface.network import NetworkDriver
    from virtory.driver.interface.node_device import NodeDeviceDriver
    from virtory.driver.interface.secret import SecretDriver
    from virtory.driver.interface.snapshot import SnapshotDriver
    from virtory.driver.interface.storage import StorageDriver

TEST_DOMAIN = """\
<domain type='test'>
  <name>test</name>
  <uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <memory unit='KiB'>8388608</memory>
  <currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='i686'>hvm</type>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/var/lib/test/test.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda' bus='sata'/>
      <readonly/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:6b:3c:58'/>
      <target dev='testnet0'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'>
      <source path='/dev/pts/7'/>
      <target port='0'/>
      <alias name='serial0'/>
    </serial>
    <console type='pty' tty='/dev/pts/7'>
      <source path='/dev/pts/7'/>
      <target type='serial' port='0'/>
      <alias name='serial0'/>
    </console>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <graphics type='vnc' port='5900' autoport='yes' listen='127.0.0.1'>
      <listen type='address' address='127.0.0.1'/>
    </graphics>
    <memballoon model='virtio'/>
  </devices>
</domain>
"""


class MemoryDriver:
    """A whole driver; every one is a host of its own.

    Args:
        domains: XML of the domains that are there from the start, running.
        clock: seconds that pass; a test gives its own to stop them.
        time_ns: nanoseconds since the epoch, the guests' clock.
    """

    def __init__(
        self,
        domains: tuple[str, ...] = (TEST_DOMAIN,),
        *,
        clock: Callable[[], float] = time.monotonic,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.bus = Bus()
        self._host = Host(self.bus, clock, time_ns)
        self._domains = MemoryDomains(self._host)
        self.connect: ConnectDriver = MemoryConnect()
        self.domain: DomainDriver = self._domains
        self.snapshot: SnapshotDriver | None = MemorySnapshots(self._host)
        self.network: NetworkDriver | None = MemoryNetworks(self.bus)
        self._storage: StorageDriver | None = None
        self.node_device: NodeDeviceDriver | None = MemoryNodeDevices()
        self.secret: SecretDriver | None = Secrets(None, self.bus)
        self.nwfilter = None
        self.interface: InterfaceDriver | None = MemoryInterfaces()
        for xml in domains:
            self._domains.adopt(xml, running=True)

    @property
    def storage(self) -> StorageDriver:
        """Pools and volumes."""
        if self._storage is None:
            from virtory.driver.memory.storage import MemoryStorage

            self._storage = MemoryStorage(self.bus)
        return self._storage

    async def start(self) -> None:
        """Start the domains marked for it."""
        self._domains.start_marked()

    async def stop(self) -> bool:
        """End every subscription; the domains are forgotten with the driver."""
        self.bus.close()
        return True

    def leave(self) -> None:
        """Nothing is kept anyway."""
