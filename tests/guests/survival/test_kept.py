"""kill -9 of virtoryd amid snapshots, saves and networks: nothing kept is lost, nothing leaks."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from kept_storm import KeptStorm, kept_campaign, namespaces
from mixed import mixed_calls
from tests import lacking

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon_process import DaemonProcess


@pytest.mark.slow
async def test_disks_snapshots_saves_and_networks_outlive_every_kill(
    make: Callable[..., DaemonProcess],
):
    if reason := lacking.for_bridges():
        pytest.skip(reason)
    if shutil.which("nft") is None:
        pytest.skip("nftables is not installed")
    with namespaces() as entered:
        daemon = make(wrapper=entered)
        storm = KeptStorm(daemon, entered, seed=31)
        report = await kept_campaign(storm, kills=8, mean_s=0.4)
        daemon.end()
        assert report.descriptors[1] <= report.descriptors[0] + 2
        assert daemon.said() == ""


@pytest.mark.slow
async def test_three_hundred_calls_at_once_all_succeed_and_memory_does_not_grow(
    daemon: DaemonProcess,
):
    mixed = await mixed_calls(daemon, seconds=8)
    assert min(mixed.done.values()) > 0
    assert mixed.rss_kib[1] < mixed.rss_kib[0] * 1.3
    assert daemon.guests() == {}
    assert daemon.said() == ""
