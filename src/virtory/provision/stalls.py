"""What a console shows when a boot goes wrong, and what cures it: a table of known last words.

The rule kept here: a pattern names a cause that its text proves; without one nothing is guessed.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Stall(NamedTuple):
    """`at_once`: the line alone proves trouble; otherwise only when nothing follows for long."""

    pattern: re.Pattern[str]
    cause: str
    cure: str
    at_once: bool


def _stall(pattern: str, cause: str, cure: str, *, at_once: bool = True) -> Stall:
    return Stall(re.compile(pattern), cause, cure, at_once)


STALLS = (
    _stall(
        r"VFS: Unable to mount root fs|Cannot open root device",
        "the kernel found no root file system",
        "check root= in the kernel command line, and that the disk is the first virtio disk",
    ),
    _stall(
        r"Kernel panic - not syncing: .*(No working init found|Attempted to kill init)",
        "the first program of the guest is missing or ended",
        "the image is broken: make it again, or start it with another init=",
    ),
    _stall(
        r"Kernel panic - not syncing: System is deadlocked on memory|Out of memory and no killable",
        "the guest has too little memory to boot",
        "give it more: virtory rm it and create it again with --memory 1G",
    ),
    _stall(
        r"Kernel panic - not syncing",
        "the guest's kernel panicked",
        "read the lines above the panic; 'virtory console' shows them all",
    ),
    _stall(
        r"No bootable device|Boot failed: not a bootable disk|No more boot devices",
        "the firmware found no boot loader on any disk",
        "the image may want UEFI rather than BIOS (or the reverse), or is not bootable",
    ),
    _stall(
        r"UEFI Interactive Shell|^Shell> ?$",
        "the UEFI firmware found nothing to boot and opened its shell",
        "the image has no EFI boot loader: use --boot direct, or an image made for UEFI",
    ),
    _stall(
        r"BdsDxe: (No bootable option or device was found|failed to (load|start) Boot)",
        "the UEFI firmware could not start the disk's boot loader",
        "the image may be made for BIOS, or its boot loader is not signed for secure boot",
    ),
    _stall(
        r"grub rescue>|error: unknown filesystem|error: no such (device|partition)",
        "GRUB can not find its own files",
        "the disk's partitions do not fit its boot loader: make the image again",
    ),
    _stall(
        r"^grub> ?$",
        "GRUB has no configuration and waits for commands",
        "type 'boot' commands by 'virtory console', or make the image again",
        at_once=False,
    ),
    _stall(
        r"ALERT!\s+.* does not exist\.\s+Dropping to a shell|\(initramfs\) ?$"
        r"|Gave up waiting for root",
        "the initramfs did not find the root file system and dropped to a shell",
        "check root= in the kernel command line; 'blkid' by 'virtory console' shows the disks",
    ),
    _stall(
        r"You are in (emergency|rescue) mode|Give root password for maintenance",
        "the guest dropped to emergency mode",
        "log in by 'virtory console' and read 'journalctl -xb'; often a line in /etc/fstab",
    ),
    _stall(
        r"A start job is running for (?!.*cloud)(?P<what>[^()]+)",
        "systemd waits for a service of the guest",
        "the line names it; it has a time limit of its own, shown there",
        at_once=False,
    ),
    _stall(
        r"No DHCPOFFERS received|udhcpc: no lease, failing|No working leases in persistent database"
        r"|dhcp failed",
        "no DHCP server answered the guest",
        "check the machine's network: 'virtory domiflist' and 'virtory dumpxml'",
    ),
    _stall(
        r"Timed out waiting for device|dev-.*\.device: Job .* timed out",
        "the guest waits for a device that is not there",
        "compare the guest's /etc/fstab with the machine's disks",
    ),
    _stall(
        r"cloud-init.*(failed|Failed) (loading yaml|to load)|Invalid cloud-config provided",
        "cloud-init could not read its configuration",
        "check your user data: cloud-init schema --config-file FILE",
    ),
    _stall(
        r"Booting from ROM|iPXE.*(Nothing to boot|No more network)",
        "the firmware tries to boot from the network",
        "the disk is not bootable, or is not first in the boot order",
        at_once=False,
    ),
)


def find(lines: tuple[str, ...]) -> Stall | None:
    """The first entry that the newest matching line proves, newest line first."""
    for line in reversed(lines):
        for stall in STALLS:
            if stall.pattern.search(line):
                return stall
    return None
