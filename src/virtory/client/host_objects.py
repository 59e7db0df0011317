"""A host's networks, storage, devices, secrets, filters, interfaces: list, look up, define.

The rule kept here: a lookup that finds nothing raises the `NotFound` of its kind.
"""

from __future__ import annotations

from virtory.client.handle import uuid_bytes
from virtory.client.host_part import HostPart
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.client import interface, network, node_device, nwfilter, secret, storage
    from virtory.client.interface import Interface
    from virtory.client.network import Network
    from virtory.client.node_device import NodeDevice
    from virtory.client.nwfilter import Nwfilter, NwfilterBinding
    from virtory.client.secret import Secret
    from virtory.client.storage import StoragePool, StorageVolume
    from virtory.wire.remote import interface as w_interface
    from virtory.wire.remote import network as w
    from virtory.wire.remote import node_device as w_node_device
    from virtory.wire.remote import nwfilter as w_nwfilter
    from virtory.wire.remote import secret as w_secret
    from virtory.wire.remote import storage_pool as w_storage_pool
    from virtory.wire.remote import storage_volume as w_storage_volume
else:
    interface = Later("virtory.client.interface")
    network = Later("virtory.client.network")
    node_device = Later("virtory.client.node_device")
    nwfilter = Later("virtory.client.nwfilter")
    secret = Later("virtory.client.secret")
    storage = Later("virtory.client.storage")
    w_interface = Later("virtory.wire.remote.interface")
    w = Later("virtory.wire.remote.network")
    w_node_device = Later("virtory.wire.remote.node_device")
    w_nwfilter = Later("virtory.wire.remote.nwfilter")
    w_secret = Later("virtory.wire.remote.secret")
    w_storage_pool = Later("virtory.wire.remote.storage_pool")
    w_storage_volume = Later("virtory.wire.remote.storage_volume")

MOST_NAMES = 16384


class HostObjects(HostPart):
    """What a host has besides domains."""

    # -- networks ------------------------------------------------------------------------------
    async def list_networks(self, *, active: bool | None = None, flags: int = 0) -> list[Network]:
        """`CONNECT_LIST_ALL_NETWORKS`: running and defined ones. `ConnectListNetworks`."""
        flags |= _active(active, 2, 1)
        args = w.ConnectListAllNetworksArgs(1, flags)
        ret = await self.caller.call(w.CONNECT_LIST_ALL_NETWORKS, args)
        return [network.Network(self._host, ref) for ref in ret.nets]

    async def network(self, name: str) -> Network:
        """`NETWORK_LOOKUP_BY_NAME`: raises `NetworkNotFound`."""
        args = w.NetworkLookupByNameArgs(name)
        return network.Network(
            self._host, (await self.caller.call(w.NETWORK_LOOKUP_BY_NAME, args)).net
        )

    async def network_by_uuid(self, uuid: str | bytes) -> Network:
        """`NETWORK_LOOKUP_BY_UUID`: raises `NetworkNotFound`."""
        args = w.NetworkLookupByUuidArgs(uuid_bytes(uuid))
        return network.Network(
            self._host, (await self.caller.call(w.NETWORK_LOOKUP_BY_UUID, args)).net
        )

    async def running_network_names(self) -> list[str]:
        """`CONNECT_LIST_NETWORKS`: the names of those that run."""
        args = w.ConnectListNetworksArgs(MOST_NAMES)
        return (await self.caller.call(w.CONNECT_LIST_NETWORKS, args)).names

    async def count_running_networks(self) -> int:
        """`CONNECT_NUM_OF_NETWORKS`: how many run."""
        return (await self.caller.call(w.CONNECT_NUM_OF_NETWORKS)).num

    async def define_network(self, xml: str, *, flags: int = 0) -> Network:
        """`NETWORK_DEFINE_XML`, with flags `NETWORK_DEFINE_XML_FLAGS`: keep a definition."""
        if flags:
            with_flags = w.NetworkDefineXmlFlagsArgs(xml, flags)
            found = await self.caller.call(w.NETWORK_DEFINE_XML_FLAGS, with_flags)
            return network.Network(self._host, found.net)
        args = w.NetworkDefineXmlArgs(xml)
        return network.Network(self._host, (await self.caller.call(w.NETWORK_DEFINE_XML, args)).net)

    async def create_network(self, xml: str, *, flags: int = 0) -> Network:
        """`NETWORK_CREATE_XML`, with flags `NETWORK_CREATE_XML_FLAGS`: a transient one, started."""
        if flags:
            with_flags = w.NetworkCreateXmlFlagsArgs(xml, flags)
            found = await self.caller.call(w.NETWORK_CREATE_XML_FLAGS, with_flags)
            return network.Network(self._host, found.net)
        args = w.NetworkCreateXmlArgs(xml)
        return network.Network(self._host, (await self.caller.call(w.NETWORK_CREATE_XML, args)).net)

    # -- storage -------------------------------------------------------------------------------
    async def list_storage_pools(
        self, *, active: bool | None = None, flags: int = 0
    ) -> list[StoragePool]:
        """`CONNECT_LIST_ALL_STORAGE_POOLS`: running and defined ones."""
        flags |= _active(active, 2, 1)
        args = w_storage_pool.ConnectListAllStoragePoolsArgs(1, flags)
        ret = await self.caller.call(w_storage_pool.CONNECT_LIST_ALL_STORAGE_POOLS, args)
        return [storage.StoragePool(self._host, ref) for ref in ret.pools]

    async def storage_pool(self, name: str) -> StoragePool:
        """`STORAGE_POOL_LOOKUP_BY_NAME`: raises `StoragePoolNotFound`."""
        args = w_storage_pool.StoragePoolLookupByNameArgs(name)
        ret = await self.caller.call(w_storage_pool.STORAGE_POOL_LOOKUP_BY_NAME, args)
        return storage.StoragePool(self._host, ret.pool)

    async def storage_pool_by_uuid(self, uuid: str | bytes) -> StoragePool:
        """`STORAGE_POOL_LOOKUP_BY_UUID`: raises `StoragePoolNotFound`."""
        args = w_storage_pool.StoragePoolLookupByUuidArgs(uuid_bytes(uuid))
        ret = await self.caller.call(w_storage_pool.STORAGE_POOL_LOOKUP_BY_UUID, args)
        return storage.StoragePool(self._host, ret.pool)

    async def storage_pool_by_path(self, path: str) -> StoragePool:
        """`STORAGE_POOL_LOOKUP_BY_TARGET_PATH`: raises `StoragePoolNotFound`."""
        args = w_storage_pool.StoragePoolLookupByTargetPathArgs(path)
        ret = await self.caller.call(w_storage_pool.STORAGE_POOL_LOOKUP_BY_TARGET_PATH, args)
        return storage.StoragePool(self._host, ret.pool)

    async def define_storage_pool(self, xml: str, *, flags: int = 0) -> StoragePool:
        """`STORAGE_POOL_DEFINE_XML`: keep a definition."""
        args = w_storage_pool.StoragePoolDefineXmlArgs(xml, flags)
        ret = await self.caller.call(w_storage_pool.STORAGE_POOL_DEFINE_XML, args)
        return storage.StoragePool(self._host, ret.pool)

    async def create_storage_pool(self, xml: str, *, flags: int = 0) -> StoragePool:
        """`STORAGE_POOL_CREATE_XML`: a transient one, started."""
        args = w_storage_pool.StoragePoolCreateXmlArgs(xml, flags)
        ret = await self.caller.call(w_storage_pool.STORAGE_POOL_CREATE_XML, args)
        return storage.StoragePool(self._host, ret.pool)

    async def find_storage_pool_sources(
        self, kind: str, source: str | None = None, *, flags: int = 0
    ) -> str:
        """`CONNECT_FIND_STORAGE_POOL_SOURCES`: XML: what pools of this kind could be made of."""
        args = w_storage_pool.ConnectFindStoragePoolSourcesArgs(kind, source, flags)
        return (await self.caller.call(w_storage_pool.CONNECT_FIND_STORAGE_POOL_SOURCES, args)).xml

    async def volume_by_key(self, key: str) -> StorageVolume:
        """`STORAGE_VOL_LOOKUP_BY_KEY`: raises `StorageVolumeNotFound`."""
        args = w_storage_volume.StorageVolLookupByKeyArgs(key)
        ret = await self.caller.call(w_storage_volume.STORAGE_VOL_LOOKUP_BY_KEY, args)
        return storage.StorageVolume(self._host, ret.vol)

    async def volume_by_path(self, path: str) -> StorageVolume:
        """`STORAGE_VOL_LOOKUP_BY_PATH`: raises `StorageVolumeNotFound`."""
        args = w_storage_volume.StorageVolLookupByPathArgs(path)
        ret = await self.caller.call(w_storage_volume.STORAGE_VOL_LOOKUP_BY_PATH, args)
        return storage.StorageVolume(self._host, ret.vol)

    # -- devices -------------------------------------------------------------------------------
    async def list_node_devices(self, *, flags: int = 0) -> list[NodeDevice]:
        """`CONNECT_LIST_ALL_NODE_DEVICES`: the host's devices. `ConnectListNodeDevices`."""
        args = w_node_device.ConnectListAllNodeDevicesArgs(1, flags)
        ret = await self.caller.call(w_node_device.CONNECT_LIST_ALL_NODE_DEVICES, args)
        return [node_device.NodeDevice(self._host, ref) for ref in ret.devices]

    async def node_device_names(self, capability: str | None = None) -> list[str]:
        """`NODE_LIST_DEVICES`: names, of one capability such as `pci` or of all."""
        args = w_node_device.NodeListDevicesArgs(capability, 65536, 0)
        return (await self.caller.call(w_node_device.NODE_LIST_DEVICES, args)).names

    async def count_node_devices(self, capability: str | None = None) -> int:
        """`NODE_NUM_OF_DEVICES`: how many."""
        args = w_node_device.NodeNumOfDevicesArgs(capability, 0)
        return (await self.caller.call(w_node_device.NODE_NUM_OF_DEVICES, args)).num

    async def node_device(self, name: str) -> NodeDevice:
        """`NODE_DEVICE_LOOKUP_BY_NAME`: raises `NodeDeviceNotFound`."""
        args = w_node_device.NodeDeviceLookupByNameArgs(name)
        ret = await self.caller.call(w_node_device.NODE_DEVICE_LOOKUP_BY_NAME, args)
        return node_device.NodeDevice(self._host, ret.dev)

    async def node_device_by_wwn(self, wwnn: str, wwpn: str, *, flags: int = 0) -> NodeDevice:
        """`NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN`: a Fibre Channel host."""
        args = w_node_device.NodeDeviceLookupScsiHostByWwnArgs(wwnn, wwpn, flags)
        ret = await self.caller.call(w_node_device.NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN, args)
        return node_device.NodeDevice(self._host, ret.dev)

    async def define_node_device(self, xml: str, *, flags: int = 0) -> NodeDevice:
        """`NODE_DEVICE_DEFINE_XML`: keep the definition of a mediated device."""
        args = w_node_device.NodeDeviceDefineXmlArgs(xml, flags)
        ret = await self.caller.call(w_node_device.NODE_DEVICE_DEFINE_XML, args)
        return node_device.NodeDevice(self._host, ret.dev)

    async def create_node_device(self, xml: str, *, flags: int = 0) -> NodeDevice:
        """`NODE_DEVICE_CREATE_XML`: make a mediated device or a virtual HBA."""
        args = w_node_device.NodeDeviceCreateXmlArgs(xml, flags)
        ret = await self.caller.call(w_node_device.NODE_DEVICE_CREATE_XML, args)
        return node_device.NodeDevice(self._host, ret.dev)

    # -- secrets -------------------------------------------------------------------------------
    async def list_secrets(self, *, flags: int = 0) -> list[Secret]:
        """`CONNECT_LIST_ALL_SECRETS`: without their values. `ConnectListSecrets`."""
        args = w_secret.ConnectListAllSecretsArgs(1, flags)
        ret = await self.caller.call(w_secret.CONNECT_LIST_ALL_SECRETS, args)
        return [secret.Secret(self._host, ref) for ref in ret.secrets]

    async def secret(self, uuid: str | bytes) -> Secret:
        """`SECRET_LOOKUP_BY_UUID`: raises `SecretNotFound`."""
        args = w_secret.SecretLookupByUuidArgs(uuid_bytes(uuid))
        return secret.Secret(
            self._host, (await self.caller.call(w_secret.SECRET_LOOKUP_BY_UUID, args)).secret
        )

    async def secret_by_usage(self, usage_type: int, usage: str) -> Secret:
        """`SECRET_LOOKUP_BY_USAGE`: raises `SecretNotFound`."""
        args = w_secret.SecretLookupByUsageArgs(usage_type, usage)
        return secret.Secret(
            self._host, (await self.caller.call(w_secret.SECRET_LOOKUP_BY_USAGE, args)).secret
        )

    async def define_secret(self, xml: str, *, flags: int = 0) -> Secret:
        """`SECRET_DEFINE_XML`: keep a secret, its value to be set."""
        args = w_secret.SecretDefineXmlArgs(xml, flags)
        return secret.Secret(
            self._host, (await self.caller.call(w_secret.SECRET_DEFINE_XML, args)).secret
        )

    # -- filters -------------------------------------------------------------------------------
    async def list_nwfilters(self, *, flags: int = 0) -> list[Nwfilter]:
        """`CONNECT_LIST_ALL_NWFILTERS`: every network filter."""
        args = w_nwfilter.ConnectListAllNwfiltersArgs(1, flags)
        ret = await self.caller.call(w_nwfilter.CONNECT_LIST_ALL_NWFILTERS, args)
        return [nwfilter.Nwfilter(self._host, ref) for ref in ret.filters]

    async def nwfilter(self, name: str) -> Nwfilter:
        """`NWFILTER_LOOKUP_BY_NAME`: raises `NwfilterNotFound`."""
        args = w_nwfilter.NwfilterLookupByNameArgs(name)
        ret = await self.caller.call(w_nwfilter.NWFILTER_LOOKUP_BY_NAME, args)
        return nwfilter.Nwfilter(self._host, ret.nwfilter)

    async def nwfilter_by_uuid(self, uuid: str | bytes) -> Nwfilter:
        """`NWFILTER_LOOKUP_BY_UUID`: raises `NwfilterNotFound`."""
        args = w_nwfilter.NwfilterLookupByUuidArgs(uuid_bytes(uuid))
        ret = await self.caller.call(w_nwfilter.NWFILTER_LOOKUP_BY_UUID, args)
        return nwfilter.Nwfilter(self._host, ret.nwfilter)

    async def define_nwfilter(self, xml: str, *, flags: int = 0) -> Nwfilter:
        """`NWFILTER_DEFINE_XML`, with flags `NWFILTER_DEFINE_XML_FLAGS`: keep a filter."""
        if flags:
            with_flags = w_nwfilter.NwfilterDefineXmlFlagsArgs(xml, flags)
            found = await self.caller.call(w_nwfilter.NWFILTER_DEFINE_XML_FLAGS, with_flags)
            return nwfilter.Nwfilter(self._host, found.nwfilter)
        args = w_nwfilter.NwfilterDefineXmlArgs(xml)
        ret = await self.caller.call(w_nwfilter.NWFILTER_DEFINE_XML, args)
        return nwfilter.Nwfilter(self._host, ret.nwfilter)

    async def list_nwfilter_bindings(self, *, flags: int = 0) -> list[NwfilterBinding]:
        """`CONNECT_LIST_ALL_NWFILTER_BINDINGS`: every filter in force."""
        args = w_nwfilter.ConnectListAllNwfilterBindingsArgs(1, flags)
        ret = await self.caller.call(w_nwfilter.CONNECT_LIST_ALL_NWFILTER_BINDINGS, args)
        return [nwfilter.NwfilterBinding(self._host, ref) for ref in ret.bindings]

    async def nwfilter_binding(self, port: str) -> NwfilterBinding:
        """`NWFILTER_BINDING_LOOKUP_BY_PORT_DEV`: the filter in force on a port's device."""
        args = w_nwfilter.NwfilterBindingLookupByPortDevArgs(port)
        ret = await self.caller.call(w_nwfilter.NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, args)
        return nwfilter.NwfilterBinding(self._host, ret.nwfilter)

    async def create_nwfilter_binding(self, xml: str, *, flags: int = 0) -> NwfilterBinding:
        """`NWFILTER_BINDING_CREATE_XML`: put a filter in force on a port."""
        args = w_nwfilter.NwfilterBindingCreateXmlArgs(xml, flags)
        ret = await self.caller.call(w_nwfilter.NWFILTER_BINDING_CREATE_XML, args)
        return nwfilter.NwfilterBinding(self._host, ret.nwfilter)

    # -- interfaces ----------------------------------------------------------------------------
    async def list_interfaces(
        self, *, active: bool | None = None, flags: int = 0
    ) -> list[Interface]:
        """`CONNECT_LIST_ALL_INTERFACES`: the host's network interfaces."""
        flags |= _active(active, 2, 1)
        args = w_interface.ConnectListAllInterfacesArgs(1, flags)
        ret = await self.caller.call(w_interface.CONNECT_LIST_ALL_INTERFACES, args)
        return [interface.Interface(self._host, ref) for ref in ret.ifaces]

    async def interface(self, name: str) -> Interface:
        """`INTERFACE_LOOKUP_BY_NAME`: raises `InterfaceNotFound`."""
        args = w_interface.InterfaceLookupByNameArgs(name)
        ret = await self.caller.call(w_interface.INTERFACE_LOOKUP_BY_NAME, args)
        return interface.Interface(self._host, ret.iface)

    async def interface_by_mac(self, mac: str) -> Interface:
        """`INTERFACE_LOOKUP_BY_MAC_STRING`: raises `InterfaceNotFound`."""
        args = w_interface.InterfaceLookupByMacStringArgs(mac)
        ret = await self.caller.call(w_interface.INTERFACE_LOOKUP_BY_MAC_STRING, args)
        return interface.Interface(self._host, ret.iface)

    async def define_interface(self, xml: str, *, flags: int = 0) -> Interface:
        """`INTERFACE_DEFINE_XML`: keep a definition."""
        args = w_interface.InterfaceDefineXmlArgs(xml, flags)
        ret = await self.caller.call(w_interface.INTERFACE_DEFINE_XML, args)
        return interface.Interface(self._host, ret.iface)

    async def begin_interface_changes(self, *, flags: int = 0) -> None:
        """`INTERFACE_CHANGE_BEGIN`: changes from now on can be rolled back."""
        await self.caller.call(
            w_interface.INTERFACE_CHANGE_BEGIN, w_interface.InterfaceChangeBeginArgs(flags)
        )

    async def commit_interface_changes(self, *, flags: int = 0) -> None:
        """`INTERFACE_CHANGE_COMMIT`: keep them."""
        await self.caller.call(
            w_interface.INTERFACE_CHANGE_COMMIT, w_interface.InterfaceChangeCommitArgs(flags)
        )

    async def roll_interface_changes_back(self, *, flags: int = 0) -> None:
        """`INTERFACE_CHANGE_ROLLBACK`: undo them."""
        await self.caller.call(
            w_interface.INTERFACE_CHANGE_ROLLBACK, w_interface.InterfaceChangeRollbackArgs(flags)
        )


def _active(active: bool | None, active_bit: int, inactive_bit: int) -> int:
    if active is None:
        return 0
    return active_bit if active else inactive_bit
