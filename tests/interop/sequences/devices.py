"""Sequences of devices that come and go."""

import os
import re

import libvirt
from transcript import DISK, DOMAIN, UUID


def hotplug(t):
    """Devices that come and go, of the running domain and of the definition."""
    t.listen()
    live, config = 1, 2
    scsi = "<controller type='scsi' index='0' model='virtio-scsi'/>"
    xml = DOMAIN.format(name="plug", uuid=UUID % 1, devices=scsi)
    acpi = "</os><features><acpi/></features>"
    d = t("define", t.c.defineXML, xml.replace("</os>", acpi))

    def disk(target, bus="virtio"):
        return DISK.format(format="qcow2", path=t.image(f"{target}.qcow2"), target=target, bus=bus)

    def targets(label):
        t(label, lambda: [sorted(re.findall("target dev='([^']*)'", d.XMLDesc(f))) for f in (0, 2)])

    vda, vdb = disk("vda"), disk("vdb")
    t("attach to the config", d.attachDeviceFlags, vda, config)
    t("attach it again", d.attachDeviceFlags, vda, config)
    t("attach to an inactive one", d.attachDeviceFlags, vdb, live)
    targets("inactive")
    d.create()
    t("attach live", d.attachDeviceFlags, vdb, live)
    t("attach it live again", d.attachDeviceFlags, vdb, live)
    targets("vdb live only")
    t("attach to both", d.attachDeviceFlags, disk("sda", "scsi"), live | config)
    targets("sda in both")
    t("block info", lambda: d.blockInfo("vdb")[0])
    t("detach of what is not there", d.detachDeviceFlags, disk("vdq"), live)
    t("detach from the config", d.detachDeviceFlags, vda, config)
    targets("vda live only")
    net = (
        "<interface type='user'><mac address='52:54:00:00:00:05'/>"
        "<model type='virtio'/></interface>"
    )
    t("attach an interface", d.attachDeviceFlags, net, live | config)
    t("attach its mac again", d.attachDeviceFlags, net, config)
    t("detach it from the config", d.detachDeviceFlags, net, config)
    t("attach a missing file", d.attachDeviceFlags, vdb.replace("vdb", "vdm"), live)
    t("attach no xml", d.attachDeviceFlags, "nix", live)
    t("attach an unknown device", d.attachDeviceFlags, "<nix/>", live)
    t("resize", d.blockResize, "vdb", 16 << 20, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    t("block info", lambda: d.blockInfo("vdb")[0])
    rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    t("attach an rng", d.attachDeviceFlags, rng, live)
    d.destroy()
    targets("after all")
    t.heard()


def media(t):
    """A CD's medium, changed and taken out."""
    t.listen()
    for name in ("one.iso", "two.iso"):
        with open(t.path(name), "wb") as file:
            file.truncate(1 << 20)
        os.chmod(t.path(name), 0o644)
    cd = (
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>{source}"
        "<target dev='hdc' bus='ide'/><readonly/></disk>"
    )
    one, two = (cd.format(source=f"<source file='{t.path(n)}'/>") for n in ("one.iso", "two.iso"))
    d = t.define("media", devices=one)

    def source(label):
        t(label, lambda: [re.findall("<source file='([^']*)'", d.XMLDesc(f)) for f in (0, 2)])

    d.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)  # no firmware moves the tray
    source("one")
    t("change live", d.updateDeviceFlags, two, 1)
    source("two live")
    t("change both", d.updateDeviceFlags, two, 3)
    source("two")
    t("eject", d.updateDeviceFlags, cd.format(source=""), 3)
    source("none")
    t("insert", d.updateDeviceFlags, one, 3)
    source("one")
    t("change of a missing drive", d.updateDeviceFlags, one.replace("hdc", "hdd"), 3)
    t("detach it live", d.detachDeviceFlags, one, 1)
    t("detach it from the config", d.detachDeviceFlags, one, 2)
    source("detached")
    d.destroy()
    t.heard()
