"""A guest on the network `default`, beside Docker-like rules: address, page, name, link, ports.

One guest serves all assertions. The daemon, the guest and the "world" that the page comes from live
in network namespaces of this test.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests import lacking

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))

import daemons
import initramfs

import virtory
from virtory.provision.manifest import Manifest
from virtory.provision.reach import to_log_in

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(bool(lacking.for_bridges()), reason=lacking.for_bridges() or "-")
VIRSH = ["virsh", "-c"]
WATCH = str(Path(__file__).parent / "watch_lease.py")
MAC = "52:54:00:aa:bb:01"
SIX = """<network><name>six</name><forward mode='nat'><nat ipv6='yes'/></forward>
<bridge name='six0' stp='off'/><domain name='six.example'/>
<ip family='ipv6' address='fd00:6::1' prefix='64'/></network>"""
# What Docker does to FORWARD and a firewall to INPUT: they drop whatever they do not know.
THEIRS = (
    "-P INPUT DROP",
    "-P FORWARD DROP",
    "-N DOCKER-USER",
    "-A FORWARD -j DOCKER-USER",
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A INPUT -p icmp -j ACCEPT",
)

# Makes the address that DHCP offers the guest's own.
CONFIGURE = (
    'mkdir -p /etc; printf \'#!/bin/sh\\n[ "$1" = bound ] || exit 0\\n'
    "ip addr add $ip/$mask dev $interface; ip route add default via $router\\n"
    "echo nameserver $dns > /etc/resolv.conf\\n' > /run/configure; chmod 755 /run/configure"
)


class World:
    """Another host beyond a wire: it knows nothing of the guests' subnet, and serves a page."""

    def __init__(self, daemon: daemons.Daemon, directory: Path) -> None:
        (directory / "index.html").write_text("a page of the world\n")
        script = "ip link set lo up; echo up; read go; "
        script += "ip address add 10.99.0.2/24 dev world; ip link set world up; "
        script += f"exec {shlex.quote(sys.executable)} -u -m http.server -d {directory} 8000"
        self._process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None and self._process.stdin is not None
        assert self._process.stdout.readline() == b"up\n"
        done = daemon.inside(
            "sh",
            "-c",
            "ip link add wire type veth peer name world && ip address add 10.99.0.1/24 dev wire"
            f" && ip link set wire up && ip link set world netns {self._process.pid}",
        )
        assert done.returncode == 0, done.stderr
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        assert b"Serving" in self._process.stdout.readline()

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--net=/proc/{self._process.pid}/ns/net", *command]
        return subprocess.run(enter, capture_output=True, text=True, check=False)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


class Shell:
    """The guest's serial console, on its terminal."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self.said = b""

    def until(self, wanted: bytes) -> str:
        deadline = time.monotonic() + initramfs.BOOT_S
        while wanted not in self.said:
            left = deadline - time.monotonic()
            assert select.select([self._fd], [], [], max(left, 0))[0], self.said.decode()
            self.said += os.read(self._fd, 4096)
        head, _, self.said = self.said.partition(wanted)
        return head.decode(errors="replace")

    def run(self, command: str) -> str:
        """What a command printed."""
        os.write(self._fd, f"{command}; echo DO''NE\n".encode())
        return self.until(b"DONE")

    def close(self) -> None:
        os.close(self._fd)


class Setting:
    """The daemon, the world and the guest."""

    def __init__(self, daemon: daemons.Daemon, world: World, linux: Any) -> None:
        self.daemon, self.world = daemon, world
        card = f"<interface type='network'><source network='default'/><mac address='{MAC}'/>"
        card += "<model type='virtio'/></interface>"
        card += (
            "<interface type='network'><source network='six'/><model type='virtio'/></interface>"
        )
        (daemon.directory / "six.xml").write_text(SIX)
        self.virsh("net-create", str(daemon.directory / "six.xml"))
        xml = daemon.directory / "guest.xml"
        xml.write_text(linux.xml("guest", devices=card))
        self.virsh("create", str(xml), "--paused")
        self.shell = Shell(self.virsh("ttyconsole", "guest").strip())
        self.virsh("resume", "guest")
        self.shell.until(initramfs.READY)
        self.shell.run(CONFIGURE)

    def virsh(self, *words: str) -> str:
        command = [*VIRSH, self.daemon.uri, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inside(self, *command: str) -> list[str]:
        """The command that runs another in the daemon's namespaces."""
        pid = self.daemon.process.pid
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        return ["nsenter", "--target", child, "--net", "--mount", *command]

    def address(self) -> str:
        found = re.search(r"192\.168\.\d+\.\d+", self.virsh("domifaddr", "guest"))
        assert found is not None
        return found[0]


@pytest.fixture(scope="module")
def setting(linux: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with daemons.virtoryd() as daemon:
        for rule in THEIRS:
            assert daemon.inside("iptables", "-w", *rule.split()).returncode == 0
        world = World(daemon, tmp_path_factory.mktemp("world"))
        try:
            made = Setting(daemon, world, linux)
            yield made
            made.shell.close()
            made.virsh("destroy", "guest")
            left = daemon.inside("ip", "-o", "link").stdout
            assert "vnet" not in left
        finally:
            world.end()


def test_the_guest_gets_an_address_that_is_seen_at_once(setting: Setting) -> None:
    words = (setting.daemon.uri, MAC, "virbr0", str(setting.daemon.pid))
    listen = subprocess.Popen(
        setting.inside(sys.executable, WATCH, *words),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert listen.stdout is not None
    assert listen.stdout.readline() == "ready\n"
    said = setting.shell.run(
        "ip link set eth0 up; udhcpc -i eth0 -n -q -x hostname:guest1 -s /run/configure"
    )
    assert "obtained" in said, said
    seen = json.loads(listen.stdout.readline())
    listen.wait(60)
    listen.stdout.close()
    print(f"from the request on the bridge to domifaddr: {seen['after_ms']} ms")
    assert seen["address"] == setting.address()
    assert seen["after_ms"] < 1000, "100 ms on a quiet host"
    leases = setting.virsh("net-dhcp-leases", "default")
    assert MAC in leases and "guest1" in leases
    assert "guest1" in setting.virsh("domhostname", "guest", "--source", "lease")


async def test_a_machine_on_it_is_logged_in_to_at_that_address(setting: Setting) -> None:
    bare = Manifest("x", Path("/m"), (), "root", "", 22, None, "ssh-ed25519 A", "1")
    async with virtory.connect(setting.daemon.uri) as host:
        found = await to_log_in(await host.domain("guest"), bare)
    assert (found.host, found.port) == (setting.address(), 22)


def test_it_fetches_a_page_through_translation_and_past_dockers_rules(setting: Setting) -> None:
    said = setting.shell.run("wget -q -O - http://10.99.0.2:8000/")
    assert "a page of the world" in said


def test_nobody_beyond_reaches_it(setting: Setting) -> None:
    setting.world.inside("ip", "route", "add", "192.168.122.0/24", "via", "10.99.0.1")
    setting.shell.run(
        "(echo secret | nc -l -p 80 &); until netstat -ltn | grep -q ':80 '; do :; done"
    )
    code = (
        "import socket, sys\n"
        "s = socket.socket(); s.settimeout(5)\n"
        f"print(s.connect_ex(({setting.address()!r}, 80)))"
    )
    done = setting.world.inside(sys.executable, "-c", code)
    assert int(done.stdout) != 0
    assert setting.daemon.inside(sys.executable, "-c", code).stdout == "0\n"  # the host does


def test_it_is_known_by_its_name_and_others_by_net_update(setting: Setting) -> None:
    said = setting.shell.run("nslookup guest1 192.168.122.1")
    assert setting.address() in said
    record = "<host ip='192.168.122.77'><hostname>printer</hostname></host>"
    setting.virsh("net-update", "default", "add", "dns-host", record, "--live")
    said = setting.shell.run("nslookup printer 192.168.122.1")
    assert "192.168.122.77" in said


def test_it_takes_an_ipv6_address_from_the_advertisement(setting: Setting) -> None:
    setting.shell.run("ip link set eth1 up")
    address = "until ip -6 addr show dev eth1 | grep 'fd00:6:.*global'; do :; done"
    said = setting.shell.run(address)
    assert "fd00:6:" in said
    reach = "until ping -6 -c 1 -W 1 fd00:6::1 | grep 'bytes from'; do :; done"
    assert "64 bytes from fd00:6::1" in setting.shell.run(reach)
    assert "ipv6" in setting.virsh("domifaddr", "guest", "--source", "arp")


def test_the_neighbour_table_and_the_counters_tell_of_it(setting: Setting) -> None:
    assert setting.address() in setting.virsh("domifaddr", "guest", "--source", "arp")
    counted = setting.virsh("domifstat", "guest", "vnet0")
    received = int(re.search(r"rx_bytes (\d+)", counted)[1])  # type: ignore[index]
    assert received > 500
    tap = setting.daemon.inside("cat", "/sys/class/net/vnet0/statistics/tx_bytes").stdout
    assert int(tap) >= received


def test_its_port_is_listed_and_described(setting: Setting) -> None:
    (port,) = re.findall(r"[0-9a-f-]{36}", setting.virsh("net-port-list", "default", "--uuid"))
    assert f"portid='{port}'" in setting.virsh("dumpxml", "guest")
    described = setting.virsh("net-port-dumpxml", "default", port)
    assert f"<mac address='{MAC}'/>" in described and "<name>guest</name>" in described
    assert "<network connections='1'>" in setting.virsh("net-dumpxml", "default")


async def test_a_card_that_is_taken_out_takes_its_tap_along(setting: Setting) -> None:
    cards = setting.virsh("domiflist", "guest")
    (tap, mac) = re.findall(r"(vnet\d+) .* six .*(52:54:[0-9a-f:]+)", cards)[0]
    detach = ("detach-interface", "guest", "network", "--mac", mac, "--live")
    async with virtory.connect(setting.daemon.uri) as host, host.events("device-removed") as gone:
        await asyncio.to_thread(setting.virsh, *detach)
        assert await gone.next(60)
    assert tap not in setting.virsh("domiflist", "guest")
    assert tap not in setting.daemon.inside("ip", "-o", "link").stdout
    assert setting.virsh("net-port-list", "six", "--uuid").split() == []


def test_other_programs_rules_stay_and_ours_go_and_come_back(setting: Setting) -> None:
    def theirs() -> list[str]:
        return setting.daemon.inside("iptables", "-w", "-S").stdout.splitlines()

    with_ours = [line for line in theirs() if "six0" not in line]
    assert len([line for line in with_ours if "virtory virbr0" in line]) == 6
    address = setting.address()
    setting.virsh("net-destroy", "six")
    setting.virsh("net-destroy", "default")
    assert set(theirs()) == {*THEIRS, "-P OUTPUT ACCEPT"}
    assert "virtory" not in setting.daemon.inside("nft", "list", "tables").stdout
    setting.virsh("net-start", "default")
    assert theirs() == with_ours
    assert setting.daemon.inside("ip", "-o", "link", "show", "master", "virbr0").stdout
    reach = "until ping -c 1 -W 1 192.168.122.1 | grep 'bytes from'; do :; done; ip addr show eth0"
    said = setting.shell.run(reach)
    assert "64 bytes from 192.168.122.1" in said and address in said
