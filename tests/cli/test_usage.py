"""`top` as numbers: rates between two looks; and on a terminal, until a key ends it."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
import time
from typing import Any

from virtory.cli.usage import Look, Use, screen, table, uses


def counters(cpu: int, read: int) -> dict[str, Any]:
    return {
        "state.state": 1,
        "cpu.time": cpu,
        "vcpu.current": 2,
        "balloon.current": 1048576,
        "balloon.rss": 2048,
        "block.0.rd.bytes": read,
        "block.1.rd.bytes": read,
        "net.0.tx.bytes": 10,
    }


BEFORE = Look(10.0, {"a": counters(0, 0), "b": counters(0, 0)})
NOW = Look(
    12.0,
    {"a": counters(10**9, 4096), "b": counters(2 * 10**9, 0), "new": counters(5, 5)},
)


def test_rates_are_differences_by_time_and_the_busiest_is_first() -> None:
    found = uses(BEFORE, NOW)
    assert [use.name for use in found] == ["b", "a", "new"]
    assert found[0].cpu_percent == 100.0
    assert found[1] == Use("a", "running", 50.0, 2, 1 << 30, 2 << 20, 4096, 0, 0, 0)
    assert found[2].cpu_percent is None
    assert found[2].read is None


def test_the_table_has_short_sizes_and_raw_numbers_as_json() -> None:
    shown = table(BEFORE, NOW)
    assert " a      running   50.0    2       1.0G     2.0M     4.0K" in shown.text()
    assert shown.data()[1]["read"] == 4096
    assert screen(BEFORE, NOW).startswith("3 running, 6 virtual processors, 150 % of one")


def test_a_counter_that_began_anew_is_no_negative_rate() -> None:
    assert uses(NOW, NOW._replace(at=13.0, machines={"a": counters(0, 0)}))[0].cpu_percent == 0


def test_on_a_terminal_it_is_drawn_until_q_and_the_terminal_is_given_back(daemon: Any) -> None:
    program = [sys.executable, "-m", "virtory.cli.main", "-c", daemon.uri, "top"]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(program[0], program, {**os.environ, "COLUMNS": "100", "LINES": "20"})
    said, pressed, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        select.select([terminal], [], [], 60)
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the child has closed its side
            break
        said += data
        if not data:
            break
        if said.count(b"q quits") >= 2 and not pressed:
            pressed = True
            os.write(terminal, b"q")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    assert b"test" in said
    assert said.rstrip().endswith(b"\x1b[?25h")


def test_promises_are_held_against_what_exists(virtory: Any) -> None:
    told = virtory("host").out
    assert "machines      1 running, 1 known" in told
    assert "8.0 GiB promised (overcommitted 2.7 times)" in told
    assert json.loads(virtory("host", "--json").out)["running"]["vcpus"] == 2
