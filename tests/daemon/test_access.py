"""Which procedures change something, and the C function that a refusal names."""

from __future__ import annotations

import pytest

from virtory.daemon import access
from virtory.wire.procedure import QEMU, REMOTE, find
from virtory.wire.remote.index import MODULES

CALLS = [
    procedure
    for numbers in MODULES.values()
    for number in numbers
    if (procedure := find(REMOTE.number, number)) is not None and procedure.message is None
]
BY_NAME = {procedure.name: procedure for procedure in CALLS}


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("DOMAIN_CREATE", "virDomainCreate"),
        ("DOMAIN_CREATE_XML", "virDomainCreateXML"),
        ("DOMAIN_CREATE_XML_WITH_FILES", "virDomainCreateXMLWithFiles"),
        ("DOMAIN_INJECT_NMI", "virDomainInjectNMI"),
        ("DOMAIN_FSFREEZE", "virDomainFSFreeze"),
        ("DOMAIN_PM_WAKEUP", "virDomainPMWakeup"),
        ("DOMAIN_OPEN_GRAPHICS_FD", "virDomainOpenGraphicsFD"),
        ("DOMAIN_SET_VCPUS_FLAGS", "virDomainSetVcpusFlags"),
        ("DOMAIN_AUTHORIZED_SSH_KEYS_SET", "virDomainAuthorizedSSHKeysSet"),
        ("CONNECT_DOMAIN_XML_TO_NATIVE", "virConnectDomainXMLToNative"),
        ("CONNECT_COMPARE_HYPERVISOR_CPU", "virConnectCompareHypervisorCPU"),
        ("NWFILTER_DEFINE_XML", "virNWFilterDefineXML"),
        ("STORAGE_VOL_CREATE_XML_FROM", "virStorageVolCreateXMLFrom"),
    ],
)
def test_a_refusal_names_the_public_function(name: str, function: str) -> None:
    assert access.function_name(BY_NAME[name]) == function


@pytest.mark.parametrize(
    ("number", "function"),
    [
        (1, "virDomainQemuMonitorCommand"),
        (3, "virDomainQemuAgentCommand"),
        (4, "virConnectDomainQemuMonitorEventRegister"),
    ],
)
def test_functions_of_the_qemu_program_carry_its_name(number: int, function: str) -> None:
    procedure = find(QEMU.number, number)
    assert procedure is not None
    assert access.writes(procedure)
    assert access.function_name(procedure) == function


@pytest.mark.parametrize(
    "name",
    [
        "CONNECT_LIST_ALL_DOMAINS",
        "CONNECT_GET_CAPABILITIES",
        "DOMAIN_GET_XML_DESC",
        "DOMAIN_LOOKUP_BY_NAME",
        "CONNECT_GET_ALL_DOMAIN_STATS",
        "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY",
        "DOMAIN_MEMORY_STATS",
        "CONNECT_CLOSE",
    ],
)
def test_what_only_reads_is_for_everybody(name: str) -> None:
    assert not access.writes(BY_NAME[name])


@pytest.mark.parametrize(
    "name",
    [
        "DOMAIN_SCREENSHOT",
        "DOMAIN_OPEN_CONSOLE",
        "DOMAIN_GET_HOSTNAME",
        "DOMAIN_SET_SCHEDULER_PARAMETERS",
        "CONNECT_GET_DOMAIN_CAPABILITIES",
        "DOMAIN_SAVE_IMAGE_GET_XML_DESC",
        "DOMAIN_BLOCK_PEEK",
        "SECRET_GET_VALUE",
    ],
)
def test_what_looks_harmless_but_is_not_needs_a_read_write_connection(name: str) -> None:
    assert access.writes(BY_NAME[name])


def test_more_than_half_of_all_calls_need_a_read_write_connection() -> None:
    writing = [procedure for procedure in CALLS if access.writes(procedure)]
    assert len(CALLS) == 392
    assert 190 < len(writing) < 210
