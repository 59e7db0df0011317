"""kill -9 of virtoryd amid snapshots, saves and networks: nothing kept is lost, nothing leaks."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from kept_storm import KeptStorm, kept_campaign, namespaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon_process import DaemonProcess


@pytest.mark.slow
async def test_disks_snapshots_saves_and_networks_outlive_every_kill(
    make: Callable[..., DaemonProcess],
):
    if os.geteuid() != 0 or shutil.which("nft") is None:
        pytest.skip("needs root and nftables")
    with namespaces() as entered:
        daemon = make(wrapper=entered)
        storm = KeptStorm(daemon, entered, seed=31, snapshots=False)
        report = await kept_campaign(storm, kills=5, mean_s=0.4)
        daemon.end()
        assert report.descriptors[1] <= report.descriptors[0] + 2
        assert daemon.said() == ""
