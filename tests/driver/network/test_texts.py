"""What a network's description becomes: packet rules and dnsmasq's files, as text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from virtory.driver.network import dnsmasq
from virtory.driver.network.limits import limit_rules, table_of
from virtory.driver.network.plan import NetworkPlan
from virtory.driver.network.rules import foreign_rules, no_rules, rules
from virtory.model.network import Network, parse_network

DATA = Path(__file__).parents[2] / "data" / "network"
PLAN = NetworkPlan("tbr1", "52:54:00:00:00:01", "/run/n", "boot", table="virtory_tbr1")


def network(name: str) -> Network:
    return parse_network((DATA / f"{name}.xml").read_text())


def chain(text: str, name: str) -> list[str]:
    """The rules of one chain of the transaction."""
    lines = [line.strip() for line in text.splitlines()]
    if f"chain {name} {{" not in lines:
        return []
    begin = lines.index(f"chain {name} {{") + 2
    return lines[begin : lines.index("}", begin)]


def test_guests_behind_nat_get_answers_and_nothing_else() -> None:
    assert chain(rules(network("nat"), PLAN), "forward") == [
        'iifname "tbr1" oifname "tbr1" accept',
        'iifname "tbr1" ip saddr 192.168.201.0/24 accept',
        'oifname "tbr1" ip daddr 192.168.201.0/24 ct state established,related accept',
        'oifname "tbr1" reject',
        'iifname "tbr1" reject',
    ]


def test_a_routed_network_is_open_both_ways_with_what_lies_behind_it() -> None:
    found = chain(rules(network("routed"), PLAN), "forward")
    assert 'oifname "tbr1" ip daddr 192.168.206.0/24 accept' in found
    assert 'oifname "tbr1" ip daddr 10.206.0.0/16 accept' in found
    assert chain(rules(network("routed"), PLAN), "postrouting") == []


def test_an_isolated_network_reaches_its_host_only() -> None:
    assert chain(rules(network("isolated"), PLAN), "forward") == [
        'iifname "tbr1" oifname "tbr1" accept',
        'oifname "tbr1" reject',
        'iifname "tbr1" reject',
    ]


def test_addresses_ports_and_the_device_of_nat_are_those_described() -> None:
    text = rules(network("whole"), PLAN)
    assert (
        "meta l4proto { tcp, udp } ip saddr 192.168.202.0/24 ip daddr != 192.168.202.0/24 "
        'oifname "lo" snat ip to 10.20.30.1-10.20.30.9:500-1000'
    ) in chain(text, "postrouting")
    assert 'iifname "tbr1" oifname "lo" ip saddr 192.168.202.0/24 accept' in chain(text, "forward")
    assert 'iifname "tbr1" udp dport 69 accept' in chain(text, "input")


def test_ipv6_is_translated_only_when_asked_for() -> None:
    found = chain(rules(network("six"), PLAN), "postrouting")
    assert "ip6 saddr fd00:203::/64 ip6 daddr != fd00:203::/64 masquerade" in found


@pytest.mark.skipif(shutil.which("nft", path="/usr/sbin:/sbin") is None, reason="needs nftables")
@pytest.mark.parametrize("name", ["nat", "whole", "six", "isolated", "bare", "routed", "dnsmasq"])
def test_nft_understands_every_transaction(name: str) -> None:
    text = rules(network(name), PLAN) + no_rules(PLAN)
    command = ["unshare", "--user", "--map-root-user", "--net", "/usr/sbin/nft", "-c", "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("nft", path="/usr/sbin:/sbin") is None, reason="needs nftables")
def test_devices_of_similar_names_have_tables_of_their_own() -> None:
    wanted = {"inbound": (100, 0, 128)}
    names = ["br-1", "br_1", "br.1", "a--_.9"]
    assert len({table_of(name) for name in names}) == len(names)
    text = "".join("\n".join(limit_rules(name, wanted)) + "\n" for name in names)
    command = ["unshare", "--user", "--map-root-user", "--net", "/usr/sbin/nft", "-c", "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert "syntax error" not in done.stderr


def test_other_programs_chains_let_through_what_is_judged_in_our_own() -> None:
    nat = network("nat")
    assert foreign_rules(nat, PLAN, "forward", "iptables") == [
        '-i tbr1 -m comment --comment "virtory tbr1" -j ACCEPT',
        '-o tbr1 -m comment --comment "virtory tbr1" -j ACCEPT',
    ]
    assert all("tbr1" in line for line in foreign_rules(nat, PLAN, "input", "nft"))


def test_dnsmasq_is_told_everything() -> None:
    lines = dnsmasq.configuration(network("whole"), PLAN, "dnsmasq").splitlines()
    for wanted in (
        "interface=tbr1",
        "user=dnsmasq",
        "local=/lab.example/",
        "domain=lab.example",
        "expand-hosts",
        "domain-needed",
        "no-resolv",
        "server=192.0.2.53",
        "server=/corp.example/192.0.2.54",
        'txt-record=note,"a value, with words"',
        "srv-host=_http._tcp.lab.example,www.lab.example,80,5,10",
        "local=/202.168.192.in-addr.arpa/",
        "dhcp-range=192.168.202.100,192.168.202.150,255.255.255.0,7200",
        "dhcp-range=192.168.202.200,192.168.202.250,255.255.255.0",
        "dhcp-boot=pxelinux.0,,192.168.202.1",
        "enable-tftp",
        "tftp-root=/var/lib/misc",
        "dhcp-option=option:mtu,1400",
        "dhcp-lease-max=102",
    ):
        assert wanted in lines, wanted
    assert dnsmasq.dhcp_hosts(network("whole")).splitlines() == [
        "52:54:00:00:02:05,192.168.202.5,five",
        "52:54:00:00:02:06,192.168.202.6,six,1800",
    ]
    assert dnsmasq.names(network("whole")) == "192.168.202.5\tfive\tcinq\n"


def test_ipv6_is_advertised() -> None:
    lines = dnsmasq.configuration(network("six"), PLAN, "dnsmasq").splitlines()
    assert "enable-ra" in lines
    assert "dhcp-range=fd00:203::100,fd00:203::1ff,64" in lines
    assert dnsmasq.dhcp_hosts(network("six")) == "id:0:3:0:1:0:16:3e:11:22:33,[fd00:203::5],peter\n"


def test_an_isolated_network_names_no_router_and_asks_nobody() -> None:
    text = (DATA / "nat.xml").read_text().replace("<forward mode='nat'/>", "")
    lines = dnsmasq.configuration(parse_network(text), PLAN, "dnsmasq").splitlines()
    assert "dhcp-option=3" in lines
    assert "no-resolv" in lines


def test_options_for_dnsmasq_come_last() -> None:
    lines = dnsmasq.configuration(network("dnsmasq"), PLAN, "dnsmasq").splitlines()
    assert lines[-1] == "cname=*.foo.example.com,master.example.com"


@pytest.mark.parametrize(
    ("name", "needed"), [("nat", True), ("bare", False), ("hostbridge", False), ("routed", False)]
)
def test_a_server_runs_only_where_it_has_something_to_serve(name: str, needed: bool) -> None:
    assert dnsmasq.wanted(network(name)) is needed


@pytest.mark.parametrize("name", ["nat", "whole", "six", "isolated", "dnsmasq"])
def test_dnsmasq_understands_every_file(name: str, tmp_path: Path) -> None:
    path = shutil.which("dnsmasq", path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip("needs dnsmasq-base")
    text = dnsmasq.configuration(network(name), PLAN, "nobody")
    for file in ("names", "dhcp-hosts"):
        text = text.replace(f"/run/n/{file}", str(tmp_path / file))
    (tmp_path / "conf").write_text(text)
    done = subprocess.run(
        [path, "--test", f"--conf-file={tmp_path}/conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_plan_survives_json() -> None:
    plan = NetworkPlan(
        "tbr1",
        "52:54:00:00:00:01",
        "/run/n",
        "boot",
        addresses=(("192.168.201.1", 24),),
        routes=(("10.0.0.0", 8, "192.168.201.2", None),),
        forwards=("ipv4",),
        foreign=(("iptables", "ip filter", "forward:DOCKER-USER"),),
        dnsmasq="/usr/sbin/dnsmasq",
    )
    assert NetworkPlan.from_json(plan.to_json()) == plan
