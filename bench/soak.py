"""Kill virtoryd, again and again, in the middle of a storm of clients: `soak.py --kills 100`.

`--kept` kills it amid snapshots, reverts, commits, saves, clones and networks instead, and compares
disks by hash. `--mixed SECONDS` kills nothing: 50 clients make 300 calls of every kind at once.

The load, the book of what must be so and the checks after each restart are those of the suite's
short version, tests/guests/survival. Ends with what was done and measured; a failure says what was
found, keeps the directory with the daemon's log, and names the seed that repeats the storm.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests/guests/survival")]

from daemon_process import DaemonProcess  # noqa: E402
from kept_storm import KeptStorm, kept_campaign, namespaces  # noqa: E402
from mixed import mixed_calls  # noqa: E402
from storm import Report, Storm, campaign  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Coroutine


def main() -> int:
    options = arguments()
    directory = Path(tempfile.mkdtemp(prefix="virtory-soak-"))
    directory.chmod(0o711)
    if options.kept:
        with namespaces() as entered:
            daemon = DaemonProcess(directory, wrapper=entered)
            storm = KeptStorm(daemon, entered, options.seed, options.clients)
            work = kept_campaign(storm, options.kills, options.seconds, learn=True)
            return run(options, daemon, storm, work)
    daemon = DaemonProcess(directory, user=options.user)
    if options.mixed:
        return run_mixed(daemon, options.mixed)
    address = ""
    if options.passt and shutil.which("passt"):
        address = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.1"
    storm = Storm(
        daemon,
        options.seed,
        workers=options.clients,
        machines=options.machines,
        address=address,
    )
    return run(options, daemon, storm, campaign(storm, options.kills, options.seconds))


def run(
    options: argparse.Namespace,
    daemon: DaemonProcess,
    storm: Storm | KeptStorm,
    work: Coroutine[Any, Any, Report],
) -> int:
    """Weather the storm and tell of it."""
    begun = time.monotonic()
    try:
        report = asyncio.run(work)
        daemon.end()
        kept = daemon.said()
    except BaseException:
        traceback.print_exc()
        print(f"seed {options.seed}; the daemon said, in {daemon.log}:\n{daemon.said()[-4000:]}")
        return 1
    finally:
        daemon.clear()
    tell(storm, report, time.monotonic() - begun)
    if kept:
        print(f"FAILED: the daemon complained, in {daemon.log}:\n{kept[-4000:]}")
        return 1
    shutil.rmtree(daemon.directory)
    return 0


def run_mixed(daemon: DaemonProcess, seconds: float) -> int:
    """Calls of every kind for so long: all must succeed, and memory must not grow."""
    daemon.start()
    try:
        mixed = asyncio.run(mixed_calls(daemon, seconds))
        daemon.end()
        kept = daemon.said()
    finally:
        daemon.clear()
    calls = sum(mixed.done.values())
    print(f"{calls} mixed calls by 50 clients in {mixed.took_s:.0f} s, none failed:")
    print("  " + ", ".join(f"{count} {name}" for name, count in mixed.done.most_common()))
    print("RSS after a tenth of the time and at the end: {} and {} KiB".format(*mixed.rss_kib))
    print("descriptors then and at the end: {} and {}".format(*mixed.descriptors))
    if kept:
        print(f"FAILED: the daemon complained, in {daemon.log}:\n{kept[-4000:]}")
        return 1
    shutil.rmtree(daemon.directory)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition(".")[0])
    add = parser.add_argument
    add("--kills", type=int, default=100)
    add("--seconds", type=float, default=0.5, help="mean time between two kills")
    add("--clients", type=int, default=4, help="clients with machines of their own")
    add("--machines", type=int, default=3, help="machines of each client")
    add("--seed", type=int, default=random.randrange(1 << 32))
    add("--user", type=int, help="run the daemon under this uid (from root)")
    add("--kept", action="store_true", help="snapshots, commits, saves, clones, networks")
    add("--mixed", type=float, metavar="SECONDS", help="no kills: calls of every kind at once")
    add("--no-passt", dest="passt", action="store_false", help="no interfaces served by passt")
    options = parser.parse_args()
    if options.user is not None and os.geteuid() != 0:
        parser.error("--user needs root")
    return options


def tell(storm: Storm | KeptStorm, report: Report, took_s: float) -> None:
    restarts = sorted(report.restarts_s)
    done = dict(storm.done.most_common())
    print(f"{report.kills} kills in {took_s:.0f} s (seed {storm.seed}), {done.pop('all')} actions:")
    print("  " + ", ".join(f"{count} {name}" for name, count in done.items()))
    if isinstance(storm, Storm):
        print(f"  {sum(storm.refused.values())} refusals of what others had changed meanwhile:")
        for text, count in storm.refused.most_common():
            print(f"    {count:5} {text}")
        print(f"guests found again: {report.adopted}")
    else:
        print("kills in the midst of, by what the state had open:")
        print("  " + ", ".join(f"{count} {name}" for name, count in storm.met.most_common()))
    print("definitions and contents lost: none; leaks: none")
    print(
        f"restart to ready: median {statistics.median(restarts) * 1000:.0f} ms, "
        f"most {restarts[-1] * 1000:.0f} ms"
    )
    print(f"descriptors before and after: {report.descriptors}; RSS: {report.rss_kib} KiB")


if __name__ == "__main__":
    sys.exit(main())
