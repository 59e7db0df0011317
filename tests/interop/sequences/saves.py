"""Sequences about what is kept of a domain's state: its images, snapshots and their removal."""

# ruff: noqa: B023 - each function is called at once, by the transcript

import re

import libvirt
from transcript import DISK, states


def removal(t):
    """undefine with every flag, of domains that have what it is about."""
    t.listen()
    for flags in range(8):
        d = t.define("gone", label="define")
        t(f"undefine with {flags}", d.undefineFlags, flags)
        t("is gone", t.c.lookupByName, "gone")
    image = t.image("removal.qcow2")
    disk = DISK.format(format="qcow2", path=image, target="hda", bus="ide")
    d = t.define("gone", devices=disk)
    t("snapshot", d.snapshotCreateXML, "<domainsnapshot><name>s</name></domainsnapshot>", 0)
    t("undefine with a snapshot", d.undefine)
    t("undefine with managed save only", d.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    t("undefine", d.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    d = t.define("gone", devices=disk)
    t("create", d.create)
    t("managed save", d.managedSave, 0)
    states(t, d)
    t("has a managed save", d.hasManagedSaveImage, 0)
    t("undefine with a managed save", d.undefine)
    t("rename with a managed save", d.rename, "x", 0)
    t("undefine with it", d.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    t.heard()


def saving(t):
    """save, restore, managed save, the description in an image."""
    t.listen()
    c = t.c
    disk = DISK.format(format="qcow2", path=t.image("save.qcow2"), target="hda", bus="ide")
    d = t.define("saved", devices=disk)
    file = t.path("saved.image")
    t("save an inactive one", d.save, file)
    t("restore nothing", c.restore, t.path("nix"))
    t("image of nothing", c.saveImageGetXMLDesc, t.path("nix"), 0)
    d.create()
    t("save to a directory that is not there", d.save, t.path("nix/file"))
    states(t, d, "after a failed save")
    t("save", d.save, file)
    states(t, d)
    t("name in the image", lambda: re.findall("<name>.*", c.saveImageGetXMLDesc(file, 0)))
    t("restore", c.restore, file)
    states(t, d)
    t("restore while it runs", c.restore, file)
    t("suspend", d.suspend)
    t("save paused", d.save, file)
    t("restore a paused one", c.restore, file)
    states(t, d)
    t("save", d.saveFlags, file, None, libvirt.VIR_DOMAIN_SAVE_RUNNING)
    t("restore paused", c.restoreFlags, file, None, libvirt.VIR_DOMAIN_SAVE_PAUSED)
    states(t, d)
    t("both flags", d.saveFlags, file, None, 2 | 4)
    t("managed save", d.managedSave, 0)
    t("again", d.managedSave, 0)
    t("has one", d.hasManagedSaveImage, 0)
    t("list with", lambda: [x.name() for x in c.listAllDomains(256)])
    t("list all", lambda: [x.name() for x in c.listAllDomains(512)])
    t("start from it", d.create)
    states(t, d)
    t("has one", d.hasManagedSaveImage, 0)
    t("managed save", d.managedSave, libvirt.VIR_DOMAIN_SAVE_RUNNING)
    t("remove it", d.managedSaveRemove, 0)
    states(t, d)
    t("managed save of an inactive one", d.managedSave, 0)
    t("undefine", d.undefine)
    t.heard()


SNAPSHOT = (
    "<domainsnapshot><name>{name}</name><description>of {name}</description></domainsnapshot>"
)


def tree(t, d, label):
    t(
        label,
        lambda: [
            sorted(d.snapshotListNames(0)),
            sorted(d.snapshotListNames(1)),
            d.hasCurrentSnapshot(0) and d.snapshotCurrent().getName(),
            d.snapshotNum(0),
        ],
    )


def described(snapshot):
    """A snapshot's description without the domain's in it and what libvirt keeps for itself."""
    text = re.sub("(?s)  <cookie>.*</cookie>\n", "", snapshot.getXMLDesc())
    text = re.sub("(?s)<(domain|inactiveDomain) .*</\\1>", "<domain/>", text)
    return re.sub("(?s)<(domain|inactiveDomain)>.*</\\1>", "<domain/>", text)


def snapshots(t):
    """Internal snapshots of an inactive and a running domain, as a tree."""
    t.listen()
    disk = DISK.format(format="qcow2", path=t.image("snap.qcow2"), target="hda", bus="ide")
    d = t.define("snaps", devices=disk)
    tree(t, d, "none")
    one = t("create one", d.snapshotCreateXML, SNAPSHOT.format(name="one"), 0)
    t("create one again", d.snapshotCreateXML, SNAPSHOT.format(name="one"), 0)
    two = t("create two", d.snapshotCreateXML, SNAPSHOT.format(name="two"), 0)
    tree(t, d, "two")
    t("xml", described, two)
    t("parent", lambda: two.getParent().getName())
    t("parent of the root", one.getParent)
    t("children", lambda: [x.getName() for x in one.listAllChildren(0)])
    t("revert", d.revertToSnapshot, one)
    tree(t, d, "reverted")
    states(t, d)
    three = t("create three", d.snapshotCreateXML, SNAPSHOT.format(name="three"), 0)
    t("is current", lambda: [x.isCurrent() for x in (one, two, three)])
    t("has metadata", lambda: [x.hasMetadata() for x in (one, two, three)])
    t("children", lambda: sorted(x.getName() for x in one.listAllChildren(0)))
    for flags in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
        t(f"list {flags}", lambda: sorted(x.getName() for x in d.listAllSnapshots(flags)))
    t("delete three", three.delete, 0)
    tree(t, d, "without three")
    t("delete a lost one", three.delete, 0)
    t("delete one with children", one.delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
    tree(t, d, "without all")
    d.create()
    live = t("create live", d.snapshotCreateXML, SNAPSHOT.format(name="live"), 0)
    states(t, d)
    t("xml", described, live)
    t("destroy", d.destroy)
    t("revert to a running state", d.revertToSnapshot, live)
    states(t, d)
    t.heard()
    t("revert while it runs", d.revertToSnapshot, live, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
    states(t, d)
    t.heard("events of a revert while it runs")
    t("delete children only", live.delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY)
    t("metadata only", live.delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    tree(t, d, "metadata gone")
    d.destroy()
    t("wrong xml", d.snapshotCreateXML, "<nix/>", 0)
    t("a slash", d.snapshotCreateXML, SNAPSHOT.format(name="a/b"), 0)
    t("unknown flag", d.snapshotCreateXML, SNAPSHOT.format(name="x"), 1 << 25)
    t("undefine", d.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    t.heard()


def overlays(t):
    """External snapshots, disk only."""
    t.listen()
    d = t.define(
        "layers",
        devices=DISK.format(format="qcow2", path=t.image("l.qcow2"), target="hda", bus="ide"),
    )

    def source(label):
        t(label, lambda: re.findall("<source file='([^']*)'", d.XMLDesc(2)))

    d.create()
    only = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    one = t("one", d.snapshotCreateXML, SNAPSHOT.format(name="one"), only)
    source("chain")
    t("xml", described, one)
    t("live chain", lambda: re.findall("file='([^']*)'", d.XMLDesc(0)))
    t("block info", lambda: d.blockInfo("hda")[0])
    t("no metadata", d.snapshotCreateXML, SNAPSHOT.format(name="two"), only | 4)
    source("chain")
    tree(t, d, "tree")
    t("commit", d.blockCommit, "hda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    t("destroy", d.destroy)
    t("delete metadata", one.delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    t.heard()
