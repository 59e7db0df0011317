"""Network filters: none are served yet, and every answer says so truthfully."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_NWFILTER, ConfigUnsupported, NwfilterNotFound
from virtory.wire.remote import nwfilter

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(nwfilter.CONNECT_NUM_OF_NWFILTERS)
def num_of_nwfilters(_peer: Peer, _args: None) -> nwfilter.ConnectNumOfNwfiltersRet:
    return nwfilter.ConnectNumOfNwfiltersRet(0)


@serves(nwfilter.CONNECT_LIST_NWFILTERS)
def list_nwfilters(
    _peer: Peer, _args: nwfilter.ConnectListNwfiltersArgs
) -> nwfilter.ConnectListNwfiltersRet:
    return nwfilter.ConnectListNwfiltersRet([])


@serves(nwfilter.CONNECT_LIST_ALL_NWFILTERS)
def list_all_nwfilters(
    _peer: Peer, _args: nwfilter.ConnectListAllNwfiltersArgs
) -> nwfilter.ConnectListAllNwfiltersRet:
    return nwfilter.ConnectListAllNwfiltersRet([], 0)


@serves(nwfilter.CONNECT_LIST_ALL_NWFILTER_BINDINGS)
def list_all_nwfilter_bindings(
    _peer: Peer, _args: nwfilter.ConnectListAllNwfilterBindingsArgs
) -> nwfilter.ConnectListAllNwfilterBindingsRet:
    return nwfilter.ConnectListAllNwfilterBindingsRet([], 0)


@serves(nwfilter.NWFILTER_LOOKUP_BY_NAME)
def nwfilter_lookup_by_name(_peer: Peer, args: nwfilter.NwfilterLookupByNameArgs) -> NoReturn:
    raise NwfilterNotFound(f"no nwfilter with matching name '{args.name}'")


@serves(nwfilter.NWFILTER_LOOKUP_BY_UUID)
def nwfilter_lookup_by_uuid(_peer: Peer, args: nwfilter.NwfilterLookupByUuidArgs) -> NoReturn:
    raise NwfilterNotFound(f"no nwfilter with matching uuid '{UUID(bytes=args.uuid)}'")


@serves(nwfilter.NWFILTER_DEFINE_XML)
def nwfilter_define_xml(_peer: Peer, _args: nwfilter.NwfilterDefineXmlArgs) -> NoReturn:
    raise _unserved()


@serves(nwfilter.NWFILTER_DEFINE_XML_FLAGS)
def nwfilter_define_xml_flags(_peer: Peer, _args: nwfilter.NwfilterDefineXmlFlagsArgs) -> NoReturn:
    raise _unserved()


def _unserved() -> ConfigUnsupported:
    """What a definition of a network filter is answered with."""
    return ConfigUnsupported(
        "network filters are not served by this version of virtoryd",
        cure="filter with the firewall of this host or of the guest",
        domain=FROM_NWFILTER,
    )
