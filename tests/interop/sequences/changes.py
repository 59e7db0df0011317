"""Sequences of changes of running machines: unplugging, pins, threads, limits."""

import re
import time

from transcript import DISK, DOMAIN, UUID


def unplugging(t):
    """A guest that does not answer, aliases, controllers, channels, other devices."""
    t.listen()
    live, config, both = 1, 2, 3
    devices = "<controller type='scsi' index='0' model='virtio-scsi'/>"
    devices += "<controller type='virtio-serial' index='0'/>"
    xml = DOMAIN.format(name="un", uuid=UUID % 1, devices=devices)
    acpi = "</os><features><acpi/></features>"
    d = t("define", t.c.defineXML, xml.replace("</os>", acpi))
    d.create()

    def disk(target, bus="virtio"):
        return DISK.format(format="qcow2", path=t.image(f"{target}.qcow2"), target=target, bus=bus)

    def targets(label):
        t(label, lambda: [sorted(re.findall("target dev='([^']*)'", d.XMLDesc(f))) for f in (0, 2)])

    def aliases(label):
        t(label, lambda: sorted(re.findall("alias name='([^']*)'", d.XMLDesc(0))))

    usb = disk("sdb", "usb")
    t("attach a usb disk", d.attachDeviceFlags, usb, both)
    t("detach it", d.detachDeviceFlags, usb, both)
    targets("it is gone")
    vdb = disk("vdb")
    t("attach a disk", d.attachDeviceFlags, vdb, both)
    begun = time.monotonic()
    t("detach it from a guest that is deaf", d.detachDeviceFlags, vdb, both)
    t("was waited for", lambda: 4 < time.monotonic() - begun < 25)  # 5 s on an idle host
    targets("it is live still")
    t("detach an unknown alias", d.detachDeviceAlias, "net9", live)
    t("attach by sata", d.attachDeviceFlags, disk("sdc", "sata"), live)
    t("attach by ide", d.attachDeviceFlags, disk("hdb", "ide"), live)
    channel = "<channel type='unix'><target type='virtio' name='org.{}'/></channel>"
    t("attach a channel", d.attachDeviceFlags, channel.format("one"), live)
    t("attach another", d.attachDeviceFlags, channel.format("two"), live)
    shown = re.findall(r"<channel.*?</channel>", d.XMLDesc(0), re.DOTALL)
    one = next((xml for xml in shown if "org.one" in xml), "")
    t("detach one", d.detachDeviceFlags, one, live)
    t("detach it from the config", d.detachDeviceFlags, channel.format("one"), config)
    t("detach it again", d.detachDeviceFlags, one, live)
    t("attach a tablet", d.attachDeviceFlags, "<input type='tablet' bus='usb'/>", live)
    t("detach a ps2 mouse", d.detachDeviceFlags, "<input type='mouse' bus='ps2'/>", live)
    t("attach a sound card", d.attachDeviceFlags, "<sound model='ac97'/>", live)
    t("attach a watchdog", d.attachDeviceFlags, "<watchdog model='i6300esb'/>", both)
    t("attach another", d.attachDeviceFlags, "<watchdog model='i6300esb'/>", live)
    t("detach the balloon", d.detachDeviceFlags, "<memballoon model='virtio'/>", live)
    scsi = "<controller type='scsi' index='{}' model='virtio-scsi'/>"
    t("attach a controller", d.attachDeviceFlags, scsi.format(1), live)
    t("attach it again", d.attachDeviceFlags, scsi.format(1), live)
    t("attach a disk to the first", d.attachDeviceFlags, disk("sda", "scsi"), live)
    t("detach the controller in use", d.detachDeviceFlags, scsi.format(0), live)
    t("detach no controller", d.detachDeviceFlags, scsi.format(7), live)
    net = "<interface type='user'><mac address='52:54:00:00:00:05'/><model type='virtio'/>{}"
    net += "</interface>"
    t("attach a card", d.attachDeviceFlags, net.format(""), both)
    t("its link down", d.updateDeviceFlags, net.format("<link state='down'/>"), both)
    t("both say so", lambda: [d.XMLDesc(f).count("<link state='down'/>") for f in (0, 2)])
    t("its model", d.updateDeviceFlags, net.format("").replace("virtio", "e1000"), live)
    t("another card", d.updateDeviceFlags, net.format("").replace(":05", ":06"), live)
    t("detach it from the config", d.detachDeviceFlags, net.format(""), config)
    t("detach no card", d.detachDeviceFlags, net.format("").replace(":05", ":06"), live)
    t("another source", d.updateDeviceFlags, disk("vdc").replace("vdc'", "vdb'"), live)
    aliases("aliases")
    t("unknown flags", d.attachDeviceFlags, vdb, 4)
    d.destroy()
    t("detach when off", d.detachDevice, vdb)
    t.heard()


def tuning(t):
    """Virtual CPUs, pins, I/O threads, limits, actions."""
    t.listen()
    live, config, both = 1, 2, 3
    vda = DISK.format(format="qcow2", path=t.image("vda.qcow2"), target="vda", bus="virtio")
    d = t.define("tune", devices=vda)

    def xml(label, pattern):
        t(label, lambda: [re.findall(pattern, d.XMLDesc(f)) for f in (0, 2)])

    t("pin when off", d.pinVcpuFlags, 1, (True, False), config)
    t("pin when off, live", d.pinVcpuFlags, 0, (True, False), live)
    t("a thread when off", d.addIOThread, 3, config)
    t("limit when off", d.setBlockIoTune, "vda", {"total_bytes_sec": 1 << 20}, config)
    t("action when off", d.setLifecycleAction, 1, 0, config)
    xml("the definition", "<(?:vcpupin|iothread|total_bytes|on_reboot)[^>]*>[^<]*")
    d.create()
    t("vcpus", lambda: d.vcpusFlags(live))
    t("one more", d.setVcpusFlags, 2, live)
    t("vcpus", lambda: d.vcpusFlags(live))
    t("three", d.setVcpusFlags, 3, live)
    t("none", d.setVcpusFlags, 0, live)
    t("maximum live", d.setVcpusFlags, 4, live | 4)
    t("pin", d.pinVcpuFlags, 1, (False, True), both)
    t("pin an absent one", d.pinVcpuFlags, 5, (True, False), live)
    t("pin nowhere", d.pinVcpuFlags, 0, (False, False), live)
    t("pins", lambda: [list(pin) for pin in d.vcpuPinInfo(live)])
    t("pins of the definition", lambda: [list(pin) for pin in d.vcpuPinInfo(config)])
    t("emulator", d.pinEmulator, (True, False), both)
    t("its pin", lambda: list(d.emulatorPinInfo(live)))
    t("a thread", d.addIOThread, 7, live)
    t("it again", d.addIOThread, 7, live)
    t("no number", d.addIOThread, 0, live)
    t("pin it", d.pinIOThread, 7, (True, False), live)
    t("threads", lambda: d.ioThreadInfo(live))
    t("its polling", d.setIOThreadParams, 7, {"poll_max_ns": 5000}, live)
    t("remove none", d.delIOThread, 9, live)
    t("remove it", d.delIOThread, 7, live)
    t("limit", d.setBlockIoTune, "vda", {"read_iops_sec": 100, "write_iops_sec": 50}, both)
    t("limits", lambda: d.blockIoTune("vda", live))
    t("total and part", d.setBlockIoTune, "vda", {"total_bytes_sec": 1, "read_bytes_sec": 1}, live)
    t("no disk", d.setBlockIoTune, "vdz", {"total_bytes_sec": 1}, live)
    t("no limit", d.setBlockIoTune, "vda", {"read_iops_sec": 0}, live)
    t("limits", lambda: d.blockIoTune("vda", live))
    t("limits of the definition", lambda: d.blockIoTune("vda", config))
    t("action", d.setLifecycleAction, 0, 1, both)
    t("resize", d.blockResize, "vda", 16 << 10)
    t("resize none", d.blockResize, "vdz", 16 << 10)
    t("peek qcow2", d.blockPeek, "vda", 0, 16)
    xml("the end", "<(?:vcpupin|emulatorpin|iothread|[a-z]+_bytes|[a-z]+_iops|on_)[^>]*>[^<]*")
    d.destroy()
    t("resize when off", d.blockResize, "vda", 32 << 10)
    t.heard()
