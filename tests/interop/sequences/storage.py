"""Sequences of storage pools and volumes."""

# ruff: noqa: B023 - each function is called at once, by the transcript

import os
import re

import libvirt

POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
VOLUME = """<volume><name>{name}</name><capacity unit='KiB'>{size}</capacity>
<allocation>0</allocation><target><format type='{format}'/></target></volume>"""


def pools(t):
    """A pool from its definition to its end."""
    c = t.c
    t.listen()
    xml = POOL.format(name="p", path=t.path("pool"))
    p = t("define", c.storagePoolDefineXML, xml, 0)
    t("state", lambda: [p.isActive(), p.isPersistent(), p.autostart()])
    t("start before it is built", p.create, 0)
    t("build", p.build, 0)
    t("start", p.create, 0)
    t("start again", p.create, 0)
    t("state", lambda: [p.isActive(), p.info()[0], p.numOfVolumes()])
    t("xml", lambda: re.sub("<(capacity|allocation|available).*", "", p.XMLDesc()))
    t(
        "define its name with another path",
        c.storagePoolDefineXML,
        POOL.format(name="p", path="/x"),
        0,
    )
    t(
        "define its path with another name",
        c.storagePoolDefineXML,
        POOL.format(name="q", path=t.path("pool")),
        0,
    )
    t("undefine while it is active", p.undefine)
    t("autostart", p.setAutostart, 1)
    t("autostart", p.autostart)
    t(
        "lists",
        lambda: [
            sorted(x.name() for x in c.listAllStoragePools(f)) for f in (1, 2, 4, 8, 16, 32, 64)
        ],
    )
    t("lookup by path", lambda: c.storagePoolLookupByTargetPath(t.path("pool")).name())
    t("delete while it is active", p.delete, 0)
    t("refresh", p.refresh, 0)
    t("destroy", p.destroy)
    t("destroy again", p.destroy)
    t("refresh when inactive", p.refresh, 0)
    t("volumes when inactive", p.listAllVolumes)
    t(
        "create a volume when inactive",
        p.createXML,
        VOLUME.format(name="v", size=64, format="raw"),
        0,
    )
    t("delete", p.delete, 0)
    t("is there", os.path.isdir, t.path("pool"))
    t("undefine", p.undefine)
    t("lost", p.info)
    t("transient", c.storagePoolCreateXML, xml, libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    t("is there", os.path.isdir, t.path("pool"))
    t("persistent", lambda: c.storagePoolLookupByName("p").isPersistent())
    t("autostart of a transient one", lambda: c.storagePoolLookupByName("p").setAutostart(1))
    t("destroy", lambda: c.storagePoolLookupByName("p").destroy())
    for label, wrong in (
        ("no xml", "nix"),
        ("no type", xml.replace("type='dir'", "")),
        ("another type", xml.replace("'dir'", "'nix'")),
        ("no name", "<pool type='dir'><target><path>/x</path></target></pool>"),
        ("no path", "<pool type='dir'><name>x</name></pool>"),
    ):
        t(f"define with {label}", c.storagePoolDefineXML, wrong, 0)
    t.heard()


def pool_changes(t):
    """One pool in other definitions: transient, kept, elsewhere, and its directory gone."""
    c = t.c
    for name in ("a", "b"):
        os.mkdir(t.path(name))

    def described(path):
        uuid = "</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"
        return POOL.format(name="s", path=t.path(path)).replace("</name>", uuid)

    def places():
        return [t.path("b") in p.XMLDesc(flags) for flags in (0, 1)]

    p = t("transient", c.storagePoolCreateXML, described("a"), 0)
    t("create again", c.storagePoolCreateXML, described("a"), 0)
    t("define it", c.storagePoolDefineXML, described("a"), 0)
    t("state", lambda: [p.isPersistent(), p.isActive()])
    t("define it elsewhere", c.storagePoolDefineXML, described("b"), 0)
    t("where it is", places)
    t("lookup by its place", lambda: c.storagePoolLookupByTargetPath(t.path("a")).name())
    t("lookup by its later place", c.storagePoolLookupByTargetPath, t.path("b"))
    t("destroy", p.destroy)
    t("where it is", places)
    t("create what is defined", c.storagePoolCreateXML, described("a"), 0)
    t("where it is", lambda: [places(), p.isPersistent()])
    t("destroy", p.destroy)
    t("where it is", places)
    t("autostart", p.setAutostart, 1)
    t("undefine", p.undefine)
    p = t("define", c.storagePoolDefineXML, POOL.format(name="s", path=t.path("a")), 0)
    t("autostart", p.autostart)
    t("start", p.create, 0)
    for name in (" sp ace", "\u00fc", "q"):
        t("volume", p.createXML, VOLUME.format(name=name, size=1, format="qcow2"), 0)
    os.mkdir(t.path("a/sub"))
    t("refresh", p.refresh, 0)
    t("volumes", lambda: [sorted(p.listVolumes()), p.numOfVolumes()])
    t("a directory", lambda: p.storageVolLookupByName("sub").info())
    t("its end", lambda: p.storageVolLookupByName("sub").delete(0))
    q = p.storageVolLookupByName("q")
    os.unlink(t.path("a/q"))
    t("info of a file that is gone", q.info)
    t("xml of a file that is gone", q.XMLDesc)
    t("path of a file that is gone", q.path)
    t("delete a file that is gone", q.delete, 0)
    t("info", q.info)
    for name in os.listdir(t.path("a")):
        os.unlink(t.path("a/" + name))
    os.rmdir(t.path("a"))
    t("refresh without its directory", p.refresh, 0)
    t("state", p.isActive)
    t("undefine", p.undefine)


def volumes(t):
    """Volumes of a directory, of every format in everyday use."""
    c = t.c
    os.mkdir(t.path("vols"))
    p = c.storagePoolCreateXML(POOL.format(name="vols", path=t.path("vols")), 0)
    made = {}
    for format in ("raw", "qcow2"):
        v = made[format] = t(
            f"create {format}",
            p.createXML,
            VOLUME.format(name=f"v.{format}", size=4096, format=format),
            0,
        )
        t("info", lambda: v.info()[:2])
        t("xml", lambda: re.sub("<(allocation|physical).*\n|<mode.*\n", "", v.XMLDesc()))
        t("names", lambda: [v.name(), v.key(), v.path()])
        t("create again", p.createXML, VOLUME.format(name=f"v.{format}", size=64, format=format), 0)
        t("resize", v.resize, 8 << 20, 0)
        t("capacity", lambda: v.info()[1])
        t("shrink without the flag", v.resize, 1 << 20, 0)
        t("grow by", v.resize, 1 << 20, libvirt.VIR_STORAGE_VOL_RESIZE_DELTA)
        t("capacity", lambda: v.info()[1])
        t(
            "clone",
            p.createXMLFrom,
            VOLUME.format(name=f"c.{format}", size=4096, format=format),
            v,
            0,
        )
    t(
        "lookups",
        lambda: [
            x.name()
            for x in (
                p.storageVolLookupByName("v.raw"),
                c.storageVolLookupByPath(t.path("vols/v.raw")),
                c.storageVolLookupByKey(t.path("vols/v.raw")),
            )
        ],
    )
    t("lookup", p.storageVolLookupByName, "nix")
    t("list", lambda: sorted(x.name() for x in p.listAllVolumes()))
    t("pool of a volume", lambda: made["raw"].storagePoolLookupByVolume().name())
    backed = VOLUME.format(name="b.qcow2", size=9216, format="qcow2").replace(
        "</volume>",
        f"<backingStore><path>{t.path('vols/v.qcow2')}</path><format type='qcow2'/>"
        "</backingStore></volume>",
    )
    b = t("with a backing file", p.createXML, backed, 0)
    t("its backing", lambda: re.findall("(?s)<backingStore>.*?<format[^>]*>", b.XMLDesc()))
    t("upload", upload, c, made["raw"], b"virtory" * 1000)
    t("download", lambda: download(c, made["raw"], 7000) == b"virtory" * 1000)
    t("download beyond the end", download, c, made["raw"], 1 << 40)
    t("wipe", made["raw"].wipe, 0)
    t("wiped", lambda: download(c, made["raw"], 7000) == bytes(7000))
    for label, wrong in (
        ("no xml", "nix"),
        ("no name", "<volume><capacity>1</capacity></volume>"),
        ("no capacity", "<volume><name>x</name></volume>"),
        ("a slash", VOLUME.format(name="../x", size=64, format="raw")),
        ("an unknown format", VOLUME.format(name="x", size=64, format="nix")),
    ):
        t(f"create with {label}", p.createXML, wrong, 0)
    t("delete", made["raw"].delete, 0)
    t("delete again", made["raw"].delete, 0)
    t("info of a lost one", made["raw"].info)
    with open(t.path("vols/found.img"), "wb") as file:
        file.truncate(1 << 20)
    t("not known yet", p.storageVolLookupByName, "found.img")
    p.refresh()
    t("found", lambda: p.storageVolLookupByName("found.img").info()[:2])
    p.destroy()


def upload(c, volume, data):
    stream = c.newStream()
    volume.upload(stream, 0, len(data), 0)
    while data:
        data = data[stream.send(data) :]
    stream.finish()


def download(c, volume, length):
    stream = c.newStream()
    volume.download(stream, 0, length, 0)
    got = []
    stream.recvAll(lambda stream, data, opaque: got.append(data), None)
    stream.finish()
    return b"".join(got)
