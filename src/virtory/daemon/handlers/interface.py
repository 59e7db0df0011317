"""The host's network interfaces: seen, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import (
    FROM_INTERFACE,
    InterfaceNotFound,
    NotSupported,
)
from virtory.model.list_flags import ConnectListInterfaces
from virtory.wire.remote import interface
from virtory.wire.remote.types import NonnullInterface

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.daemon.peer import Peer
    from virtory.driver.interface.interface import InterfaceDriver, InterfaceRef

_ACTIVE, _DEFINED = ConnectListInterfaces.ACTIVE, ConnectListInterfaces.INACTIVE


async def _listed(peer: Peer, flags: int) -> list[InterfaceRef]:
    driver = peer.driver.interface
    return await driver.list_all(flags) if driver else []


def _driver(peer: Peer, name: str) -> InterfaceDriver:
    """The driver; without one there is no interface of any name."""
    if peer.driver.interface is None:
        raise InterfaceNotFound(f"couldn't find interface named '{name}'")
    return peer.driver.interface


@serves(interface.CONNECT_NUM_OF_INTERFACES)
async def num_of_interfaces(peer: Peer, _args: None) -> interface.ConnectNumOfInterfacesRet:
    return interface.ConnectNumOfInterfacesRet(len(await _listed(peer, _ACTIVE)))


@serves(interface.CONNECT_LIST_INTERFACES)
async def list_interfaces(
    peer: Peer, args: interface.ConnectListInterfacesArgs
) -> interface.ConnectListInterfacesRet:
    names = [one.name for one in await _listed(peer, _ACTIVE)]
    return interface.ConnectListInterfacesRet(names[: max(0, args.maxnames)])


@serves(interface.CONNECT_NUM_OF_DEFINED_INTERFACES)
async def num_of_defined_interfaces(
    peer: Peer, _args: None
) -> interface.ConnectNumOfDefinedInterfacesRet:
    return interface.ConnectNumOfDefinedInterfacesRet(len(await _listed(peer, _DEFINED)))


@serves(interface.CONNECT_LIST_DEFINED_INTERFACES)
async def list_defined_interfaces(
    peer: Peer, args: interface.ConnectListDefinedInterfacesArgs
) -> interface.ConnectListDefinedInterfacesRet:
    names = [one.name for one in await _listed(peer, _DEFINED)]
    return interface.ConnectListDefinedInterfacesRet(names[: max(0, args.maxnames)])


@serves(interface.CONNECT_LIST_ALL_INTERFACES)
async def list_all_interfaces(
    peer: Peer, args: interface.ConnectListAllInterfacesArgs
) -> interface.ConnectListAllInterfacesRet:
    found = await _listed(peer, args.flags)
    refs = [NonnullInterface(*one) for one in found] if args.need_results else []
    return interface.ConnectListAllInterfacesRet(refs, len(found))


@serves(interface.INTERFACE_LOOKUP_BY_NAME)
async def lookup_by_name(
    peer: Peer, args: interface.InterfaceLookupByNameArgs
) -> interface.InterfaceLookupByNameRet:
    found = await _driver(peer, args.name).by_name(args.name)
    return interface.InterfaceLookupByNameRet(NonnullInterface(*found))


@serves(interface.INTERFACE_LOOKUP_BY_MAC_STRING)
async def lookup_by_mac_string(
    peer: Peer, args: interface.InterfaceLookupByMacStringArgs
) -> interface.InterfaceLookupByMacStringRet:
    found = await _driver(peer, args.mac).by_mac(args.mac)
    return interface.InterfaceLookupByMacStringRet(NonnullInterface(*found))


@serves(interface.INTERFACE_GET_XML_DESC)
async def get_xml_desc(
    peer: Peer, args: interface.InterfaceGetXmlDescArgs
) -> interface.InterfaceGetXmlDescRet:
    name = args.iface.name
    return interface.InterfaceGetXmlDescRet(await _driver(peer, name).xml(name, args.flags))


@serves(interface.INTERFACE_IS_ACTIVE)
async def is_active(
    peer: Peer, args: interface.InterfaceIsActiveArgs
) -> interface.InterfaceIsActiveRet:
    name = args.iface.name
    return interface.InterfaceIsActiveRet(int(await _driver(peer, name).is_active(name)))


def _refused(function: str) -> Callable[[Peer, object], NoReturn]:
    def refuse(_peer: Peer, _args: object) -> NoReturn:
        raise NotSupported(
            function,
            cure="use the tools of this host, such as ip link and networkctl",
            domain=FROM_INTERFACE,
        )

    return refuse


for _procedure, _function in (
    (interface.INTERFACE_CREATE, "virInterfaceCreate"),
    (interface.INTERFACE_DESTROY, "virInterfaceDestroy"),
    (interface.INTERFACE_UNDEFINE, "virInterfaceUndefine"),
    (interface.INTERFACE_DEFINE_XML, "virInterfaceDefineXML"),
    (interface.INTERFACE_CHANGE_BEGIN, "virInterfaceChangeBegin"),
    (interface.INTERFACE_CHANGE_COMMIT, "virInterfaceChangeCommit"),
    (interface.INTERFACE_CHANGE_ROLLBACK, "virInterfaceChangeRollback"),
):
    serves(_procedure)(_refused(_function))
