"""Sequences of block jobs: commit, pull, copy, with the XML while they go on and their events."""

import os
import re
import subprocess
import threading

import libvirt
import libvirt_qemu

DISK = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{}'/><target dev='vda' bus='virtio'/></disk>"""
TRANSIENT = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
JOB_S = 60


class Jobs:
    """What is told of block jobs, and a way to wait for it."""

    def __init__(self, t):
        self.t = t
        self.told = []
        self.changed = threading.Condition()
        for number in (
            libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB,
            libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
        ):
            t.c.domainEventRegisterAny(None, number, self.take, number)

    def take(self, conn, domain, disk, kind, status, number):
        with self.changed:
            self.told.append([number, self.t.plain(disk), kind, status])
            self.changed.notify_all()

    def wait(self, status, label="events"):
        """Until both kinds of event told this status."""
        with self.changed:
            done = self.changed.wait_for(
                lambda: len([one for one in self.told if one[3] == status]) >= 2, JOB_S
            )
            self.t.add(label, sorted(self.told))
            assert done, self.told
            self.told = []


def disk(d, flags=0):
    """The disk's element, without where the drive hangs."""
    found = re.search("<disk .*?</disk>", d.XMLDesc(flags), re.S).group(0)
    return re.sub(r"\s*<(address|alias) [^>]*/>", "", found)


def chain(t, *names):
    """Images on each other, the first at the bottom."""
    paths = []
    for name in names:
        path = t.path(f"{name}.qcow2")
        below = ["-b", paths[-1], "-F", "qcow2"] if paths else []
        size = [] if paths else ["8M"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *below, path, *size], check=True)
        where = f"write -P {len(paths) + 1} {len(paths)}M 1M"
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", where, path], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        os.chmod(path, 0o666)
        paths.append(path)
    return paths


def running(t, path):
    d = t.define("a", devices=DISK.format(path))
    t("start", d.create)
    return d


def backing(t, path):
    """What the image's header names."""
    done = subprocess.run(["qemu-img", "info", "-U", path], check=True, capture_output=True)
    found = re.search(rb"backing file: (\S+)", done.stdout)
    return t.plain(found.group(1).decode() if found else "none")


def block_commit(t):
    """The active image and one below it are merged into what is under them."""
    base, mid, low, top = chain(t, "base", "mid", "low", "top")
    jobs = Jobs(t)
    d = running(t, top)
    t("disk", disk, d)
    t("info of no job", d.blockJobInfo, "vda", 0)
    t("abort no job", d.blockJobAbort, "vda", 0)
    t("speed of no job", d.blockJobSetSpeed, "vda", 1, 0)
    t("active without the flag", d.blockCommit, "vda", None, None, 0, 0)
    t("of no disk", d.blockCommit, "vdz", None, None, 0, 4)
    t("into no image", d.blockCommit, "vda", "/none", None, 0, 4)
    t("of no image", d.blockCommit, "vda", None, "vda[9]", 0, 0)
    t("of the base", d.blockCommit, "vda", None, base, 0, 0)
    t("upwards", d.blockCommit, "vda", top, mid, 0, 0)
    t("not directly below", d.blockCommit, "vda", base, low, 0, 1)
    t("unknown flags", d.blockCommit, "vda", None, None, 0, 512)
    t("commit low into mid", d.blockCommit, "vda", mid, low, 0, 0)
    jobs.wait(0)
    t("disk", disk, d)
    t("header", backing, t, top)
    t("commit by index", d.blockCommit, "vda", "vda[4]", "vda[2]", 0, 0)
    t("commit actively", d.blockCommit, "vda", None, None, 0, 4)
    jobs.wait(3)
    t("disk", disk, d)
    t("commit again", d.blockCommit, "vda", None, None, 0, 4)
    t("pull meanwhile", d.blockPull, "vda", 0, 0)
    t("info", d.blockJobInfo, "vda", 0)
    t("give up", d.blockJobAbort, "vda", 0)
    jobs.wait(2)
    t("disk", disk, d)
    t("commit actively, shallow", d.blockCommit, "vda", None, None, 0, 5)
    jobs.wait(3)
    t("pivot", d.blockJobAbort, "vda", 2)
    jobs.wait(0)
    t("disk", disk, d)
    t("definition", disk, d, libvirt.VIR_DOMAIN_XML_INACTIVE)
    t("stop", d.destroy)
    t("pull when off", d.blockPull, "vda", 0, 0)


def block_pull(t):
    """The images below are pulled into the active one: some, then all."""
    base, _, top = chain(t, "base", "mid", "top")
    jobs = Jobs(t)
    d = running(t, top)
    t("pull from itself", d.blockRebase, "vda", top, 0, 0)
    t("pull from nowhere", d.blockRebase, "vda", "/none", 0, 0)
    t("relative to nothing", d.blockRebase, "vda", None, 0, 16)
    t("pull down to base", d.blockRebase, "vda", base, 0, 0)
    jobs.wait(0)
    t("disk", disk, d)
    t("header", backing, t, top)
    t("pull all", d.blockPull, "vda", 0, 0)
    jobs.wait(0)
    t("disk", disk, d)
    t("definition", disk, d, libvirt.VIR_DOMAIN_XML_INACTIVE)
    t("header", backing, t, top)


def block_copy(t):
    """The disk is copied, and the machine switched over to the copy."""
    _, top = chain(t, "base", "top")
    jobs = Jobs(t)
    d = running(t, top)
    to = "<disk type='file'><driver type='{}'/><source file='{}'/></disk>".format
    first, second = t.path("first.raw"), t.path("second.qcow2")
    t("copy of a lasting machine", d.blockCopy, "vda", to("raw", first), {}, 0)
    t("copy to itself", d.blockCopy, "vda", to("qcow2", top), {}, TRANSIENT)
    t("copy to what is not there", d.blockCopy, "vda", to("raw", first), {}, TRANSIENT | 2)
    t("granularity", d.blockCopy, "vda", to("raw", first), {"granularity": 3}, TRANSIENT)
    t("shallow into raw", d.blockCopy, "vda", to("raw", first), {}, TRANSIENT | 1)
    t("copy", d.blockCopy, "vda", to("raw", first), {}, TRANSIENT)
    jobs.wait(3)
    t("disk", disk, d)
    t("definition", disk, d, libvirt.VIR_DOMAIN_XML_INACTIVE)
    t("pivot", d.blockJobAbort, "vda", 2)
    jobs.wait(0)
    t("disk", disk, d)
    t("definition", disk, d, libvirt.VIR_DOMAIN_XML_INACTIVE)
    t("commit a single image", d.blockCommit, "vda", None, None, 0, 4)
    t("copy back, slowly", d.blockCopy, "vda", to("qcow2", second), {"bandwidth": 1 << 16}, 4)
    t("pivot too early", d.blockJobAbort, "vda", 2)
    t("speed", d.blockJobSetSpeed, "vda", 1 << 20, 0)
    t("detach", d.detachDevice, disk(d))
    jobs.wait(3)
    t("give up", d.blockJobAbort, "vda", 0)
    jobs.wait(2)
    t("disk", disk, d)
    t("is there", os.path.exists, second)


def thresholds(t):
    """Several disks with chains: how their images are numbered, and what is told beyond a bound."""
    _, top = chain(t, "base", "top")
    disks = [
        DISK.format(top),
        "<disk type='file' device='cdrom'><target dev='sda' bus='scsi'/></disk>",
        DISK.replace("qcow2", "raw").replace("vda", "vdb").format(t.image("b.raw", "raw")),
        DISK.replace("vda", "vdc").format(chain(t, "low", "high")[1]),
    ]
    d = t.define("a", devices="".join(disks))
    t("bound of what is off", d.setBlockThreshold, "vda", 1 << 20)
    t("start", d.create)
    found = re.findall(r"<(?:disk|source|backingStore|target) .*?>", d.XMLDesc())
    t("numbers", lambda: [re.sub("DIRECTORY/", "", t.plain(one)) for one in found])
    told, changed = [], threading.Condition()

    def take(conn, domain, device, path, threshold, excess, opaque):
        with changed:
            told.append([device, t.plain(path), threshold, excess])
            changed.notify_all()

    t.c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD, take, None)

    def bounds(flags=0):
        """Those that domstats has."""
        ((_, found),) = t.c.domainListGetStats([d], libvirt.VIR_DOMAIN_STATS_BLOCK, flags)
        return {name: value for name, value in found.items() if "threshold" in name}

    def write(disk, what):
        line = f'qemu-io -d /machine/peripheral/{disk}/virtio-backend "{what}"'
        libvirt_qemu.qemuMonitorCommand(d, line, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)

    for name in ("vda", "vda[2]", "vda[1]", "vdb", "vdc[0]", "vdc[5]", "sda", "vdz", "vda[9]", top):
        t(f"bound of {t.plain(name)}", d.setBlockThreshold, name, 3 << 20)
    t("another", d.setBlockThreshold, "vdc", 5 << 20)
    t("none", d.setBlockThreshold, "vdc", 0)
    t("with a flag", d.setBlockThreshold, "vda", 1, 1)
    t("domstats", bounds)
    t("domstats --backing", bounds, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING)
    write("virtio-disk1", "write 4M 1M")
    with changed:
        assert changed.wait_for(lambda: len(told) == 2, JOB_S), told
    t("told", sorted, told)
    t("domstats afterwards", bounds)
