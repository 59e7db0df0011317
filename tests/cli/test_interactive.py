"""What happens at a keyboard: the console, the editor, completion, events as they come."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from daemon_thread import DaemonThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "virtory.cli.main"]
TEST = bytes.fromhex("6695eb01f6a4830479aa97f2502e193f")


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What a program writes on its terminal, up to `wanted`."""
    seen = b""
    while wanted not in seen:
        data = os.read(terminal, 4096)
        assert data, f"{wanted!r} never came after {seen!r}"
        seen += data
    return seen


@contextmanager
def at_a_terminal(*words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program with a terminal of its own; yields the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*PROGRAM, *words], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_the_console_shows_what_is_typed_until_the_escape_key(daemon: Any) -> None:
    with at_a_terminal("-c", daemon.uri, "console", "test") as (process, terminal):
        assert b"Escape character is ^]" in read_until(terminal, b"silent login\r\n")
        os.write(terminal, b"hello guest\r")
        read_until(terminal, b"hello guest\r\n")
        os.write(terminal, b"\x1d")
        assert process.wait(60) == 0


def test_a_console_in_use_is_refused_and_taken_by_force(
    daemon: Any, virtory: Callable[..., Any]
) -> None:
    with at_a_terminal("-c", daemon.uri, "console", "test") as (process, terminal):
        read_until(terminal, b"silent login\r\n")
        os.write(terminal, b"x")
        read_until(terminal, b"x")
        refused = virtory("console", "test")
        assert (refused.status, refused.out) == (1, "")
        assert "Active console session exists for this domain" in refused.err
        assert "--force" in refused.err
        with at_a_terminal("-c", daemon.uri, "console", "test", "--force") as (_, other):
            read_until(other, b"silent login\r\n")
            assert process.wait(60) == 0


def test_the_console_ends_with_the_guest(daemon: Any, virtory: Callable[..., Any]) -> None:
    with at_a_terminal("-c", daemon.uri, "console", "test") as (process, terminal):
        read_until(terminal, b"silent login\r\n")
        assert virtory("destroy", "test").status == 0
        assert process.wait(60) == 0


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make `sed SCRIPT` the user's editor."""

    def use(script: str) -> None:
        path = tmp_path / "editor"
        path.write_text(f"#!/bin/sh\nexec sed -i '{script}' \"$1\"\n")
        path.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(path))
        monkeypatch.delenv("VISUAL", raising=False)

    return use


def test_an_edited_definition_is_kept(
    virtory: Callable[..., Any], editor: Callable[[str], None], small: str
) -> None:
    virtory("define", small)
    editor("s/1024/4096/g")
    done = virtory("edit", "small")
    assert done == (0, "Domain 'small' XML configuration edited.\n\n", "")
    assert "4096 KiB" in virtory("dominfo", "small").out


def test_an_editor_that_changes_nothing_changes_nothing(
    virtory: Callable[..., Any], editor: Callable[[str], None]
) -> None:
    editor("s/none-of-it/x/")
    assert virtory("edit", "test").out == "Domain 'test' XML configuration not changed.\n\n"


def test_a_definition_that_is_refused_is_not_kept(
    virtory: Callable[..., Any], editor: Callable[[str], None], small: str
) -> None:
    virtory("define", small)
    before = virtory("dumpxml", "small").out
    editor("s/<os>/<oops>/")
    refused = virtory("edit", "small")
    assert refused.status == 1
    assert "error: XML error" in refused.err
    assert virtory("dumpxml", "small").out == before


def test_an_editor_that_is_not_there_is_named(
    virtory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor")
    refused = virtory("edit", "test")
    assert refused.err == (
        "error: operation failed: the editor 'no-such-editor' is not installed\n"
        "cure: set EDITOR to one that is\n"
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "virtory domif",
            {"domif-getlink", "domif-setlink", "domifaddr", "domiflist", "domifstat", "domiftune"},
        ),
        ("virtory -c URI start sm", {"small"}),
        ("virtory -c URI domstate ", {"small", "test"}),
        ("virtory -c URI suspend ", {"test"}),
        ("virtory list --in", {"--inactive"}),
        ("virtory completion z", {"zsh"}),
        ("virtory help domif-g", {"domif-getlink"}),
        ("virtory -c URI revert test ", {"before"}),
        ("virtory -c URI snapshot-delete --metadata test be", {"before"}),
        ("virtory -c URI create web --network ", {"default"}),
        ("virtory create web --boot d", {"direct", "disk"}),
    ],
)
def test_bash_completes_verbs_options_and_names(
    virtory: Callable[..., Any], daemon: Any, small: str, line: str, expected: set[str]
) -> None:
    virtory("define", small)
    virtory("snapshot", "test", "before")
    script = virtory("completion", "bash").out
    line = line.replace("URI", daemon.uri)
    asked = (
        f'virtory() {{ "{sys.executable}" -m virtory.cli.main "$@"; }}\n{script}\n'
        f"COMP_LINE='{line}' COMP_POINT={len(line)}\n_virtory\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=60)
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_tab_runs_nothing_of_what_a_machine_is_called(
    virtory: Callable[..., Any], tmp_path: Path
) -> None:
    script = virtory("completion", "bash").out
    line = "virtory start "
    asked = (
        f"{script}\nvirtory() {{ printf '%s\\n' '$(touch ran)' '`touch ran`' 'a; b' plain; }}\n"
        f"COMP_LINE='{line}' COMP_POINT={len(line)}\n_virtory\n"
        "eval \"printf '%s\\n' ${COMPREPLY[*]}\"\n"  # as if each were then run
    )
    done = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.stdout.splitlines() == ["$(touch ran)", "`touch ran`", "a; b", "plain"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_too(virtory: Callable[..., Any], shell: str) -> None:
    script = virtory("completion", shell).out
    assert "domifaddr" in script
    assert "${host" not in script or shell == "zsh"


@contextmanager
def things_happening(daemon: Any) -> Iterator[None]:
    """Suspend and resume the domain `test`, again and again, while the block runs."""
    ended = threading.Event()

    async def happen() -> None:
        domains = daemon.driver.domain
        while not ended.is_set():
            await domains.suspend(TEST)
            await domains.resume(TEST)
            await asyncio.sleep(0.005)

    future = asyncio.run_coroutine_threadsafe(happen(), daemon.loop)
    try:
        yield
    finally:
        ended.set()
        future.result(60)


def test_one_event_is_told_and_the_program_ends(daemon: Any, virtory: Callable[..., Any]) -> None:
    with things_happening(daemon):
        told = virtory("event", "--domain", "test")
    first, second, *rest = told.out.splitlines()
    assert first in (
        "event 'lifecycle' for domain 'test': Suspended Paused",
        "event 'lifecycle' for domain 'test': Resumed Unpaused",
    )
    assert (told.status, second, rest) == (0, "events received: 1", [""])


def test_events_as_json_are_one_object_a_line(daemon: Any, virtory: Callable[..., Any]) -> None:
    with things_happening(daemon):
        told = virtory("--json", "event")
    assert json.loads(told.out) in (
        {"kind": "lifecycle", "domain": "test", "event": "Suspended", "detail": "Paused"},
        {"kind": "lifecycle", "domain": "test", "event": "Resumed", "detail": "Unpaused"},
    )


def test_waiting_for_an_event_can_time_out(virtory: Callable[..., Any]) -> None:
    told = virtory("event", "--event", "reboot", "--timeout", "1")
    assert told == (0, "event loop timed out\nevents received: 0\n\n", "")
    told = virtory("event", "test", "reboot", "--timeout", "1")  # virsh's order, without the names
    assert told == (0, "event loop timed out\nevents received: 0\n\n", "")


def test_control_c_ends_a_wait_for_events_and_says_how_many_there_were(daemon: Any) -> None:
    words = ("-c", daemon.uri, "event", "--loop", "--event", "lifecycle")
    with things_happening(daemon), at_a_terminal(*words) as (process, terminal):
        read_until(terminal, b"Paused\r\n")
        process.send_signal(signal.SIGINT)
        read_until(terminal, b"event loop interrupted\r\nevents received: ")
        assert process.wait(60) == 130


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_name_is_written_whatever_the_locale(
    daemon: Any, virtory: Callable[..., Any], encoding: str
) -> None:
    assert virtory("desc", "test", "größer …").status == 0
    words = [*PROGRAM, "-c", daemon.uri, "desc", "test"]
    shown = subprocess.run(
        words, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=True
    )
    assert shown.stdout.decode().strip() == "größer …"  # a pipe's reader is told in UTF-8


def test_the_console_says_that_the_daemon_went(tmp_path: Path) -> None:
    uri = f"test+unix:///default?socket={tmp_path}/sock"
    with ExitStack() as ends:
        with DaemonThread(tmp_path):
            words = ("-c", uri, "console", "test")
            process, terminal = ends.enter_context(at_a_terminal(*words))
            read_until(terminal, b"silent login\r\n")
        assert b"error: the connection ended" in read_until(terminal, b"cure: ")
        assert process.wait(60) == 1


def test_streams_that_are_closed_are_no_trouble(daemon: Any) -> None:
    words = [*PROGRAM, "-c", daemon.uri, "list"]
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        done = subprocess.run(
            ["bash", "-c", f'"$@" {closed}', "-", *words], capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert (b"test" in done.stdout) == (not closed.startswith(">"))
