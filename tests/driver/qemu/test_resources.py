"""Taking what a plan names, and giving it back: wholly, again and again, after any failure."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from virtory.driver.qemu import resources
from virtory.driver.qemu.plan import Directory, Helper, Listen, OpenFile, Pair, Plan
from virtory.driver.qemu.process import start_time_of
from virtory.errors import OperationFailed, SystemCallFailed

if TYPE_CHECKING:
    from pathlib import Path


def plan_of(directory: Path, **parts: object) -> Plan:
    run = str(directory / "run" / "1-abc")
    fields = {
        "domain_id": 1,
        "emulator": "/usr/bin/qemu-system-x86_64",
        "accelerator": "tcg",
        "directory": run,
        "uid": None,
        "gid": None,
        "directories": (Directory(run, mode=0o711, for_guest=False),),
    }
    return Plan(**{**fields, **parts})  # type: ignore[arg-type]


def helper(plan_directory: str, code: str, **more: object) -> Helper:
    argv = (sys.executable, "-c", code, plan_directory, "{fd}")
    return Helper("helper", argv, **more)  # type: ignore[arg-type]


def pid_of(plan: Plan) -> int:
    with open(f"{plan.directory}/helper.pid") as file:
        return int(file.read().split()[0])


def test_everything_is_taken_and_everything_is_given_back(tmp_path: Path) -> None:
    image, log = tmp_path / "disk.img", tmp_path / "kept.log"
    image.write_bytes(b"disk")
    made = plan_of(
        tmp_path,
        files=(
            OpenFile(1, str(image), "rw", 1, "disk:vda:0"),
            OpenFile(2, str(log), "append", 2, "log:serial0", create=True),
            OpenFile(3, str(tmp_path / "gone"), "append", 3, "x", create=True, remove=True),
        ),
        listens=(Listen(4, str(tmp_path / "run" / "1-abc" / "monitor.sock"), "monitor"),),
    )
    acquired = resources.acquire(made)
    assert sorted(acquired.fds) == [1, 2, 3, 4]
    assert os.read(acquired.fds[1], 10) == b"disk"
    assert fcntl.fcntl(acquired.fds[2], fcntl.F_GETFL) & os.O_APPEND
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(made.path("monitor"))
    assert stat.S_IMODE(os.stat(made.path("monitor")).st_mode) == 0o600
    acquired.close()
    for _ in range(2):
        resources.release(made)
        assert sorted(os.listdir(tmp_path)) == ["disk.img", "kept.log", "run"]
        assert os.listdir(tmp_path / "run") == []


def test_release_of_a_plan_that_was_never_taken_does_nothing(tmp_path: Path) -> None:
    made = plan_of(tmp_path, listens=(Listen(1, str(tmp_path / "a.sock"), "monitor"),))
    resources.release(made, search=True)
    assert os.listdir(tmp_path) == []


def test_a_plan_that_went_through_the_store_is_released_alike(tmp_path: Path) -> None:
    path = tmp_path / "run" / "1-abc" / "m.sock"
    made = plan_of(tmp_path, listens=(Listen(1, str(path), "monitor"),))
    resources.acquire(made).close()
    resources.release(Plan.from_json(json.loads(json.dumps(made.to_json()))))
    assert os.listdir(tmp_path / "run") == []


def test_a_missing_image_is_named_and_no_descriptor_is_left(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    present = tmp_path / "a"
    present.write_bytes(b"")
    made = plan_of(
        tmp_path,
        files=(
            OpenFile(1, str(present), "r", 1, "disk:vda:0"),
            OpenFile(2, str(tmp_path / "none"), "rw", 2, "disk:vdb:0"),
        ),
    )
    with pytest.raises(SystemCallFailed, match=f"{tmp_path}/none': No such file") as caught:
        resources.acquire(made)
    assert caught.value.cure
    assert len(os.listdir("/proc/self/fd")) == len(before)
    resources.release(made)


def test_what_an_unfinished_run_left_is_replaced(tmp_path: Path) -> None:
    made = plan_of(tmp_path)
    os.makedirs(f"{made.directory}/old/deep")
    resources.acquire(made).close()
    assert os.listdir(made.directory) == []
    resources.release(made)


def test_variables_come_from_their_template_once(tmp_path: Path) -> None:
    template, variables = tmp_path / "VARS.fd", tmp_path / "nvram" / "m_VARS.fd"
    template.write_bytes(b"fresh")
    file = OpenFile(1, str(variables), "rw", 1, "nvram", create=True, template=str(template))
    made = plan_of(tmp_path, files=(file,))
    acquired = resources.acquire(made)
    os.pwrite(acquired.fds[1], b"USED!", 0)
    acquired.close()
    resources.release(made)
    resources.acquire(made).close()
    assert variables.read_bytes() == b"USED!"
    resources.forget_nvram(made)
    resources.acquire(made).close()
    assert variables.read_bytes() == b"fresh"
    resources.release(made)


def test_variables_are_converted_whole_or_not_at_all(tmp_path: Path) -> None:
    template, variables = tmp_path / "VARS.raw", tmp_path / "m_VARS.qcow2"
    template.write_bytes(b"fresh".ljust(4096, b"-"))
    file = OpenFile(
        1,
        str(variables),
        "rw",
        1,
        "nvram",
        create=True,
        template=str(template),
        convert=("raw", "qcow2"),
    )
    resources.acquire(plan_of(tmp_path, files=(file,))).close()
    assert variables.read_bytes().startswith(b"QFI\xfb")
    variables.unlink()
    wrong = replace(file, convert=("qcow2", "raw"))
    with pytest.raises(OperationFailed, match="Image is not in qcow2 format"):
        resources.acquire(plan_of(tmp_path, files=(wrong,)))
    assert not list(tmp_path.glob("m_VARS*"))


def test_a_kernel_in_memory_can_not_be_changed(tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(b"kernel")
    made = plan_of(tmp_path, files=(OpenFile(1, str(kernel), "memory", 1, "kernel"),))
    acquired = resources.acquire(made)
    assert os.pread(acquired.fds[1], 10, 0) == b"kernel"
    with pytest.raises(PermissionError):
        os.pwrite(acquired.fds[1], b"x", 0)
    acquired.close()
    resources.release(made)


def test_a_helper_gets_its_end_of_the_pair_and_ends_with_the_plan(tmp_path: Path) -> None:
    code = "import os, signal, sys; os.write(int(sys.argv[2]), b'hello'); signal.pause()"
    made = plan_of(tmp_path, pairs=(Pair(1, "helper", "net"),))
    made = plan_of(tmp_path, pairs=made.pairs, helpers=(helper(made.directory, code),))
    acquired = resources.acquire(made)
    assert os.read(acquired.fds[1], 10) == b"hello"
    acquired.close()
    pid = pid_of(made)
    assert start_time_of(pid) is not None
    resources.release(made)
    assert start_time_of(pid) is None


def test_a_helper_whose_pid_was_never_written_is_found(tmp_path: Path) -> None:
    made = plan_of(tmp_path)
    code = "import os, signal, sys; os.write(int(sys.argv[2]), b'!'); signal.pause()"
    pairs, helpers = (Pair(1, "helper", "net"),), (helper("x", code),)
    made = plan_of(tmp_path, pairs=pairs, helpers=helpers)
    acquired = resources.acquire(made)
    os.read(acquired.fds[1], 1)
    acquired.close()
    pid = pid_of(made)
    os.unlink(f"{made.directory}/helper.pid")
    resources.release(made, search=True)
    assert start_time_of(pid) is None


def test_a_helper_that_has_ended_is_quoted(tmp_path: Path) -> None:
    made = plan_of(tmp_path)
    code = "import sys; sys.stderr.write('no licence'); sys.exit(1)"
    made = plan_of(tmp_path, helpers=(helper(made.directory, code),))
    resources.acquire(made).close()
    os.waitid(os.P_PID, pid_of(made), os.WEXITED | os.WNOWAIT)
    with pytest.raises(OperationFailed, match="no licence"):
        resources.require_helpers(made)
    resources.release(made)


def test_a_pid_file_can_not_make_us_kill_somebody_else(tmp_path: Path) -> None:
    made = plan_of(tmp_path, helpers=(helper("x", "pass"),))
    os.makedirs(made.directory)
    ours = os.getpid()
    with open(f"{made.directory}/helper.pid", "w") as file:
        file.write(f"{ours} {(start_time_of(ours) or 0) + 1}\n")
    resources.release(made)  # it would have killed this test


def test_a_socket_path_that_is_too_long_says_so(tmp_path: Path) -> None:
    made = plan_of(tmp_path, listens=(Listen(1, str(tmp_path / ("x" * 120)), "monitor"),))
    with pytest.raises(SystemCallFailed, match="too long"):
        resources.acquire(made)
    resources.release(made)


def test_a_link_in_a_socket_s_place_opens_nothing_to_others(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    resources._allow(str(tmp_path / "link"), 0o666)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    made = plan_of(tmp_path, listens=(Listen(1, str(tmp_path / "sock"), "monitor", mode=0o640),))
    resources.acquire(made).close()
    assert stat.S_IMODE((tmp_path / "sock").lstat().st_mode) == 0o640


def test_a_path_that_is_in_use_is_neither_taken_nor_removed(tmp_path: Path) -> None:
    text, busy, stale = tmp_path / "text", tmp_path / "busy.sock", tmp_path / "stale.sock"
    text.write_text("kept")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(busy))
        server.listen()
        for path in (text, busy):
            made = plan_of(tmp_path, listens=(Listen(1, str(path), "char:serial0"),))
            with pytest.raises(SystemCallFailed, match="remove what is there, end the program"):
                resources.acquire(made)
            resources.release(made)
        assert text.read_text() == "kept"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(busy))
    made = plan_of(tmp_path, listens=(Listen(1, str(stale), "char:serial0"),))
    resources.acquire(made).close()
    resources.release(made)
    assert not stale.exists()
