"""Pins and schedulers: what a description says of a guest's threads is what the kernel knows."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cases import defined, qemu_7_2

from virtory.driver.qemu import affinity
from virtory.errors import ConfigUnsupported, SystemCallFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from virtory.model.domain import Domain

THREADS = """
import sys, threading
for _ in range(3): threading.Thread(target=sys.stdin.read, daemon=True).start()
print(*(t.native_id for t in threading.enumerate()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process() -> Iterator[tuple[int, list[int]]]:
    """A process with four threads: its pid and them, the main one first."""
    with subprocess.Popen(
        [sys.executable, "-c", THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        yield child.pid, [int(word) for word in child.stdout.readline().split()]
        child.kill()


def domain(rest: str) -> Domain:
    return defined(
        f"<domain type='qemu'><name>a</name><memory>65536</memory>{rest}<iothreads>1</iothreads>"
        "<os><type>hvm</type></os></domain>",
        qemu_7_2(),
    )


def test_every_thread_runs_where_it_was_pinned(process: tuple[int, list[int]]) -> None:
    pid, (main, first, second, io) = process
    here = sorted(os.sched_getaffinity(0))
    one, other = here[0], here[-1]
    wanted = domain(
        f"<vcpu cpuset='{one}'>2</vcpu><cputune><vcpupin vcpu='1' cpuset='{other}'/>"
        f"<emulatorpin cpuset='{one},{other}'/>"
        "<vcpusched vcpus='1' scheduler='batch'/></cputune>"
    )
    affinity.apply(wanted, pid, {0: first, 1: second}, {1: io})
    assert os.sched_getaffinity(first) == {one}
    assert os.sched_getaffinity(second) == {other}
    assert os.sched_getaffinity(main) == {one, other}
    assert os.sched_getaffinity(io) == {one}
    assert os.sched_getscheduler(second) == os.SCHED_BATCH
    assert os.sched_getscheduler(first) == os.SCHED_OTHER


def test_without_a_word_nothing_is_pinned() -> None:
    assert not affinity.is_wanted(domain("<vcpu>2</vcpu>"))


def test_a_pin_to_no_processor_that_is_online_is_refused_before_anything_starts() -> None:
    wanted = domain("<vcpu>2</vcpu><cputune><emulatorpin cpuset='70-71'/></cputune>")
    with pytest.raises(ConfigUnsupported, match="none of the processors 70-71") as caught:
        affinity.refuse_without_processors(wanted, frozenset({0, 1}))
    assert "0-1" in str(caught.value)
    affinity.refuse_without_processors(wanted, frozenset({0, 70}))


def test_the_hosts_refusal_names_the_thread(process: tuple[int, list[int]]) -> None:
    with pytest.raises(SystemCallFailed, match="affinity of vCPU 0 to 9999"):
        affinity.pin(process[1][0], frozenset({9999}), "vCPU 0")


def test_processors_that_are_offline_have_numbers_too(tmp_path: Path) -> None:
    present = tmp_path / "present"
    for text in ("0-11", "0-7,9-11", "0,11"):
        present.write_text(f"{text}\n")
        assert affinity.host_numbers(str(present)) == 12  # 8 of them online, say
    assert affinity.bitmap(None, 12) == b"\xff\x0f"
    assert affinity.bitmap({0, 9, 11, 12}, 12) == b"\x01\x0a"
    assert max(affinity.anywhere(12)) == 11


def test_where_a_thread_may_run() -> None:
    allowed = os.sched_getaffinity(0)
    assert affinity.of_thread(0) == affinity.bitmap(allowed)
    assert max(allowed) < affinity.host_numbers()
