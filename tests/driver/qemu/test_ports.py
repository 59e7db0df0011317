"""Ports that a machine names: refused with the reason before anything is started."""

from __future__ import annotations

import errno
import socket

import pytest
from cases import defined, host, qemu_7_2

from virtory.driver.qemu.planning.choice import prepare
from virtory.driver.qemu.planning.ports import bind_error
from virtory.errors import SystemCallFailed

CAPABILITIES = qemu_7_2()


def machine(devices: str) -> str:
    return (
        "<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory>"
        f"<os><type machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def forward(proto: str = "tcp", start: int = 8080, end: int = 8080) -> str:
    return (
        f"<interface type='user'><portForward proto='{proto}' address='127.0.0.1'>"
        f"<range start='{start}' end='{end}' to='22'/></portForward></interface>"
    )


SERIAL = (
    "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='8080'/>"
    "<protocol type='raw'/></serial>"
)


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (forward(), "domain 'web' can not have tcp port 8080 of 127.0.0.1 for its forward of net0"),
        (forward("udp", 8070, 8090), "udp port 8080 of 127.0.0.1 for its forward of net0"),
        ("<graphics type='vnc' port='8080'/>", "tcp port 8080 of 127.0.0.1 for its VNC display"),
        (
            "<graphics type='spice' port='8080'/>",
            "tcp port 8080 of 127.0.0.1 for its SPICE display",
        ),
        (SERIAL, "tcp port 8080 of 127.0.0.1 for its serial0"),
    ],
)
@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.EADDRINUSE, "ss -tulnp 'sport = :8080'"),
        (errno.EACCES, "net.ipv4.ip_unprivileged_port_start=8080"),
        (errno.EADDRNOTAVAIL, "`ip address` shows them"),
    ],
)
def test_a_port_that_can_not_be_had_is_named_with_reason_and_cure(
    devices: str, words: str, code: int, cure: str
) -> None:
    domain = defined(machine(devices), CAPABILITIES)
    busy = host(bind_error=lambda address, port, protocol: code if port == 8080 else 0)
    with pytest.raises(SystemCallFailed, match=words) as caught:
        prepare(domain, busy, 1)
    assert cure in str(caught.value)
    assert caught.value.errno == code
    prepare(domain, host(), 1)


def test_the_host_says_why_a_port_can_not_be_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert bind_error("127.0.0.1", port) == errno.EADDRINUSE
        assert bind_error("0.0.0.0", port) == errno.EADDRINUSE
        assert bind_error("127.0.0.1", port, "udp") == 0
    assert bind_error("127.0.0.1", port) == 0
    assert bind_error("192.0.2.1", port) == errno.EADDRNOTAVAIL
    assert bind_error("a.name.that.is.not.looked.up.example", port) == 0


def test_ports_of_root_are_refused_to_guests_who_never_are() -> None:
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
        first = int(file.read())
    if first < 2:
        pytest.skip("this host lets everybody have every port")
    assert bind_error("127.0.0.1", first - 1) == errno.EACCES
