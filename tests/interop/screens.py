"""A display of our own, and programs on it: windows by title, clicks, words, pictures.

The rule kept here: another program's progress can only be watched; every wait ends when what is
wanted is seen, or fails with a picture of what was there instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIDTH, HEIGHT = 1280, 900
LIMIT_S = 120.0
_LOOK_S = 0.1
_RESTING_LOOKS = 2  # no more: a guest's cursor blinks four times a second
Area = tuple[int, int, int, int]
"""Left, top, right and bottom."""
WHOLE: Area = (0, 0, WIDTH, HEIGHT)


def lacking(*programs: str) -> str:
    """Which program is not installed; empty: none."""
    wanted = ("Xvfb", "xdotool", "import", "dbus-run-session", *programs)
    return next((f"{name} is not installed" for name in wanted if shutil.which(name) is None), "")


class Screen:
    """An X server without a window manager: every window stands at the upper left."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._programs: list[subprocess.Popen[bytes]] = []
        reading, writing = os.pipe()
        self._server = subprocess.Popen(
            [
                *("Xvfb", "-displayfd", str(writing), "-noreset", "-nolisten", "tcp"),
                *("-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", str(directory)),
            ],
            pass_fds=[writing],
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        with os.fdopen(reading) as told:  # a line, written in two pieces
            self.display = f":{told.readline().strip()}"
        home, runtime = directory / "home", directory / "runtime"
        home.mkdir()
        runtime.mkdir(mode=0o700)
        self.environment = {
            "PATH": os.environ["PATH"],
            "DISPLAY": self.display,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "GSETTINGS_BACKEND": "memory",
            "NO_AT_BRIDGE": "1",
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(home),  # dbus-run-session leaves its directory behind
        }

    def start(self, *command: str) -> Path:
        """Run a program on it, with a message bus of its own; the file of what it says."""
        said = self.directory / f"said-{len(self._programs)}"
        with said.open("wb") as output:
            program = subprocess.Popen(
                ["dbus-run-session", "--", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its message bus can be ended with it
            )
        self._programs.append(program)
        return said

    def close(self) -> None:
        """End the programs, then the server."""
        for program in self._programs:
            os.killpg(program.pid, signal.SIGTERM)
            program.wait(LIMIT_S)
        self._server.terminate()
        self._server.wait(LIMIT_S)

    # -- looking -------------------------------------------------------------------------------
    def _ask(self, *command: str) -> bytes:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, check=False, timeout=LIMIT_S
        )
        return done.stdout

    def picture(self) -> bytes:
        """What is shown: one byte for each point, its green; the server keeps it in a file.

        The file is as `xwd` writes it (XWDFile.h): its header says how long the header is and how
        many colours are listed, 12 bytes each, before the points, four bytes each.
        """
        data = (self.directory / "Xvfb_screen0").read_bytes()
        header = struct.unpack_from(">20I", data)
        return data[header[0] + 12 * header[19] :][1 : 4 * WIDTH * HEIGHT : 4]

    def titles(self) -> set[str]:
        """Of all windows that can be seen."""
        command = ("xdotool", "search", "--onlyvisible", "--name", ".", "getwindowname", "%@")
        return set(self._ask(*command).decode().splitlines())

    def until(self, wanted: Callable[[], object], what: str) -> None:
        """Watch until it is so."""
        end = time.monotonic() + LIMIT_S
        while not wanted():
            if time.monotonic() > end:
                self.keep("failed")
                raise AssertionError(f"{what}: not seen in {LIMIT_S:g} s; see {self.directory}")
            time.sleep(_LOOK_S)

    def window(self, title: str) -> None:
        """Until a window with this title is there."""
        self.until(lambda: title in self.titles(), f"a window '{title}'")

    def steady(self) -> bytes:
        """The picture, once it has stopped changing: several looks show the same."""
        pictures = [b""] * _RESTING_LOOKS

        def rests() -> bool:
            pictures.append(self.picture())
            return len(set(pictures[-_RESTING_LOOKS:])) == 1

        self.until(rests, "a picture that rests")
        return pictures[-1]

    def keep(self, name: str) -> Path:
        """Write the picture into a file, for people."""
        path = self.directory / f"{name}.png"
        self._ask("import", "-window", "root", str(path))
        return path

    # -- acting --------------------------------------------------------------------------------
    def click(self, x: int, y: int, where: Area = WHOLE) -> None:
        """Click, and wait until that has shown in this part and everything rests."""
        place = ("mousemove", str(x), str(y), "click", "1")
        self._act(where, f"something after a click at {x},{y}", *place)

    def type(self, text: str, where: Area = WHOLE) -> None:
        """Type into what has the focus, and wait as after a click."""
        self._act(where, f"'{text}' on the screen", "type", "--delay", "5", text)

    def press(self, key: str, where: Area = WHOLE) -> None:
        self._act(where, f"something after {key}", "key", key)

    def _act(self, where: Area, what: str, *command: str) -> None:
        before = part(self.steady(), *where)
        self._ask("xdotool", *command)
        self.until(lambda: part(self.picture(), *where) != before, what)
        self.steady()


def part(picture: bytes, left: int, top: int, right: int, bottom: int) -> bytes:
    """A rectangle of it."""
    return b"".join(picture[y * WIDTH + left : y * WIDTH + right] for y in range(top, bottom))


def blank(points: bytes) -> bool:
    """One shade and nothing else."""
    return len(set(points)) <= 1


def is_console(points: bytes) -> bool:
    """Bright writing on a black ground, as firmware and Linux write it."""
    return points.count(0) > 0.8 * len(points) and max(points, default=0) > 100
