"""Every verb, one file per kind and topic, imported when its verb is asked for.

The rule kept here: `INDEX` names each verb's module; a test holds it against the declarations.
"""

from __future__ import annotations

from virtory.cli.verb import VERBS
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.verb import Verb

GROUPS = {
    "machine": "A machine from nothing to a shell",
    "domain": "Domains: life and definition",
    "save": "Domains: memory put aside",
    "snapshot": "Domains: snapshots",
    "block": "Domains: jobs on disks",
    "monitor": "Domains: what they are doing",
    "tune": "Domains: changing what they have",
    "guest": "Domains: screen, console, agent",
    "network": "Virtual networks",
    "pool": "Storage pools and volumes",
    "host": "The host",
    "virtory": "This program",
}
"""Group → heading, in the order of the overview."""

_MODULES = {
    "domain_list": "list",
    "domain_life": "start shutdown reboot reset suspend resume destroy inject-nmi"
    " dompmsuspend dompmwakeup autostart",
    "domain_definition": "define undefine domrename dumpxml edit desc metadata domxml-to-native",
    "domain_state": "dominfo domstate domid domuuid domname domcontrol domjobinfo dommessages",
    "domain_devices": "domblklist domblkinfo domblkstat domblkerror domiflist domifstat domifaddr"
    " domif-getlink vncdisplay domdisplay ttyconsole",
    "domain_stats": "domstats dommemstat vcpuinfo vcpucount cpu-stats",
    "domain_tune": "setmem setmaxmem setvcpus",
    "domain_plug": "attach-device detach-device detach-device-alias update-device attach-disk"
    " detach-disk change-media attach-interface detach-interface domif-setlink",
    "domain_processor": "vcpupin emulatorpin setvcpu guestvcpus iothreadinfo iothreadadd"
    " iothreaddel iothreadpin iothreadset",
    "domain_limit": "blockresize blkdeviotune set-lifecycle-action domiftune",
    "domain_guest": "domhostname domtime guestinfo domfsfreeze domfsthaw domfstrim"
    " set-user-password qemu-agent-command",
    "domain_inside": "domfsinfo get-user-sshkeys set-user-sshkeys guest-agent-timeout",
    "domain_resources": "schedinfo memtune blkiotune numatune perf domlaunchsecinfo"
    " domdirtyrate-calc",
    "domain_screen": "console screenshot send-key",
    "domain_save": "save restore save-image-dumpxml save-image-define save-image-edit managedsave"
    " managedsave-remove managedsave-dumpxml managedsave-define managedsave-edit dump domjobabort",
    "snapshot": "snapshot-create snapshot-create-as snapshot-revert snapshot-delete snapshot-edit"
    " snapshot revert",
    "snapshot_list": "snapshots snapshot-list snapshot-info snapshot-dumpxml snapshot-current"
    " snapshot-parent",
    "domain_event": "event qemu-monitor-event",
    "qemu": "qemu-monitor-command",
    "connect": "uri version hostname capabilities domcapabilities sysinfo maxvcpus cpu-models"
    " cpu-baseline cpu-compare",
    "hypervisor_cpu": "hypervisor-cpu-baseline hypervisor-cpu-compare",
    "node": "nodeinfo nodecpumap nodecpustats nodememstats freecell",
    "node_pages": "freepages allocpages node-memory-tune",
    "node_device": "nodedev-list nodedev-dumpxml nodedev-info",
    "interface": "iface-list iface-dumpxml iface-mac iface-name",
    "secret": "secret-list secret-define secret-dumpxml secret-set-value secret-get-value"
    " secret-undefine",
    "nwfilter": "nwfilter-list nwfilter-binding-list",
    "network_list": "net-list net-info net-name net-uuid net-dhcp-leases",
    "network_life": "net-start net-destroy net-autostart net-event",
    "network_definition": "net-define net-create net-undefine net-dumpxml net-edit net-update"
    " net-desc net-metadata",
    "network_port": "net-port-list net-port-dumpxml net-port-create net-port-delete",
    "inspect": "inspect publish",
    "top": "top host",
    "pool_list": "pool-list pool-info pool-name pool-uuid pool-dumpxml pool-capabilities"
    " find-storage-pool-sources find-storage-pool-sources-as",
    "pool_life": "pool-build pool-start pool-destroy pool-delete pool-refresh pool-autostart"
    " pool-event",
    "pool_definition": "pool-define pool-define-as pool-create pool-create-as pool-undefine"
    " pool-edit",
    "volume_list": "vol-list vol-info vol-dumpxml vol-path vol-key vol-name vol-pool",
    "volume_making": "vol-create vol-create-as vol-create-from vol-clone vol-delete vol-wipe"
    " vol-resize",
    "volume_contents": "vol-upload vol-download",
    "create": "create",
    "clone": "clone",
    "domain_block": "blockcommit blockpull blockcopy blockjob domblkthreshold",
    "machine": "ssh rm wait demo",
    "image": "image",
    "doctor": "doctor",
    "proxy": "proxy",
    "completion": "completion",
}

INDEX = {name: module for module, names in _MODULES.items() for name in names.split()}
"""Verb → the module of this package that declares it."""


def load(name: str) -> Verb | None:
    """The verb, its module imported; None when there is no such verb."""
    if name not in VERBS:
        module = INDEX.get(name)
        if module is None:
            return None
        __import__(f"virtory.cli.verbs.{module}")
    return VERBS.get(name)
