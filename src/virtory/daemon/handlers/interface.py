"""The host's network interfaces: none are managed yet, and every answer says so truthfully."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_INTERFACE, ConfigUnsupported, InterfaceNotFound
from virtory.wire.remote import interface

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(interface.CONNECT_NUM_OF_INTERFACES)
def num_of_interfaces(_peer: Peer, _args: None) -> interface.ConnectNumOfInterfacesRet:
    return interface.ConnectNumOfInterfacesRet(0)


@serves(interface.CONNECT_LIST_INTERFACES)
def list_interfaces(
    _peer: Peer, _args: interface.ConnectListInterfacesArgs
) -> interface.ConnectListInterfacesRet:
    return interface.ConnectListInterfacesRet([])


@serves(interface.CONNECT_NUM_OF_DEFINED_INTERFACES)
def num_of_defined_interfaces(
    _peer: Peer, _args: None
) -> interface.ConnectNumOfDefinedInterfacesRet:
    return interface.ConnectNumOfDefinedInterfacesRet(0)


@serves(interface.CONNECT_LIST_DEFINED_INTERFACES)
def list_defined_interfaces(
    _peer: Peer, _args: interface.ConnectListDefinedInterfacesArgs
) -> interface.ConnectListDefinedInterfacesRet:
    return interface.ConnectListDefinedInterfacesRet([])


@serves(interface.CONNECT_LIST_ALL_INTERFACES)
def list_all_interfaces(
    _peer: Peer, _args: interface.ConnectListAllInterfacesArgs
) -> interface.ConnectListAllInterfacesRet:
    return interface.ConnectListAllInterfacesRet([], 0)


@serves(interface.INTERFACE_LOOKUP_BY_NAME)
def interface_lookup_by_name(_peer: Peer, args: interface.InterfaceLookupByNameArgs) -> NoReturn:
    raise InterfaceNotFound(f"couldn't find interface named '{args.name}'")


@serves(interface.INTERFACE_LOOKUP_BY_MAC_STRING)
def interface_lookup_by_mac_string(
    _peer: Peer, args: interface.InterfaceLookupByMacStringArgs
) -> NoReturn:
    raise InterfaceNotFound(f"couldn't find interface with MAC address '{args.mac}'")


@serves(interface.INTERFACE_DEFINE_XML)
def interface_define_xml(_peer: Peer, _args: interface.InterfaceDefineXmlArgs) -> NoReturn:
    raise _unserved()


def _unserved() -> ConfigUnsupported:
    """What a definition of a host interface is answered with."""
    return ConfigUnsupported(
        "host interfaces are not served by this version of virtoryd",
        cure="configure it with the tools of this host",
        domain=FROM_INTERFACE,
    )
