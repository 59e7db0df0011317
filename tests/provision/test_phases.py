"""The phases of a boot, fed with what consoles really said."""

from __future__ import annotations

import time

import pytest

from virtory.provision.phases import Phase, Progress, State, Tracker
from virtory.provision.ready import since
from virtory.provision.stalls import find

TINY = b"""\
tiny: kernel is up\r
udhcpc: started, v1.35.0\r
udhcpc: broadcasting discover\r
udhcpc: lease of 10.0.2.15 obtained from 10.0.2.2, lease time 86400\r
tiny: address 10.0.2.15\r
tiny: ssh is up\r
tiny: cloud-init (minimal) finished\r
"""
UEFI = (
    b'BdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x0)\r\n'
    b'BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x0)\r\n'
    b"Welcome to GRUB!\r\n\r\nEFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID\r\n"
    b"[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org)\r\n"
)
DEBIAN = (
    b"SeaBIOS (version 1.16.2-debian-1.16.2-1)\r\nBooting from Hard Disk..\r\n"
    b"[    0.000000] Linux version 6.1.0-50-cloud-amd64 (debian-kernel@lists.debian.org)\r\n"
    b"[    1.100000] Run /init as init process\r\n"
    b"Welcome to \x1b[1mDebian GNU/Linux 12 (bookworm)\x1b[0m!\r\n"
    b"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh.service\x1b[0m - OpenBSD Secure Shell.\r\n"
    b"[   18.6] cloud-init[220]: ci-info: | enp0s3 | True |         10.0.2.15          | 255.255"
    b".255.0 | global | 52:54:00:12:34:56 |\r\n"
    b"[   38.3] cloud-init[280]: Cloud-init v. 22.4.2 finished at Sun, 22 Nov 2026 23:49:08 +0000. "
    b"Datasource DataSourceNoCloud [seed=dmi,/dev/vdb][dsmode=local].  Up 38.39 seconds\r\n"
    b"\r\nDebian GNU/Linux 12 web ttyS0\r\n\r\nweb login: "
)


def ended(reports: list[Progress]) -> list[tuple[Phase, State]]:
    return [(r.phase, r.state) for r in reports if r.state is not State.RUNNING]


def done(*phases: Phase) -> list[tuple[Phase, State]]:
    return [(phase, State.DONE) for phase in phases]


@pytest.mark.parametrize("console", [TINY, DEBIAN], ids=["tiny", "debian"])
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_console_however_cut_leads_to_ssh_and_then_to_ready(console: bytes, piece: int) -> None:
    tracker = Tracker()
    reports = tracker.begin(0.0)
    for at in range(0, len(console), piece):
        reports += tracker.feed(1.0, console[at : at + piece])
    assert ended(reports) == done(Phase.PROCESS, Phase.FIRMWARE, Phase.KERNEL, Phase.ADDRESS)
    assert tracker.phase is Phase.SSH and not tracker.finished
    reports = tracker.over(2.0, Phase.SSH, "SSH-2.0-x")
    assert ended(reports) == done(Phase.SSH, Phase.CLOUD_INIT)
    assert tracker.finished and not tracker.failed


def test_a_boot_loader_is_firmware_and_the_kernel_it_loads_no_reboot() -> None:
    tracker = Tracker()
    reports = tracker.feed(1.0, UEFI)
    assert ended(reports) == done(Phase.PROCESS, Phase.FIRMWARE)
    assert tracker.phase is Phase.KERNEL
    reports = tracker.feed(2.0, DEBIAN[DEBIAN.index(b"Welcome") :])
    assert ended(reports) == done(Phase.KERNEL, Phase.ADDRESS)


def test_evidence_and_times_are_those_of_the_signals() -> None:
    tracker = Tracker()
    tracker.begin(0.0)
    reports = tracker.feed(1.5, b"tiny: kernel is up\n")
    reports += tracker.feed(2.0, b"tiny: address 10.0.2.15\n")
    address = next(r for r in reports if r.phase is Phase.ADDRESS and r.state is State.DONE)
    assert (address.evidence, address.elapsed_s, address.took_s) == (
        "DHCP gave 10.0.2.15",
        2.0,
        0.5,
    )


def test_the_release_is_told_without_its_colours() -> None:
    tracker = Tracker()
    reports = tracker.feed(1.0, b"Welcome to \x1b[1mDebian GNU/Linux 12 (bookworm)\x1b[0m!\r\n")
    kernel = next(r for r in reports if r.phase is Phase.KERNEL and r.state is State.DONE)
    assert kernel.evidence == "Debian GNU/Linux 12 (bookworm) starts"


def test_a_port_that_answers_proves_all_before_it_even_with_a_mute_console() -> None:
    tracker = Tracker(until=Phase.SSH)
    assert ended(tracker.over(3.0, Phase.SSH, "SSH-2.0-x")) == done(*list(Phase)[:5])
    assert tracker.finished


def test_nothing_is_reported_after_the_end() -> None:
    tracker = Tracker(until=Phase.KERNEL)
    tracker.feed(1.0, b"Welcome to X!\n")
    assert tracker.finished
    assert tracker.feed(2.0, TINY) == tracker.tick(1e9) == tracker.stopped(3.0, "off") == []


def test_an_image_without_a_seed_reader_skips_that_phase() -> None:
    tracker = Tracker(without={Phase.CLOUD_INIT: "it has none"})
    reports = tracker.over(1.0, Phase.SSH, "SSH-2.0-x")
    assert ended(reports)[-1] == (Phase.CLOUD_INIT, State.SKIPPED)
    assert reports[-1].evidence == "it has none"
    assert tracker.finished


def test_a_kernel_that_qemu_loads_needs_no_firmware_even_after_a_reboot() -> None:
    tracker = Tracker(without={Phase.FIRMWARE: "QEMU loads it"})
    reports = tracker.feed(1.0, TINY)
    assert (Phase.FIRMWARE, State.SKIPPED) in ended(reports)
    reports = tracker.rebooted(2.0)
    assert tracker.phase is Phase.KERNEL and reports[0].evidence == "the guest reboots"


def test_silence_is_a_stall_that_names_the_phase_and_is_repeated_ever_less_often() -> None:
    tracker = Tracker(stall_s=10)
    tracker.feed(0.0, b"tiny: kernel is up\n")
    assert tracker.tick(9.9) == []
    (stall,) = tracker.tick(10.0)
    assert (stall.phase, stall.state) == (Phase.ADDRESS, State.STALLED)
    assert "no sign of life for 10 s" in stall.evidence
    assert stall.console == ("tiny: kernel is up",) and "DHCP" in (stall.cure or "")
    assert tracker.tick(19.9) == []
    assert len(tracker.tick(20.0)) == 1 and tracker.next_tick() == 40.0


def test_any_sign_of_life_takes_a_stall_back() -> None:
    tracker = Tracker(stall_s=10)
    tracker.begin(0.0)
    assert len(tracker.tick(10.0)) == 1
    tracker.feed(11.0, b".")
    assert tracker.tick(20.9) == [] and len(tracker.tick(21.0)) == 1


def test_a_stall_shows_the_last_twenty_lines_with_text() -> None:
    tracker = Tracker(stall_s=10)
    tracker.feed(0.0, b"".join(b"line %d\r\n\r\n" % number for number in range(60)) + b"prompt> ")
    (stall,) = tracker.tick(10.0)
    assert stall.console == (*(f"line {number}" for number in range(41, 60)), "prompt>")


def test_a_kernel_panic_is_said_at_once_and_once_and_is_not_the_end() -> None:
    tracker = Tracker()
    line = (
        b"[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
    )
    (stall,) = [r for r in tracker.feed(1.0, line) if r.state is State.STALLED]
    assert stall.evidence == "the kernel found no root file system"
    assert not [r for r in tracker.feed(1.1, line) if r.state is State.STALLED]
    assert not tracker.finished


def test_a_machine_that_goes_off_has_failed_and_the_console_says_why() -> None:
    tracker = Tracker()
    tracker.feed(1.0, b"Boot failed: not a bootable disk\n\nNo bootable device.\n")
    (report,) = tracker.stopped(2.0, "the machine went off")
    assert report.state is State.FAILED and tracker.failed and tracker.finished
    assert report.evidence == "the machine went off: the firmware found no boot loader on any disk"
    assert "UEFI" in (report.cure or "")


def test_a_reboot_begins_the_phases_anew() -> None:
    tracker = Tracker()
    tracker.feed(1.0, TINY)
    assert tracker.phase is Phase.SSH
    reports = tracker.feed(5.0, b"[   20.1] reboot: Restarting system\r\n")
    assert [r.evidence for r in reports] == ["the guest reboots"]
    assert tracker.phase is Phase.FIRMWARE
    tracker.feed(7.0, TINY)
    assert ended(tracker.over(8.0, Phase.SSH, "SSH-2.0-x"))[-1] == (Phase.CLOUD_INIT, State.DONE)


def test_a_reboot_forgets_a_cloud_init_that_had_finished_before() -> None:
    tracker = Tracker()
    tracker.feed(1.0, TINY)
    tracker.rebooted(2.0)
    tracker.over(3.0, Phase.SSH, "SSH-2.0-x")
    assert tracker.phase is Phase.CLOUD_INIT and not tracker.finished


def test_a_line_without_end_does_not_grow() -> None:
    tracker = Tracker()
    for _ in range(100):
        tracker.feed(1.0, b"x" * 10000)
    assert sum(map(len, tracker.console)) <= 4096


def test_bytes_that_are_no_text_are_survived() -> None:
    tracker = Tracker(stall_s=10)
    tracker.feed(0.0, bytes(range(256)) * 4)
    assert tracker.tick(10.0)[0].state is State.STALLED


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('[    1.0] VFS: Cannot open root device "vda1" or unknown-block(0,0)', "no root file"),
        ("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0", "first program"),
        ("Kernel panic - not syncing: System is deadlocked on memory", "too little memory"),
        ("Kernel panic - not syncing: Fatal exception", "kernel panicked"),
        ("No bootable device.", "no boot loader"),
        ("UEFI Interactive Shell v2.2", "opened its shell"),
        ("Shell> ", "opened its shell"),
        ("BdsDxe: No bootable option or device was found.", "UEFI firmware could not start"),
        ("grub rescue> ", "GRUB can not find"),
        ("grub> ", "waits for commands"),
        ("ALERT!  UUID=1 does not exist.  Dropping to a shell!", "initramfs did not find"),
        ("ALERT! /dev/vda does not exist. Dropping to a shell!", "initramfs did not find"),
        ("(initramfs) ", "initramfs did not find"),
        ("You are in emergency mode. After logging in, type", "emergency mode"),
        ("udhcpc: no lease, failing", "no DHCP server"),
        ("[ TIME ] Timed out waiting for device dev-sdb1.device", "device that is not there"),
    ],
)
def test_known_last_words_have_a_cause(line: str, cause: str) -> None:
    found = find(("something before", line))
    assert found is not None and cause in found.cause


@pytest.mark.parametrize("line", TINY.decode().splitlines() + DEBIAN.decode().splitlines())
def test_a_healthy_boot_matches_no_stall(line: str) -> None:
    found = find((line,))
    assert found is None or not found.at_once


def test_new_history_is_what_was_not_seen() -> None:
    assert since(b"", b"abc") == b"abc"
    assert since(b"abc", b"abcdef") == b"def"
    assert since(b"abc", b"abc") == b""
    old, new = b"x" * 50 + b"END-OF-OLD", b"x" * 10 + b"END-OF-OLD" + b"NEW"
    assert since(old[-20:], new) == b"NEW"
    assert since(b"gone", b"other") == b"other"


def test_what_a_guest_prints_neither_commands_the_terminal_nor_takes_long_to_read() -> None:
    tracker = Tracker(name="m")
    tracker.feed(1.0, b"\x1b[31mred\x1b]0;title\x07\xc2\x9b2J\x9b\x85 and\ttab\n")
    assert tracker.console == ("red2J\ufffd\ufffd and\ttab",)
    begun = time.process_time()
    tracker.feed(2.0, (b"Cloud-init v. finished at .Up" * 20_000 + b"\n") * 4)
    assert time.process_time() - begun < 2
