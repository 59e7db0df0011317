"""A daemon killed at any step of a network's start or end leaves nothing behind.

Everything happens in a network namespace that a process of this test holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests import lacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(bool(lacking.for_bridges()), reason=lacking.for_bridges() or "-")

PROGRAM = Path(__file__).parent / "crash_network.py"
STARTS = ["net-planned", "net-files", "net-bridge", "net-rules", "net-dnsmasq", "net-saved"]
ENDS = ["net-stopping", "net-released"]


class Namespace:
    """A network of its own, and what is in it."""

    def __init__(self, state: str) -> None:
        self.state = state
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *command]
        return subprocess.run(enter, capture_output=True, text=True, check=False, timeout=60)

    def daemon(self, work: str, step: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, str(PROGRAM), self.state, work, step)

    def look(self) -> Any:
        """What the next daemon finds; it stops the network."""
        done = self.daemon("look")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def left(self) -> dict[str, Any]:
        """Links, tables, processes and files that are there."""
        listed = self.run("ip", "-o", "link").stdout.splitlines()
        links = [line.split(":")[1].strip() for line in listed]
        networks = f"{self.state}/run/networks"
        return {
            "links": [name for name in links if name != "lo"],
            "tables": self.run("nft", "list", "tables").stdout.split("\n")[:-1],
            "processes": [pid for pid in os.listdir("/proc") if self._serves(pid)],
            "files": os.listdir(networks) if os.path.isdir(networks) else [],
        }

    def _serves(self, pid: str) -> bool:
        wanted = f"{self.state}/run/networks".encode()
        try:
            return pid.isdigit() and wanted in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def end(self) -> None:
        self._holder.communicate()


NOTHING: dict[str, Any] = {"links": [], "tables": [], "processes": [], "files": []}


@pytest.fixture
def namespace(state: str) -> Iterator[Namespace]:
    os.makedirs(f"{state}/run", 0o711)
    made = Namespace(state)
    yield made
    made.end()


@pytest.mark.parametrize("step", STARTS)
def test_a_start_that_was_cut_off_is_finished_or_undone(namespace: Namespace, step: str) -> None:
    killed = namespace.daemon("start", step)
    assert killed.returncode == -9, killed.stderr
    found = namespace.look()
    assert found["active"] is (step == "net-saved")
    assert namespace.left() == NOTHING


def test_what_a_daemon_killed_meanwhile_had_started_changes_nothing_later(
    namespace: Namespace,
) -> None:
    """nft, and dnsmasq, which is several processes before it writes down its pid."""
    assert namespace.daemon("start", "net-rules").returncode == -9
    (name,) = namespace.left()["files"]
    place = f"{namespace.state}/run/networks/{name}"
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen([*waiting, *words], stdin=subprocess.PIPE, env=env)
            )
            for words, env in (
                ([], {"VIRTORY_NETWORK": place}),
                ([f"--conf-file={place}/dnsmasq.conf"], {}),
                ([f"--conf-file={place}/dnsmasq.conf"], {}),
            )
        ]
        assert namespace.look()["active"] is False
        assert [process.poll() for process in started] == [-9, -15, -15]
    assert namespace.left() == NOTHING


@pytest.mark.parametrize("step", ENDS)
def test_an_end_that_was_cut_off_is_finished(namespace: Namespace, step: str) -> None:
    killed = namespace.daemon("destroy", step)
    assert killed.returncode == -9, killed.stderr
    assert namespace.look()["active"] is False
    assert namespace.left() == NOTHING


def test_what_was_lost_of_a_running_network_is_made_again(namespace: Namespace) -> None:
    killed = namespace.daemon("start", "net-saved")
    assert killed.returncode == -9
    before = namespace.left()
    assert [before["links"], before["tables"]] == [["virbr0"], ["table inet virtory_virbr0"]]
    namespace.run("nft", "flush", "ruleset")
    for pid in before["processes"]:
        with contextlib.suppress(ProcessLookupError):  # the helper ends with its server
            os.kill(int(pid), 9)
    killed = namespace.daemon("destroy", "net-stopping")
    assert "already active" in killed.stderr  # it was found again, and made whole
    after = namespace.left()
    assert after["tables"] == before["tables"]
    assert after["processes"]
    assert not set(after["processes"]) & set(before["processes"])
    assert namespace.look()["active"] is True
    assert namespace.left() == NOTHING


def test_a_network_that_is_off_has_no_process_left_not_even_a_slow_one(
    namespace: Namespace,
) -> None:
    assert namespace.daemon("start", "net-saved").returncode == -9
    servers = [Path(f"/proc/{pid}/task/{pid}/children") for pid in namespace.left()["processes"]]
    helper = int("".join(children.read_text() for children in servers))
    os.kill(helper, signal.SIGSTOP)
    try:
        assert namespace.look()["active"] is True
        assert namespace.left() == NOTHING
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(helper, signal.SIGKILL)


def test_a_marked_network_starts_with_the_first_daemon_of_a_boot(namespace: Namespace) -> None:
    assert namespace.daemon("mark").returncode == 0
    assert namespace.look()["active"] is False
    os.unlink(f"{namespace.state}/run/autostarted")
    assert namespace.look()["active"] is True
    assert namespace.left() == NOTHING


def test_a_guests_port_outlives_the_daemon(namespace: Namespace, bare: Callable[..., str]) -> None:
    card = "<interface type='network'><source network='default'/></interface>"
    killed = namespace.daemon("guest", bare("g", card))
    assert killed.returncode == -9, killed.stderr
    assert set(namespace.left()["links"]) == {"virbr0", "vnet0"}
    found = namespace.look()
    assert (found["active"], found["ports"]) == (True, 1)
    assert "<network connections='1'>" in found["xml"]
    assert namespace.left() == NOTHING


def test_a_network_whose_bridge_somebody_removed_is_off(namespace: Namespace) -> None:
    namespace.daemon("start", "net-saved")
    namespace.run("ip", "link", "delete", "virbr0")
    namespace.run("ip", "link", "add", "virbr0", "type", "bridge")
    assert namespace.look()["active"] is False
    left = namespace.left()
    assert left == {**NOTHING, "links": ["virbr0"]}, "the other's bridge stays"


def test_the_default_network_gives_way_to_what_came_meanwhile(namespace: Namespace) -> None:
    assert "192.168.122.1" in namespace.look()["xml"]
    namespace.run("ip", "link", "add", "virbr0", "type", "bridge")
    namespace.run("ip", "address", "add", "192.168.122.1/24", "dev", "virbr0")
    namespace.run("ip", "link", "set", "virbr0", "up")
    assert namespace.daemon("start", "net-saved").returncode == -9
    found = namespace.look()
    assert found["active"] is True
    assert "<bridge name='virbr1'" in found["xml"]
    assert "192.168.123.1" in found["xml"]
    assert namespace.left() == {**NOTHING, "links": ["virbr0"]}


def test_without_a_helper_the_cure_is_named_and_nothing_is_left(namespace: Namespace) -> None:
    hidden = 'mount --bind /dev/null /usr/sbin/dnsmasq; exec "$@"'
    command = [sys.executable, str(PROGRAM), namespace.state, "start", "never"]
    done = namespace.run("unshare", "--mount", "sh", "-c", hidden, "sh", *command)
    assert (
        "needs dnsmasq, which is not installed; install it: apt install dnsmasq-base" in done.stderr
    )
    assert namespace.left() == NOTHING
