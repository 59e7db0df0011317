"""The connection itself: authentication, opening, what the hypervisor is and can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_RPC, InternalError, VirtoryError
from virtory.model.flags import ConnectListDomains
from virtory.wire.remote import auth, connect, domain

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer

LIBRARY_VERSION = 10_000_000
"""The level of libvirt's API that the answers follow: 10.0.0."""

_OPEN_READ_ONLY = 1
_NO_CONNECT = 5
_KEEPALIVE = 10
# Descriptor passing, string parameters, keepalive, migratable XML, event and close callbacks,
# network update with the arguments in their right order.
_FEATURES = frozenset((8, 9, _KEEPALIVE, 11, 14, 15, 16))


@serves(auth.AUTH_LIST, early=True)
def auth_list(_peer: Peer, _args: None) -> auth.AuthListRet:
    return auth.AuthListRet([0])


@serves(connect.CONNECT_SUPPORTS_FEATURE, early=True)
def supports_feature(
    peer: Peer, args: connect.ConnectSupportsFeatureArgs
) -> connect.ConnectSupportsFeatureRet:
    if peer.uri is None and args.feature != _KEEPALIVE:
        raise InternalError("hypervisor connection not open", domain=FROM_RPC)
    return connect.ConnectSupportsFeatureRet(int(args.feature in _FEATURES))


@serves(connect.CONNECT_OPEN, early=True)
def connect_open(peer: Peer, args: connect.ConnectOpenArgs) -> None:
    if peer.uri is not None:
        raise InternalError("connection already open", domain=FROM_RPC)
    # The other bits are the C library's notes to itself on how it found the socket.
    peer.uri = _opened(args.name or peer.driver.connect.uri, peer.driver.connect.uri)
    peer.read_only = peer.read_only or bool(args.flags & _OPEN_READ_ONLY)


def _opened(uri: str, served: str) -> str:
    """The URI as the connection will name it; raises when this daemon's driver has no such one."""
    driver = served.partition(":")[0]
    scheme, _, rest = uri.partition("://")
    path = rest[rest.find("/") :] if "/" in rest else ""
    path = path.partition("?")[0]
    if scheme.partition("+")[0] != driver:
        raise VirtoryError(
            f"no connection driver available for {uri}",
            cure=f"this daemon serves {served}",
            code=_NO_CONNECT,
            domain=0,
        )
    known = ["/system", "/session"] if driver == "qemu" else [served.partition("://")[2]]
    if path not in known:
        raise InternalError(
            f"unexpected {driver.upper()} URI path '{path}', try {served}",
        )
    return f"{driver}://{path}"


@serves(connect.CONNECT_CLOSE)
def connect_close(peer: Peer, _args: None) -> None:
    peer.release()
    peer.close_soon()


@serves(connect.CONNECT_REGISTER_CLOSE_CALLBACK, connect.CONNECT_UNREGISTER_CLOSE_CALLBACK)
def close_callback(_peer: Peer, _args: None) -> None:
    """Accepted: a connection to this daemon is only ever closed by its socket's end."""


@serves(connect.CONNECT_GET_TYPE)
def get_type(peer: Peer, _args: None) -> connect.ConnectGetTypeRet:
    return connect.ConnectGetTypeRet(peer.driver.connect.kind)


@serves(connect.CONNECT_GET_VERSION)
def get_version(peer: Peer, _args: None) -> connect.ConnectGetVersionRet:
    return connect.ConnectGetVersionRet(peer.driver.connect.version())


@serves(connect.CONNECT_GET_LIB_VERSION)
def get_lib_version(_peer: Peer, _args: None) -> connect.ConnectGetLibVersionRet:
    return connect.ConnectGetLibVersionRet(LIBRARY_VERSION)


@serves(connect.CONNECT_GET_HOSTNAME)
def get_hostname(peer: Peer, _args: None) -> connect.ConnectGetHostnameRet:
    return connect.ConnectGetHostnameRet(peer.driver.connect.hostname())


@serves(connect.CONNECT_GET_URI)
def get_uri(peer: Peer, _args: None) -> connect.ConnectGetUriRet:
    return connect.ConnectGetUriRet(peer.uri or peer.driver.connect.uri)


@serves(connect.CONNECT_IS_SECURE)
def is_secure(_peer: Peer, _args: None) -> connect.ConnectIsSecureRet:
    return connect.ConnectIsSecureRet(1)


@serves(connect.CONNECT_GET_SYSINFO)
def get_sysinfo(peer: Peer, args: connect.ConnectGetSysinfoArgs) -> connect.ConnectGetSysinfoRet:
    return connect.ConnectGetSysinfoRet(peer.driver.connect.sysinfo(args.flags))


@serves(connect.CONNECT_GET_MAX_VCPUS)
def get_max_vcpus(
    peer: Peer, args: connect.ConnectGetMaxVcpusArgs
) -> connect.ConnectGetMaxVcpusRet:
    return connect.ConnectGetMaxVcpusRet(peer.driver.connect.max_vcpus(args.type))


@serves(connect.CONNECT_GET_CAPABILITIES)
async def get_capabilities(peer: Peer, _args: None) -> connect.ConnectGetCapabilitiesRet:
    return connect.ConnectGetCapabilitiesRet(await peer.driver.connect.capabilities())


@serves(connect.CONNECT_GET_DOMAIN_CAPABILITIES)
async def get_domain_capabilities(
    peer: Peer, args: connect.ConnectGetDomainCapabilitiesArgs
) -> connect.ConnectGetDomainCapabilitiesRet:
    return connect.ConnectGetDomainCapabilitiesRet(
        await peer.driver.connect.domain_capabilities(
            args.emulatorbin, args.arch, args.machine, args.virttype, args.flags
        )
    )


@serves(connect.CONNECT_GET_CPU_MODEL_NAMES)
async def get_cpu_model_names(
    peer: Peer, args: connect.ConnectGetCpuModelNamesArgs
) -> connect.ConnectGetCpuModelNamesRet:
    names = await peer.driver.connect.cpu_model_names(args.arch, args.flags)
    return connect.ConnectGetCpuModelNamesRet(names if args.need_results else [], len(names))


@serves(connect.CONNECT_BASELINE_CPU)
async def baseline_cpu(
    peer: Peer, args: connect.ConnectBaselineCpuArgs
) -> connect.ConnectBaselineCpuRet:
    return connect.ConnectBaselineCpuRet(
        await peer.driver.connect.baseline_cpu(args.xml_cpus, args.flags)
    )


@serves(connect.CONNECT_BASELINE_HYPERVISOR_CPU)
async def baseline_hypervisor_cpu(
    peer: Peer, args: connect.ConnectBaselineHypervisorCpuArgs
) -> connect.ConnectBaselineHypervisorCpuRet:
    return connect.ConnectBaselineHypervisorCpuRet(
        await peer.driver.connect.baseline_cpu(args.xml_cpus, args.flags)
    )


@serves(connect.CONNECT_COMPARE_CPU)
async def compare_cpu(
    peer: Peer, args: connect.ConnectCompareCpuArgs
) -> connect.ConnectCompareCpuRet:
    return connect.ConnectCompareCpuRet(await peer.driver.connect.compare_cpu(args.xml, args.flags))


@serves(connect.CONNECT_COMPARE_HYPERVISOR_CPU)
async def compare_hypervisor_cpu(
    peer: Peer, args: connect.ConnectCompareHypervisorCpuArgs
) -> connect.ConnectCompareHypervisorCpuRet:
    return connect.ConnectCompareHypervisorCpuRet(
        await peer.driver.connect.compare_hypervisor_cpu(
            args.emulator, args.arch, args.virttype, args.xml_cpu, args.flags
        )
    )


@serves(connect.CONNECT_DOMAIN_XML_TO_NATIVE)
async def domain_xml_to_native(
    peer: Peer, args: connect.ConnectDomainXmlToNativeArgs
) -> connect.ConnectDomainXmlToNativeRet:
    return connect.ConnectDomainXmlToNativeRet(
        await peer.driver.connect.domain_xml_to_native(
            args.native_format, args.domain_xml, args.flags
        )
    )


@serves(domain.CONNECT_LIST_ALL_DOMAINS)
def list_all_domains(
    peer: Peer, args: domain.ConnectListAllDomainsArgs
) -> domain.ConnectListAllDomainsRet:
    domains = peer.driver.domain.list_all(args.flags)
    return domain.ConnectListAllDomainsRet(domains if args.need_results else [], len(domains))


@serves(domain.CONNECT_NUM_OF_DOMAINS)
def num_of_domains(peer: Peer, _args: None) -> domain.ConnectNumOfDomainsRet:
    return domain.ConnectNumOfDomainsRet(
        len(peer.driver.domain.list_all(ConnectListDomains.ACTIVE))
    )


@serves(domain.CONNECT_LIST_DOMAINS)
def list_domains(peer: Peer, args: domain.ConnectListDomainsArgs) -> domain.ConnectListDomainsRet:
    active = peer.driver.domain.list_all(ConnectListDomains.ACTIVE)
    return domain.ConnectListDomainsRet([one.id for one in active[: max(args.maxids, 0)]])


@serves(domain.CONNECT_NUM_OF_DEFINED_DOMAINS)
def num_of_defined_domains(peer: Peer, _args: None) -> domain.ConnectNumOfDefinedDomainsRet:
    inactive = peer.driver.domain.list_all(ConnectListDomains.INACTIVE)
    return domain.ConnectNumOfDefinedDomainsRet(len(inactive))


@serves(domain.CONNECT_LIST_DEFINED_DOMAINS)
def list_defined_domains(
    peer: Peer, args: domain.ConnectListDefinedDomainsArgs
) -> domain.ConnectListDefinedDomainsRet:
    inactive = peer.driver.domain.list_all(ConnectListDomains.INACTIVE)
    return domain.ConnectListDefinedDomainsRet(
        [one.name for one in inactive[: max(args.maxnames, 0)]]
    )
