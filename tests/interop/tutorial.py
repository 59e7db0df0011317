"""A host for tutorials: a daemon and the real clients, which print, and prompt on terminals.

The rule kept here: whatever a guest or a client says is waited for on its terminal or its exit,
never by the clock; `TUTORIAL=libvirtd` runs the same tutorial on a real libvirtd.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import daemons

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOT_S = 180.0
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "DISPLAY"},
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "VIRSH_HISTSIZE": "0",
}
DEFAULT_NETWORK = (
    "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>"
    "<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>"
    "<range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>"
)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command: str, environment: dict[str, str] | None = None) -> None:
        self.said = b""
        self._main, theirs = pty.openpty()

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**ENVIRONMENT, **(environment or {})},
            preexec_fn=take_terminal,
        )
        os.close(theirs)

    def until(self, wanted: bytes, limit_s: float = BOOT_S) -> bytes:
        """Read until it has said this; all up to and with it."""
        deadline = time.monotonic() + limit_s
        while wanted not in self.said:
            assert self._more(deadline), f"no {wanted!r} in {self.said[-2000:]!r}"
        head, _, self.said = self.said.partition(wanted)
        return head + wanted

    def _more(self, deadline: float) -> bool:
        if not select.select([self._main], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._main, 65536)
        except OSError:  # EIO: nobody has the other side any more
            data = b""
        self.said += data
        return bool(data)

    def hears(self, wanted: bytes, limit_s: float) -> bool:
        """Whether it says this so soon."""
        deadline = time.monotonic() + limit_s
        while wanted not in self.said:
            if not self._more(deadline):
                return False
        return True

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def prompt(self) -> None:
        """Until the shell on this console asks: only now virsh has opened it.

        What is typed before virsh has made its terminal raw is lost, and nothing tells when.
        """
        for _ in range(30):
            self.type("\r")
            if self.hears(b"# ", 1):
                break
        self.until(b"# ")

    def end(self, limit_s: float = BOOT_S) -> tuple[int, str]:
        """Wait for its end: its exit status and what it said since the last `until`."""
        deadline = time.monotonic() + limit_s
        while self._more(deadline):
            pass
        return self.process.wait(max(1, deadline - time.monotonic())), self.said.decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(60)
        os.close(self._main)


class Host:
    """A daemon and its clients."""

    def __init__(self, daemon: daemons.Daemon, places: Path) -> None:
        self.daemon = daemon
        self.uri = daemon.uri
        self.places = places  # where a user keeps images and media

    def run(
        self, *command: str, fails: bool = False, script: str | None = None, **more: str
    ) -> str:
        """Run a client; everything it printed. `fails`: it must not succeed."""
        done = subprocess.run(
            [*self.daemon.entered, *command],
            input=script,
            stdin=None if script is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            env={**ENVIRONMENT, **more},
            check=False,
        )
        said = done.stdout + done.stderr
        assert bool(done.returncode) == fails, f"{command}: exit {done.returncode}: {said}"
        return said

    def virsh(self, *words: str, fails: bool = False, **more: str) -> str:
        return self.run("virsh", "-c", self.uri, *words, fails=fails, **more)

    def virt_install(self, *words: str, fails: bool = False) -> str:
        return self.run("virt-install", *self.install_words(*words), fails=fails)

    def install_words(self, *words: str) -> list[str]:
        """What every installation here needs: software emulation, a system with virtio."""
        osinfo = () if "--os-variant" in words else ("--osinfo", "debian11")
        return ["--connect", self.uri, "--virt-type", "qemu", *osinfo, *words]

    def virt_xml(self, *words: str, fails: bool = False) -> str:
        return self.run("virt-xml", "--connect", self.uri, *words, fails=fails)

    def virt_clone(self, *words: str, fails: bool = False) -> str:
        return self.run("virt-clone", "--connect", self.uri, *words, fails=fails)

    def state(self, name: str) -> str:
        return self.virsh("domstate", name).strip()

    def find(self, pattern: str, *words: str) -> str:
        """The first group (or all) of a pattern in what a verb of virsh prints."""
        printed = self.virsh(*words)
        found = re.search(pattern, printed)
        assert found, f"{words}: no {pattern!r} in {printed}"
        return found[1] if found.groups() else found[0]

    def start(self, name: str, until: bytes, *more: str) -> None:
        """Start a machine and read its console until it says this."""
        with self.terminal("virsh", "-c", self.uri, "start", name, "--console", *more) as console:
            console.until(until)
            console.type("\x1d")
            console.end()

    @contextlib.contextmanager
    def console(self, name: str) -> Iterator[Terminal]:
        """The shell of a machine that is up, on its console."""
        with self.terminal("virsh", "-c", self.uri, "console", name) as terminal:
            terminal.until(b"Escape character")
            yield terminal
            terminal.type("\x1d")
            terminal.end()

    def ask(self, name: str, command: str) -> str:
        """Run a command in the shell on a machine's console; what it printed."""
        with self.console(name) as terminal:
            terminal.prompt()
            terminal.type(f"echo begin-$((40+2)); {command}; echo end-$((40+2))\r")
            terminal.until(b"begin-42\r\n")
            return terminal.until(b"end-42")[: -len(b"end-42")].decode().replace("\r", "")

    @contextlib.contextmanager
    def terminal(self, *command: str, **more: str) -> Iterator[Terminal]:
        terminal = Terminal(*self.daemon.entered, *command, environment=more)
        try:
            yield terminal
        finally:
            terminal.close()

    @contextlib.contextmanager
    def events(self, name: str) -> Iterator[Terminal]:
        """A watching virsh that is registered: it tells of the daemon's events from here on."""
        words = ("virsh", "-c", self.uri, "event", "--all", "--loop")
        with self.terminal(*words) as watching:
            # Registered once it tells of a change: descriptions are set until the first is told.
            for number in range(1000):
                self.virsh("desc", name, "--title", f"t{number}", "--config")
                if watching.hears(b"metadata-change", 0.2):
                    break
            yield watching
            watching.type("\x03")

    def clear(self) -> None:
        """End and forget every machine."""
        for name in self.virsh("list", "--name").split():
            self.virsh("destroy", name)
        for name in self.virsh("list", "--all", "--name").split():
            self.virsh("undefine", name, "--managed-save", "--snapshots-metadata", "--nvram")


def missing() -> str:
    """What a tutorial lacks here; empty: nothing."""
    for program in ("virsh", "virt-install", "virt-xml", "virt-clone", "qemu-img"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return daemons.lacking()


@contextlib.contextmanager
def hosted(user: int | None = None) -> Iterator[Host]:
    """A host with a fresh daemon, root's with a `default` network."""
    theirs = os.environ.get("TUTORIAL") == "libvirtd" and user is None
    with daemons.libvirtd() if theirs else daemons.virtoryd(user=user) as daemon:
        places = daemon.directory / "images"
        places.mkdir()
        places.chmod(0o777)
        host = Host(daemon, places)
        if theirs:
            (places / "default.xml").write_text(DEFAULT_NETWORK)
            host.virsh("net-define", str(places / "default.xml"))
            host.virsh("net-start", "default")
        yield host
        host.clear()
