"""Choosing what one start takes: `prepare` turns a definition into a live description and its plan.

The rule kept here: choosing only. Everything that depends on the host comes in as a `Host` value,
so the same domain on the same host is always planned the same way. What one device takes is said
in `<kind>.py` beside this, for a start and for hotplug alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.driver.qemu.affinity import refuse_without_processors
from virtory.driver.qemu.aliases import with_aliases
from virtory.driver.qemu.host.accelerator import choose
from virtory.driver.qemu.host.firmware import with_firmware
from virtory.driver.qemu.host.host_memory import refuse_without_huge_pages
from virtory.driver.qemu.live import with_plan
from virtory.driver.qemu.plan import Plan
from virtory.driver.qemu.planning.characters import characters, plan_character
from virtory.driver.qemu.planning.clock import adjustment, clock_base
from virtory.driver.qemu.planning.disks import plan_disk, plan_disks
from virtory.driver.qemu.planning.displays import plan_displays, with_listen_addresses
from virtory.driver.qemu.planning.draft import Draft
from virtory.driver.qemu.planning.filesystems import plan_filesystem
from virtory.driver.qemu.planning.firmware import plan_firmware, plan_kernel, variables_path
from virtory.driver.qemu.planning.hostdevs import plan_hostdev
from virtory.driver.qemu.planning.inputs import plan_input
from virtory.driver.qemu.planning.interfaces import plan_interface
from virtory.driver.qemu.planning.memory import plan_memory
from virtory.driver.qemu.planning.ports import refuse_without_ports
from virtory.driver.qemu.planning.smbios import host_smbios
from virtory.driver.qemu.planning.tpm import plan_tpm
from virtory.driver.qemu.planning.vsock import plan_vsock

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain


def prepare(definition: Domain, host: Host, domain_id: int) -> tuple[Domain, Plan]:
    """The live description of one start and its plan; `definition` has defaults and addresses.

    Raises ConfigUnsupported or SystemCallFailed when something the start needs is not to be had.
    """
    live = replace(definition, id=domain_id)
    live = with_firmware(live, host.firmware, variables_path(definition, host))
    live = with_aliases(with_listen_addresses(live, host))
    chosen = plan(live, host, domain_id)
    return with_plan(live, chosen), chosen


def refuse_without_images(definition: Domain, host: Host) -> None:
    """Raises what a start of `definition` would raise for its disks. Blocking."""
    draft = Draft(with_aliases(definition), host, 0)
    for disk in draft.domain.devices.disks:
        plan_disk(disk, draft)


def plan(domain: Domain, host: Host, domain_id: int) -> Plan:
    """What starting the live description `domain` takes.

    Raises ConfigUnsupported or SystemCallFailed when something is not to be had.
    """
    draft, devices = Draft(domain, host, domain_id), domain.devices
    accelerator = choose(domain.type, host.verdict)
    refuse_without_huge_pages(domain, host.free_huge_pages)
    refuse_without_ports(domain, host.bind_error)
    groups: tuple[int, ...] = ()
    if draft.uid is not None and accelerator == "kvm" and host.kvm_gid is not None:
        groups = (host.kvm_gid,)
    draft.listen("monitor", "monitor.sock")
    plan_firmware(draft)
    kernel_paths = plan_kernel(draft)
    plan_memory(draft)
    refuse_without_processors(domain, host.processors)
    last_image = plan_disks(devices.disks, draft)
    for device in characters(devices):
        plan_character(device, draft)
    for interface in devices.interfaces:
        plan_interface(interface, draft)
    for share in devices.filesystems:
        plan_filesystem(share, draft)
    for hostdev in devices.hostdevs:
        plan_hostdev(hostdev, draft)
    for one in devices.inputs:
        plan_input(one, draft)
    for tpm in devices.tpms:
        plan_tpm(tpm, draft)
    cids = () if devices.vsock is None else (plan_vsock(devices.vsock, draft),)
    ports = plan_displays(draft)
    return Plan(
        domain_id=domain_id,
        emulator=devices.emulator or "",
        accelerator=accelerator,
        directory=draft.directory,
        uid=draft.uid,
        gid=draft.gid,
        groups=groups,
        kernel_paths=kernel_paths,
        vnc_ports=ports,
        cids=cids,
        last_image=last_image,
        smbios=host_smbios(domain, host),
        clock_base=clock_base(domain, host),
        clock_adjustment=adjustment(domain),
        **draft.rows(),
    )
