"""Network descriptions: read, written, judged, changed in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtory.errors import ConfigUnsupported, OperationInvalid, OperationUnsupported, XmlError
from virtory.model.network import format_network, parse_network, problems, unserved
from virtory.model.network.metadata import metadata_of, with_metadata
from virtory.model.network.port import format_port, parse_port
from virtory.model.network.update import COMMANDS, SECTIONS, updated

DATA = Path(__file__).parents[1] / "data" / "network"
NAT = (DATA / "nat.xml").read_text()


@pytest.mark.parametrize("path", sorted(DATA.glob("*.xml")), ids=lambda path: path.stem)
def test_a_description_is_written_as_it_was_read(path: Path) -> None:
    network = parse_network(path.read_text())
    assert problems(network) == []
    assert unserved(network) == []
    assert parse_network(format_network(network)) == network


def bad(xml: str) -> dict[str, str]:
    return dict(problems(parse_network(xml)))


def test_all_problems_come_at_once_with_their_places() -> None:
    found = bad(
        "<network><name>a/b</name><forward mode='route'><nat/></forward>"
        "<bridge name='a name that is much too long'/><mac address='53:54:00:00:00:01'/>"
        "<domain name='-'/><dns><host ip='1.2.3'><hostname>a b</hostname></host>"
        "<txt name='x y' value='v'/><forwarder/></dns>"
        "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.9' end='10.0.0.3'/>"
        "<host ip='10.1.0.1' mac='52:54:00:00:00:01'/><host ip='10.0.0.7'/></dhcp></ip>"
        "<ip address='10.0.0.77' netmask='255.0.0.0'/><ip address='fd00::1'/>"
        "<route address='10.9.0.1' prefix='16' gateway='10.0.0.2'/>"
        "<route address='10.9.0.0' prefix='16' gateway='172.16.0.1'/>"
        "<portgroup name='p' default='yes'/><portgroup name='p' default='yes'/></network>"
    )
    assert set(found) == {
        "/network/name",
        "/network/forward/nat",
        "/network/bridge/@name",
        "/network/mac/@address",
        "/network/domain/@name",
        "/network/dns/host[1]/@ip",
        "/network/dns/host[1]/hostname",
        "/network/dns/txt[1]/@name",
        "/network/dns/forwarder[1]",
        "/network/ip[1]/dhcp/range",
        "/network/ip[1]/dhcp/host[1]/@ip",
        "/network/ip[1]/dhcp/host[2]",
        "/network/ip[2]",
        "/network/ip[3]/@family",
        "/network/route[1]",
        "/network/route[2]/@gateway",
        "/network/portgroup[2]/@name",
        "/network/portgroup[2]/@default",
    }


@pytest.mark.parametrize(
    ("xml", "place"),
    [
        ("<forward mode='bridge'/>", "/network/bridge/@name"),
        ("<forward mode='bridge'/><bridge name='br0' stp='on'/>", "/network/bridge"),
        ("<forward mode='private' dev='eth0'/><bridge name='br0'/>", "/network/bridge"),
        ("<forward mode='bridge'/><bridge name='b'/><ip address='10.0.0.1'/>", "/network/ip"),
        ("<ip address='10.0.0.1' prefix='33'/>", "/network/ip/@address"),
        ("<ip family='ipv6' address='fd00::1%a&#10;b'/>", "/network/ip/@address"),
        (
            "<dns><host ip='fd00::1%a&#10;b'><hostname>h</hostname></host></dns>",
            "/network/dns/host[1]/@ip",
        ),
        ("<dns><forwarder addr='fd00::1%a&#10;b'/></dns>", "/network/dns/forwarder[1]/@addr"),
        ("<dns><txt name='a&#10;b' value='v'/></dns>", "/network/dns/txt[1]/@name"),
        ("<dns><txt name='a' value='v&#10;x'/></dns>", "/network/dns/txt[1]/@value"),
        ("<dns><srv service='a,b' protocol='tcp'/></dns>", "/network/dns/srv[1]/@service"),
        ("<domain name='a/b'/>", "/network/domain/@name"),
        ("<ip address='10.0.0.1'><tftp root='/a&#10;b'/></ip>", "/network/ip/tftp/@root"),
        (
            "<ip address='10.0.0.1'><dhcp><bootp file='a&#10;b'/></dhcp></ip>",
            "/network/ip/dhcp/bootp",
        ),
        (
            "<ip address='10.0.0.1'><dhcp><host id='a,b' ip='10.0.0.2'/></dhcp></ip>",
            "/network/ip/dhcp/host/@id",
        ),
        (
            "<ip address='10.0.0.1'><dhcp><host name='a#' ip='10.0.0.2'/></dhcp></ip>",
            "/network/ip/dhcp/host/@name",
        ),
        (
            "<forward mode='nat'><nat><address start='1.1.1.1%x'/></nat></forward>",
            "/network/forward/nat/address",
        ),
        ("<forward dev='a&quot; accept'/>", "/network/forward/@dev"),
        ("<forward><interface dev='a b'/></forward>", "/network/forward/interface[1]/@dev"),
        ("<ip address='10.0.0.1' netmask='255.0.255.0'/>", "/network/ip/@address"),
        ("<ip family='ipv6' address='fd00::1' netmask='255.0.0.0'/>", "/network/ip/@address"),
    ],
)
def test_what_can_not_be_is_refused(xml: str, place: str) -> None:
    assert place in bad(f"<network><name>n</name>{xml}</network>")


def test_what_is_right_but_not_served_is_told_as_such() -> None:
    network = parse_network(
        "<network><name>n</name><forward mode='passthrough' dev='eth0'/>"
        "<bridge zone='public'/>"
        "<vlan><tag id='3'/></vlan><bandwidth><inbound average='1' floor='1'/></bandwidth>"
        "<portgroup name='p'><virtualport type='openvswitch'/></portgroup></network>"
    )
    assert [place for place, _ in unserved(network)] == [
        "/network/forward/@mode",
        "/network/vlan",
        "/network/bandwidth/inbound/@floor",
        "/network/portgroup[1]/virtualport",
        "/network/bandwidth",
        "/network/bridge/@zone",
    ]


@pytest.mark.parametrize(
    "xml", ["nix", "<network/>", "<network><name>n</name><ip bad='1'/></network>"]
)
def test_malformed_descriptions_are_refused(xml: str) -> None:
    with pytest.raises((XmlError, ConfigUnsupported)):
        parse_network(xml)


def change(command: str, section: str, part: str, xml: str = NAT) -> str:
    network = parse_network(xml)
    return format_network(updated(network, COMMANDS[command], SECTIONS[section], -1, part))


HOST = "<host mac='52:54:00:00:00:09' name='nine' ip='192.168.201.9'/>"


def test_hosts_are_added_changed_and_removed() -> None:
    with_host = change("add", "ip-dhcp-host", HOST)
    assert HOST in with_host
    moved = HOST.replace("201.9'", "201.8'")
    assert moved in change("modify", "ip-dhcp-host", moved, with_host)
    assert "<host" not in change("delete", "ip-dhcp-host", HOST, with_host)
    for known_by in ("mac='52:54:00:00:00:09'", "name='nine'", "ip='192.168.201.9'"):
        assert "<host" not in change("delete", "ip-dhcp-host", f"<host {known_by}/>", with_host)
    with pytest.raises(XmlError, match="which host of network 'nat' is meant"):
        change("delete", "ip-dhcp-host", "<host/>", with_host)
    with pytest.raises(OperationInvalid, match="existing dhcp host entry in network 'nat'"):
        change("add", "ip-dhcp-host", HOST, with_host)
    with pytest.raises(OperationInvalid, match="couldn't locate a matching dhcp host entry"):
        change("delete", "ip-dhcp-host", HOST)
    with pytest.raises(XmlError, match=r"10\.0\.0\.1 is not in"):
        change("add", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.0.0.1'/>")


@pytest.mark.parametrize(
    ("section", "part"),
    [
        ("ip-dhcp-range", "<range start='192.168.201.200' end='192.168.201.210'/>"),
        ("dns-host", "<host ip='192.168.201.7'>\n      <hostname>seven</hostname>\n    </host>"),
        ("dns-txt", "<txt name='note' value='x'/>"),
        ("dns-srv", "<srv service='http' protocol='tcp' target='www'/>"),
        ("forward-interface", "<interface dev='eth7'/>"),
        ("portgroup", "<portgroup name='p'>\n  </portgroup>"),
    ],
)
def test_every_section_is_added_to_and_removed_from(section: str, part: str) -> None:
    first = change("add-first", section, part)
    assert part in first
    with pytest.raises(OperationInvalid):
        change("add-last", section, part, first)
    assert part not in change("delete", section, part, first)


def test_other_sections_are_refused_with_a_cure() -> None:
    with pytest.raises(OperationUnsupported, match="can't update 'bridge' section"):
        change("add", "bridge", "<bridge name='b'/>")


def test_metadata_is_kept_by_namespace() -> None:
    network = with_metadata(parse_network(NAT), "http://app", "app", "<note a='1'/>")
    assert metadata_of(network, "http://app") == '<note a="1"/>'
    assert metadata_of(network, "http://other") is None
    assert with_metadata(network, "http://app", "app", None).metadata is None


def test_a_port_reads_back() -> None:
    xml = """\
<networkport>
  <uuid>11111111-2222-3333-4444-555555555501</uuid>
  <owner>
    <name>g</name>
    <uuid>11111111-2222-3333-4444-555555555502</uuid>
  </owner>
  <mac address='52:54:00:00:00:01'/>
  <plug type='network' bridge='virbr0'/>
</networkport>
"""
    assert format_port(parse_port(xml)) == xml


@pytest.mark.parametrize("mask", ["0.0.0.255", "255.0.255.0", "24", "255.255.255.300", ""])
def test_what_is_no_netmask_is_refused(mask: str) -> None:
    ip = f"<ip address='10.0.0.1' netmask='{mask}'/>"
    assert "/network/ip/@address" in bad(f"<network><name>n</name>{ip}</network>")


def test_subnets_are_held_against_each_other_whatever_their_order_and_size() -> None:
    ips = "".join(
        f"<ip family='{family}' address='{address}' prefix='{prefix}'/>"
        for family, address, prefix in (
            ("ipv4", "10.1.0.1", 16),
            ("ipv4", "10.0.0.1", 24),
            ("ipv6", "fd00::1", 64),
            ("ipv4", "10.0.0.129", 25),  # in the second
            ("ipv4", "10.0.0.1", 8),  # around both
            ("ipv6", "fd00:0:0:1::1", 64),
            ("ipv6", "fd00::2", 48),  # around the third and the sixth
            ("ipv4", "0.0.0.1", 24),
        )
    )
    route = "<route address='172.16.0.0' prefix='16' gateway='{}'/>"
    routes = route.format("10.1.255.254") + route.format("11.0.0.1")
    found = bad(f"<network><name>n</name>{ips}{routes}</network>")
    assert {place: said.rpartition(" of ")[2] for place, said in found.items()} == {
        "/network/ip[4]": "/network/ip[2]",
        "/network/ip[5]": "/network/ip[1]",
        "/network/ip[7]": "/network/ip[6]",
        "/network/route[2]/@gateway": "this network",
    }
