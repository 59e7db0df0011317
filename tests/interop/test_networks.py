"""Virtual networks and what is plugged into them, through the real virsh; in a namespace."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import lacking

sys.path.insert(0, str(Path(__file__).parent))

import daemons

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(bool(lacking.for_bridges()), reason=lacking.for_bridges() or "-"),
]

NETWORK = """<network><name>{name}</name>{forward}<bridge name='{bridge}' stp='off'/>
<ip address='192.168.{third}.1' netmask='255.255.255.0'>{dhcp}</ip></network>"""
NAT = "<forward mode='nat'/>"
SPAN = "<range start='192.168.{third}.2' end='192.168.{third}.9'/>"
RANGE = f"<dhcp>{SPAN}</dhcp>"
GUEST = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>4</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices>{cards}</devices></domain>"""


class Host:
    """A daemon with nothing running, and virsh on it."""

    def __init__(self, daemon: daemons.Daemon) -> None:
        self.daemon = daemon

    def virsh(self, *words: str, status: int = 0) -> str:
        command = ["virsh", "-c", self.daemon.uri, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def file(self, name: str, text: str) -> str:
        path = self.daemon.directory / f"{name}.xml"
        path.write_text(text)
        return str(path)

    def network(self, verb: str, name: str, third: int, **parts: str) -> str:
        """Define or create a network; what virsh said."""
        text = NETWORK.format(
            name=name,
            third=third,
            bridge=parts.get("bridge", f"tb{third}"),
            forward=parts.get("forward", NAT),
            dhcp=parts.get("dhcp", RANGE.format(third=third)),
        )
        return self.virsh(verb, self.file(name, text), status=int(parts.get("status", "0")))

    def guest(self, name: str, *cards: str, status: int = 0) -> str:
        """Start a machine, paused, with these cards."""
        path = self.file(name, GUEST.format(name=name, cards="".join(cards)))
        return self.virsh("create", path, "--paused", status=status)

    def inner(self) -> int:
        """The daemon's own process, in its namespaces."""
        pid = self.daemon.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def ip(self, *words: str) -> str:
        return self.daemon.inside("ip", *words).stdout

    def served(self, uuid: str, file: str = "dnsmasq.conf") -> str:
        """One of a running network's files."""
        return (self.daemon.directory / "state/run/networks" / uuid / file).read_text()


@pytest.fixture(scope="module")
def daemon() -> Iterator[daemons.Daemon]:
    with daemons.virtoryd() as made:
        yield made


@pytest.fixture
def host(daemon: daemons.Daemon) -> Iterator[Host]:
    made = Host(daemon)
    yield made
    for name in made.virsh("list", "--name").split():
        made.virsh("destroy", name)
    for name in made.virsh("net-list", "--name").split():
        made.virsh("net-destroy", name)
    for name in made.virsh("net-list", "--all", "--name").split():
        if name != "default":
            made.virsh("net-undefine", name)
    left = re.findall(r"\d+: ([^:@]+)", made.ip("-o", "link"))
    assert [name for name in left if name not in ("lo", "ground")] == []
    assert made.daemon.inside("nft", "list", "ruleset").stdout == ""


@contextlib.contextmanager
def listening(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A program that tells what it hears, line by line."""
    with subprocess.Popen(["stdbuf", "-oL", *command], stdout=subprocess.PIPE, text=True) as told:
        try:
            yield told
        finally:
            told.terminate()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout)


def says_something(process: subprocess.Popen[str]) -> bool:
    """Whether it has by now; for programs that do not say that they listen."""
    return bool(select.select([process.stdout], [], [], 0.2)[0])


def test_events_tell_of_a_networks_life(host: Host) -> None:
    events = ("virsh", "-c", host.daemon.uri, "net-event", "--event", "lifecycle", "--loop")
    with listening(*events) as listener:
        # A first network tells that it listens.
        host.network("net-define", "n", 51)
        while not says_something(listener):
            host.network("net-define", "again", 52)
            host.virsh("net-undefine", "again")
        host.virsh("net-start", "n")
        host.virsh("net-destroy", "n")
        host.virsh("net-undefine", "n")
        heard = []
        for line in lines(listener):
            heard += [line.split(": ")[1].strip()] if "network n:" in line else []
            if "Undefined" in heard:
                break
    assert heard[-3:] == ["Started", "Stopped", "Undefined"]


def test_networks_that_overlap_are_refused_naming_both(host: Host) -> None:
    host.network("net-create", "one", 61)
    said = host.network("net-create", "two", 61, bridge="tb62", status="1")
    assert "Network is already in use by interface tb61" in said
    assert "192.168.61.0/24 of network 'two'" in said and "of network 'one'" in said
    host.ip("link", "add", "ground", "type", "veth", "peer", "name", "far")
    host.ip("address", "add", "192.168.63.7/24", "dev", "ground")
    host.ip("link", "set", "ground", "up")
    said = host.network("net-create", "three", 63, status="1")
    assert "in use by interface ground" in said
    host.ip("link", "delete", "ground")
    assert host.virsh("net-list", "--name").split() == ["one"]


def test_a_bridge_belongs_to_one_network(host: Host) -> None:
    host.network("net-define", "one", 64)
    said = host.network("net-define", "two", 65, bridge="tb64", status="1")
    assert "bridge name 'tb64' already in use" in said


def test_one_of_several_starts_at_once_succeeds(host: Host) -> None:
    host.network("net-define", "n", 66)

    def start(_: int) -> int:
        command = ["virsh", "-c", host.daemon.uri, "net-start", "n"]
        return subprocess.run(command, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(start, range(4))) == [0, 1, 1, 1]


def test_one_of_several_definitions_of_a_name_is_kept(host: Host) -> None:
    path = host.file("n", NETWORK.format(name="n", third=76, bridge="tb76", forward=NAT, dhcp=""))

    def define(_: int) -> int:
        command = ["virsh", "-c", host.daemon.uri, "net-define", path]
        return subprocess.run(command, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(define, range(4))) == [0, 1, 1, 1]
    assert host.virsh("net-list", "--all", "--name").split().count("n") == 1


def test_networks_that_are_created_at_once_choose_bridges_of_their_own(host: Host) -> None:
    def create(third: int) -> str:
        return host.network("net-create", f"n{third}", third, bridge="tb%d")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(90, 94)))
    tables = host.daemon.inside("nft", "list", "tables").stdout.split()
    bridges = [f"virtory_tb{number}" for number in range(4)]
    assert sorted(word for word in tables if word.startswith("virtory_")) == bridges


def test_many_networks_and_guests_start_and_end_at_once(host: Host) -> None:
    thirds = range(80, 86)
    for third in thirds:
        host.network("net-define", f"n{third}", third)

    def live(third: int) -> None:
        host.virsh("net-start", f"n{third}")
        source = f"<source network='n{third}'/>"
        host.guest(f"g{third}", card(third - 80, "network", source))
        host.virsh("net-destroy", f"n{third}")
        host.virsh("net-start", f"n{third}")
        assert "vnet" in host.ip("-o", "link", "show", "master", f"tb{third}")
        host.virsh("destroy", f"g{third}")
        host.virsh("net-destroy", f"n{third}")

    with ThreadPoolExecutor(len(thirds)) as pool:
        list(pool.map(live, thirds))


def test_what_is_changed_while_it_runs_is_in_force(host: Host) -> None:
    host.network("net-define", "n", 67, dhcp="")
    host.virsh("net-start", "n")
    uuid = host.virsh("net-uuid", "n").strip()
    assert "dhcp-range" not in host.served(uuid)
    span = "<range start='192.168.67.20' end='192.168.67.29'/>"
    host.virsh("net-update", "n", "add", "ip-dhcp-range", span, "--live", "--config")
    assert "dhcp-range=192.168.67.20,192.168.67.29,255.255.255.0" in host.served(uuid)
    card = "<host mac='52:54:00:00:67:01' name='six' ip='192.168.67.21'/>"
    host.virsh("net-update", "n", "add", "ip-dhcp-host", card)
    assert host.served(uuid, "dhcp-hosts") == "52:54:00:00:67:01,192.168.67.21,six\n"
    assert "six" not in host.virsh("net-dumpxml", "n", "--inactive")
    host.virsh("net-update", "n", "add", "forward-interface", "<interface dev='lo'/>", "--live")
    assert 'oifname "lo"' in host.daemon.inside("nft", "list", "ruleset").stdout
    said = host.virsh(
        "net-update", "n", "add", "dns-txt", "<txt name='b d' value='v'/>", "--live", status=1
    )
    assert "/network/dns/txt[1]/@name" in said
    assert "<txt" not in host.virsh("net-dumpxml", "n")


def test_a_bad_option_for_dnsmasq_leaves_nothing(host: Host) -> None:
    text = NETWORK.format(name="n", third=68, bridge="tb68", forward=NAT, dhcp="").replace(
        "<network>", "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>"
    )
    option = "<dnsmasq:options><dnsmasq:option value='nonsense=1'/></dnsmasq:options></network>"
    said = host.virsh("net-create", host.file("n", text.replace("</network>", option)), status=1)
    assert "did not start" in said and "<dnsmasq:options>" in said
    assert "tb68" not in host.ip("link")


def test_ipv6_is_routed_and_advertised(host: Host) -> None:
    text = """<network><name>six</name><forward mode='route'/><bridge name='tb69'/>
    <ip family='ipv6' address='fd00:69::1' prefix='64'/></network>"""
    host.virsh("net-create", host.file("six", text))
    assert "fd00:69::1/64" in host.ip("-6", "address", "show", "dev", "tb69")
    uuid = host.virsh("net-uuid", "six").strip()
    assert "dhcp-range=fd00:69::,ra-only" in host.served(uuid)
    forwarding = host.daemon.inside("cat", "/proc/sys/net/ipv6/conf/all/forwarding").stdout
    assert forwarding == "1\n"


def test_forwarding_that_would_cost_the_host_its_routes_is_refused(host: Host) -> None:
    host.ip("link", "add", "ground", "type", "veth", "peer", "name", "far")
    for name in ("ground", "far"):
        host.ip("link", "set", name, "up")
    host.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "ground", "proto", "ra")
    host.daemon.inside("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding")
    text = """<network><name>six</name><forward mode='nat'/><bridge name='tb75'/>
    <ip family='ipv6' address='fd00:75::1' prefix='64'/></network>"""
    said = host.virsh("net-create", host.file("six", text), status=1)
    assert "would lose the routes that it learns on ground" in said
    assert "sudo sysctl net.ipv6.conf.ground.accept_ra=2" in said
    accept = "echo 2 > /proc/sys/net/ipv6/conf/ground/accept_ra"
    host.daemon.inside("sh", "-c", accept)
    host.virsh("net-create", host.file("six", text))
    host.ip("link", "delete", "ground")


CARD = (
    "<interface type='{type}'>{source}<mac address='52:54:00:00:00:{number:02}'/>{more}</interface>"
)


def card(number: int, kind: str, source: str, more: str = "<model type='virtio'/>") -> str:
    return CARD.format(type=kind, source=source, number=number, more=more)


def test_cards_of_every_kind_are_plugged_in_and_leave_nothing(host: Host) -> None:
    host.ip("link", "add", "ground", "type", "bridge")
    host.ip("link", "add", "base", "type", "veth", "peer", "name", "far")
    queues = "<model type='virtio'/><driver name='qemu' queues='3'/><mtu size='1400'/>"
    said = host.guest(
        "cards",
        card(1, "bridge", "<source bridge='ground'/>", queues),
        card(
            2, "bridge", "<source bridge='ground'/>", "<port isolated='yes'/><model type='e1000'/>"
        ),
        card(3, "ethernet", "", "<target dev='mytap'/><model type='virtio'/>"),
        card(4, "direct", "<source dev='base' mode='bridge'/>"),
        card(5, "network", "<source network='default'/>", "<link state='down'/>"),
    )
    assert "created" in said
    links = host.ip("-d", "-o", "link")
    on_ground = host.ip("-o", "link", "show", "master", "ground")
    first, second = re.findall(r": (vnet\d+):", on_ground)
    assert "fe:54:00:00:00:01" in links and "mtu 1400" in on_ground
    assert "isolated on" in host.daemon.inside("bridge", "-d", "link", "show", "dev", second).stdout
    assert "mytap" in links and "macvtap0@base" in links
    down = host.ip("-o", "link", "show", "master", "virbr0")
    (third,) = re.findall(r": (vnet\d+):", down)
    assert f"{third} down" in host.virsh("domif-getlink", "cards", third)
    listed = host.virsh("domiflist", "cards").splitlines()
    assert [line.split()[:3] for line in listed[2:] if line.strip()] == [
        [first, "bridge", "ground"],
        [second, "bridge", "ground"],
        ["mytap", "ethernet", "-"],
        ["macvtap0", "direct", "base"],
        [third, "network", "default"],
    ]
    host.virsh("destroy", "cards")
    assert not re.search("vnet|mytap|macvtap", host.ip("link"))
    host.ip("link", "delete", "ground")
    host.ip("link", "delete", "base")


def test_a_card_is_plugged_in_and_out_while_it_runs(host: Host) -> None:
    host.guest("hot")
    more = ("--type", "network", "--source", "default", "--model", "virtio", "--live")
    host.virsh("attach-interface", "hot", *more, "--mac", "52:54:00:00:00:77")
    (tap,) = re.findall(r": (vnet\d+):", host.ip("-o", "link", "show", "master", "virbr0"))
    assert tap in host.virsh("domiflist", "hot")
    assert len(host.virsh("net-port-list", "default", "--uuid").split()) == 1
    said = host.virsh("attach-interface", "hot", "--type", "network", "--source", "no", status=1)
    assert "no network with matching name 'no'" in said
    said = host.virsh("attach-interface", "hot", "--type", "bridge", "--source", "no", status=1)
    assert "no such device" in said
    assert re.findall(r": (vnet\d+):", host.ip("-o", "link")) == [tap]


def test_a_card_moves_to_another_network_while_it_runs(host: Host) -> None:
    host.network("net-create", "other", 72)
    host.guest("g", card(1, "network", "<source network='default'/>"))
    (tap,) = re.findall(r": (vnet\d+):", host.ip("-o", "link", "show", "master", "virbr0"))
    update = ("update-device", "g", "--live")
    moved = host.file("card", card(1, "network", "<source network='other'/>"))
    host.virsh(*update, moved)
    assert tap in host.ip("-o", "link", "show", "master", "tb72")
    assert len(host.virsh("net-port-list", "other", "--uuid").split()) == 1
    assert host.virsh("net-port-list", "default", "--uuid").split() == []
    assert "network='other'" in host.virsh("dumpxml", "g")
    nowhere = host.file("card", card(1, "bridge", "<source bridge='nowhere'/>"))
    assert "no such device" in host.virsh(*update, nowhere, status=1)
    assert tap in host.ip("-o", "link", "show", "master", "tb72")
    bridged = host.file("card", card(1, "bridge", "<source bridge='virbr0'/>"))
    host.virsh(*update, bridged)
    assert "<source bridge='virbr0'/>" in host.virsh("dumpxml", "g")
    assert host.virsh("net-port-list", "other", "--uuid").split() == []


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("none", "no network with matching name 'none'"),
        ("off", "network 'off' is not active; start it: virtory net-start off"),
    ],
)
def test_a_guest_whose_network_is_not_there_does_not_start(
    host: Host, network: str, words: str
) -> None:
    host.network("net-define", "off", 70)
    assert words in host.guest("g", card(1, "network", f"<source network='{network}'/>"), status=1)
    assert host.virsh("list", "--all", "--name").split() == []


def test_a_pasted_live_description_leaves_out_what_was_of_that_run(host: Host) -> None:
    host.guest("g", card(1, "network", "<source network='default'/>"))
    live = host.virsh("dumpxml", "g")
    assert "portid=" in live and "<target dev='vnet" in live
    host.virsh("define", host.file("g", live))
    defined = host.virsh("dumpxml", "g", "--inactive")
    assert "<source network='default'/>" in defined and "<target" not in defined
    host.virsh("destroy", "g")
    host.virsh("undefine", "g")


def test_firewalld_lets_the_guests_through_and_keeps_its_rules(host: Host) -> None:
    theirs = """table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state established,related accept
		reject with icmpx admin-prohibited
	}

	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
		ct state established,related accept
		reject with icmpx admin-prohibited
	}
}
"""
    nft = ("nft", "-f", host.file("firewalld", theirs))
    assert host.daemon.inside(*nft).returncode == 0
    host.network("net-create", "n", 71)
    table = ("nft", "list", "table", "inet", "firewalld")
    listed = host.daemon.inside(*table).stdout
    assert 'iifname "tb71" accept comment "virtory tb71"' in listed
    assert listed.index("udp dport { 53, 67 } accept") < listed.index("reject")
    host.virsh("net-destroy", "n")
    assert host.daemon.inside(*table).stdout == theirs
    host.daemon.inside("nft", "delete", "table", "inet", "firewalld")


NFT = """#!/bin/sh
# The real one; once somebody else is quicker by a hair.
cd {directory}
[ "$1 $2" = "-f -" ] && rm once 2>/dev/null && ./nft delete table inet firewalld
exec ./nft "$@"
"""


def test_rules_that_go_while_ours_are_put_among_them_are_no_error(host: Host) -> None:
    directory, inside = host.daemon.directory, host.daemon.inside
    nft = str(directory / "nft")
    shutil.copy(shutil.which("nft") or "", nft)
    wrapper = directory / "wrapper"
    wrapper.write_text(NFT.format(directory=directory))
    wrapper.chmod(0o755)
    host.network("net-create", "n", 74)
    theirs = "add chain inet firewalld in { type filter hook input priority 10; policy drop; }"
    assert inside("mount", "--bind", str(wrapper), shutil.which("nft") or "").returncode == 0
    with rules_told(host) as monitor:
        (directory / "once").touch()
        assert inside(nft, f"add table inet firewalld; {theirs}").returncode == 0
        for line in lines(monitor):  # they go; then it is looked again, and all is as before
            if "add chain inet virtory_tb74 postrouting" in line:
                break
    # Lazily: virtoryd may be looking at the rules by it, and a script that runs is busy.
    assert inside("umount", "--lazy", shutil.which("nft") or "").returncode == 0
    assert not (directory / "once").exists()
    assert (directory / "errors").read_text() == ""


@contextlib.contextmanager
def rules_told(host: Host) -> Iterator[subprocess.Popen[str]]:
    """What changes of the rules in the daemon's namespace is told by this from here on."""
    enter = ("nsenter", f"--net=/proc/{host.inner()}/ns/net")
    with listening(*enter, "nft", "monitor") as monitor:
        while not says_something(monitor):
            host.daemon.inside("nft", "add table ip again; delete table ip again")
        yield monitor


def test_a_server_that_ends_is_started_again(host: Host) -> None:
    host.network("net-create", "n", 78)
    uuid = host.virsh("net-uuid", "n").strip()
    first = int(host.served(uuid, "dnsmasq.pid"))
    with rules_told(host) as monitor:
        os.kill(first, 9)
        for line in lines(monitor):  # what is missing is taken again, rules last
            if "add chain inet virtory_tb78 postrouting" in line:
                break
    host.virsh("net-update", "n", "delete", "ip-dhcp-range", SPAN.format(third=78))
    second = int(host.served(uuid, "dnsmasq.pid"))
    assert second != first and os.path.exists(f"/proc/{second}")


def test_rules_of_the_older_iptables_are_heeded_too(host: Host) -> None:
    inside = host.daemon.inside
    if inside("iptables-legacy", "-w", "-P", "FORWARD", "DROP").returncode:
        pytest.skip("this kernel has no legacy iptables")
    host.network("net-create", "n", 77)
    listed = inside("iptables-legacy", "-w", "-S").stdout
    assert '-A FORWARD -i tb77 -m comment --comment "virtory tb77" -j ACCEPT' in listed
    host.virsh("net-destroy", "n")
    assert "virtory" not in inside("iptables-legacy", "-w", "-S").stdout
    inside("iptables-legacy", "-w", "-P", "FORWARD", "ACCEPT")


def test_what_other_programs_do_to_the_rules_is_made_good(host: Host) -> None:
    host.network("net-create", "n", 73)

    def inside(*words: str) -> None:
        assert host.daemon.inside(*words).returncode == 0

    with rules_told(host) as monitor:

        def until(wanted: str) -> None:
            assert any(wanted in line for line in lines(monitor))

        inside("iptables", "-w", "-N", "DOCKER-USER")  # Docker comes later
        inside("iptables", "-w", "-A", "FORWARD", "-j", "DOCKER-USER")
        inside("iptables", "-w", "-P", "FORWARD", "DROP")
        until("add chain inet virtory_tb73 postrouting")
        listed = host.daemon.inside("iptables", "-w", "-S", "DOCKER-USER").stdout
        assert listed.count("virtory tb73") == 2
        inside("nft", "flush", "ruleset")
        until("delete table inet virtory_tb73")
        until("add chain inet virtory_tb73 postrouting")
    host.virsh("net-destroy", "n")


def test_a_networks_traffic_is_limited_and_its_portgroups(host: Host) -> None:
    text = NETWORK.format(name="n", third=79, bridge="tb79", forward=NAT, dhcp="").replace(
        "<ip ",
        "<bandwidth><outbound average='300' peak='900'/></bandwidth><ip ",
    )
    group = "<portgroup name='slow' default='yes'><bandwidth><inbound average='50'/></bandwidth>"
    text = text.replace("</network>", f"{group}</portgroup></network>")
    host.virsh("net-create", host.file("n", text))
    host.guest("g", card(1, "network", "<source network='n'/>"))
    listed = host.daemon.inside("nft", "list", "ruleset").stdout
    assert 'hook ingress device "tb79"' in listed
    assert "limit rate over 300 kbytes/second" in listed
    assert "limit rate over 900 kbytes/second" in listed
    assert "limit rate over 50 kbytes/second" in listed
    host.virsh("destroy", "g")


def test_traffic_is_limited_and_the_limits_go_with_the_card(host: Host) -> None:
    rates = "<bandwidth><inbound average='1000' peak='5000' burst='1024'/></bandwidth>"
    host.guest("g", card(1, "network", "<source network='default'/>", rates))
    (tap,) = re.findall(r": (vnet\d+):", host.ip("-o", "link", "show", "master", "virbr0"))
    table = ("nft", "list", "table", "netdev", f"virtory_{tap}")
    listed = host.daemon.inside(*table).stdout
    assert f'hook egress device "{tap}"' in listed
    assert "limit rate over 1000 kbytes/second burst 1 mbytes drop" in listed
    host.virsh("domiftune", "g", tap, "--outbound", "200", "--inbound", "0", "--live")
    listed = host.daemon.inside(*table).stdout
    assert "limit rate over 200 kbytes/second" in listed and "1000" not in listed
    assert "outbound.average: 200" in host.virsh("domiftune", "g", tap)
    host.virsh("destroy", "g")
    assert host.daemon.inside(*table).returncode != 0


def test_a_tap_of_somebody_elses_must_be_there(host: Host) -> None:
    own = "<target dev='theirs' managed='no'/><model type='virtio'/>"
    said = host.guest("g", card(1, "ethernet", "", own), status=1)
    assert "cannot open tap device 'theirs'" in said
    host.ip("tuntap", "add", "dev", "theirs", "mode", "tap", "vnet_hdr")
    host.guest("g", card(1, "ethernet", "", own))
    host.virsh("destroy", "g")
    assert "theirs" in host.ip("link")
    host.ip("link", "delete", "theirs")


def test_a_bridge_that_is_not_there_is_named(host: Host) -> None:
    said = host.guest("g", card(1, "bridge", "<source bridge='nowhere'/>"), status=1)
    assert "cannot plug 'vnet" in said and "into 'nowhere': the host has no such device" in said


def test_a_network_whose_bridge_somebody_removed_is_named(host: Host) -> None:
    host.virsh("net-start", "default")
    host.ip("link", "delete", "virbr0")
    said = host.guest("g", card(1, "network", "<source network='default'/>"), status=1)
    assert "its network's bridge was removed: 'net-destroy' and 'net-start'" in said
    host.virsh("net-destroy", "default")
    host.virsh("net-start", "default")
    host.guest("g", card(1, "network", "<source network='default'/>"))


def test_what_a_linux_bridge_can_not_do_is_refused_by_name(host: Host) -> None:
    more = "<vlan><tag id='5'/></vlan><filterref filter='clean-traffic'/>"
    said = host.guest("g", card(1, "network", "<source network='default'/>", more), status=1)
    assert "/domain/devices/interface[1]/vlan" in said
    assert "/domain/devices/interface[1]/filterref" in said
