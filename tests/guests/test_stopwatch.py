"""The measure of limits on a busy host."""

from __future__ import annotations

import subprocess

from stopwatch import Stopwatch


def test_a_process_that_ends_meanwhile_makes_it_no_longer():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(300):  # each time it stands in the queue for a moment
            process.stdin.write(b"x")
            process.stdin.flush()
            assert process.stdout.read(1) == b"x"
        without, with_it = Stopwatch(), Stopwatch(process.pid)
        process.kill()
    took_s = with_it.took_s()
    assert took_s <= without.took_s()
