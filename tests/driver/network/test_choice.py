"""Choosing subnets and names on a host described by values; leases as dnsmasq tells them."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING

import pytest

from virtory.driver.network import choice
from virtory.driver.network.choice import Surroundings
from virtory.driver.network.leases import Lease, Leases
from virtory.driver.network.netlink import Link, Route
from virtory.driver.network.plan import NetworkPlan
from virtory.errors import InternalError
from virtory.model.network import parse_network

if TYPE_CHECKING:
    from pathlib import Path


def here(*routes: tuple[str, int, str], protocol: int = 2) -> Surroundings:
    names = sorted({name for _, _, name in routes})
    links = tuple(Link(n, name, "", None, 0) for n, name in enumerate(names, 1))
    return Surroundings(
        links,
        tuple(
            Route(2, address or None, prefix, names.index(name) + 1, protocol)
            for address, prefix, name in routes
        ),
    )


def test_the_usual_subnet_is_taken_where_it_is_free() -> None:
    free = choice.free_subnet(here(("", 0, "eth0"), ("192.0.2.0", 24, "eth0")), ())
    assert str(free) == "192.168.122.0/24"


def test_a_subnet_that_somebody_has_is_passed_over() -> None:
    host = here(("192.168.122.0", 24, "virbr0"), ("192.168.123.128", 25, "eth1"))
    assert str(choice.free_subnet(host, ())) == "192.168.124.0/24"
    others = [ipaddress.ip_network("192.168.124.0/24")]
    assert str(choice.free_subnet(host, others)) == "192.168.125.0/24"


def test_nothing_is_free_below_a_route_over_all() -> None:
    assert choice.free_subnet(here(("192.168.0.0", 16, "tun0")), ()) is None


def test_bridges_are_numbered_past_those_there_are() -> None:
    assert choice.free_bridge({"virbr0", "virbr1", "eth0"}) == "virbr2"
    assert choice.free_bridge({"br0"}, "br%d") == "br1"


NET = "<network><name>n</name><bridge name='b0'/><ip address='10.1.2.1' prefix='24'/></network>"


def test_an_overlap_is_refused_naming_both() -> None:
    host = here(("10.1.0.0", 16, "eth1"))
    with pytest.raises(InternalError) as refused:
        choice.refuse_overlap(parse_network(NET), "b0", host, lambda _: None)
    assert "already in use by interface eth1" in str(refused.value)
    assert "10.1.2.0/24 of network 'n' overlaps 10.1.0.0/16" in str(refused.value)
    assert "192.168.122.0/24" in str(refused.value)


def test_an_overlap_with_a_network_names_the_network() -> None:
    host = here(("10.1.2.0", 24, "virbr7"))
    with pytest.raises(InternalError, match="of network 'other'"):
        choice.refuse_overlap(parse_network(NET), "b0", host, lambda _: "other")


def test_wide_routes_through_a_gateway_and_the_own_bridge_are_no_overlap() -> None:
    network = parse_network(NET)
    choice.refuse_overlap(network, "b0", here(("10.0.0.0", 8, "tun0"), protocol=3), lambda _: None)
    choice.refuse_overlap(network, "b0", here(("10.1.2.0", 24, "b0")), lambda _: None)


def test_what_is_left_open_is_chosen() -> None:
    network = parse_network("<network><name>n</name><forward dev='eth0'/></network>")
    whole = choice.with_identity(network, ["virbr0"], here())
    assert whole.uuid and whole.mac and whole.bridge
    assert (whole.bridge.name, whole.bridge.stp, whole.bridge.delay) == ("virbr1", True, 0)
    assert whole.forward and whole.forward.interfaces[0].dev == "eth0"


def test_leases_are_read_and_then_heard(tmp_path: Path) -> None:
    later = int(time.time()) + 1000
    (tmp_path / "leases").write_text(
        f"{later} 52:54:00:AA:bb:01 192.168.122.55 guest1 01:52:54:00:aa:bb:01\n"
        "12 52:54:00:aa:bb:02 192.168.122.56 * *\n"
        "duid 00:01:00:01:2a:2a:2a:2a:52:54:00:aa:bb:09\n"
        f"{later} 11185922 fd00::5 six 00:03:00:01:52:54:00:aa:bb:03\n"
        "nonsense\n"
    )
    heard: list[tuple[str, bool]] = []
    plan = NetworkPlan("b0", "", str(tmp_path), "")
    leases = Leases(plan, lambda lease, valid: heard.append((lease.address, valid)))
    client = "01:52:54:00:aa:bb:01"
    first = Lease("192.168.122.55", "52:54:00:aa:bb:01", "guest1", later, client, None)
    assert leases.valid("52:54:00:aa:bb:01") == [first]
    (six,) = leases.valid("52:54:00:aa:bb:03")
    assert (six.family, six.iaid, six.hostname) == (6, "11185922", "six")
    assert len(leases.valid()) == 2
    leases.take(f"add\t52:54:00:aa:bb:04\t192.168.122.57\tnew\t{later}\t*\t*\t*")
    leases.take("del\t52:54:00:aa:bb:01\t192.168.122.55\t*\t0\t*\t*\t*")
    leases.take("garbage")
    assert heard == [("192.168.122.57", True), ("192.168.122.55", False)]
    assert [lease.hostname for lease in leases.valid("52:54:00:aa:bb:04")] == ["new"]
