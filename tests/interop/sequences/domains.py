"""Sequences of a domain's everyday: its life, names, words and sizes."""

# ruff: noqa: B023 - each function is called at once, by the transcript

import re

import libvirt
from transcript import DOMAIN, UUID, states


def life(t):
    """From define to undefine, with each call also where it is refused."""
    t.listen()
    d = t.define("life")
    states(t, d)
    for call in (d.suspend, d.resume, d.destroy, d.shutdown, d.reboot, d.reset, d.memoryStats):
        t(f"{call.__name__} of an inactive domain", call)
    t("security model", t.c.getSecurityModel)

    def labels():
        return d.securityLabel(), [bool(label) for label, _ in d.securityLabelList()]

    t("security labels", labels)
    t("id", d.ID)
    t("create paused", d.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
    states(t, d)
    t("create again", d.create)
    t("resume", d.resume)
    states(t, d)
    t("resume again", d.resume)
    t("suspend", d.suspend)
    states(t, d)
    t("suspend again", d.suspend)
    t("reset", d.reset)
    t("info", lambda: d.info()[:4])
    t("security labels of what runs", labels)
    t("rename an active one", d.rename, "other", 0)
    t("unknown flag", d.createWithFlags, 1 << 30)
    t("destroy", d.destroy)
    states(t, d)
    t("destroy again", d.destroy)
    t("destroy gracefully", d.destroyFlags, libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    t("create", d.create)
    t("undefine an active one", d.undefine)
    states(t, d)
    t("autostart of a transient one", d.setAutostart, 1)
    t("destroy a transient one", d.destroy)
    for call in (d.info, d.XMLDesc, d.create, d.undefine, d.destroy):
        t(f"{call.__name__} of a lost domain", call)
    t.heard()


def transient(t):
    """createXML, and what becomes of a name and a UUID that are taken."""
    c = t.c
    t.listen()

    def xml(name, number):
        return DOMAIN.format(name=name, uuid=UUID % number, devices="")

    d = t("create", c.createXML, xml("brief", 1), 0)
    states(t, d)
    t("create the same", c.createXML, xml("brief", 1), 0)
    t("create its name with another uuid", c.createXML, xml("brief", 2), 0)
    t("create its uuid with another name", c.createXML, xml("long", 1), 0)
    t("define its name with another uuid", c.defineXML, xml("brief", 2))
    t("define its uuid with another name", c.defineXML, xml("long", 1))
    t("make it persistent", c.defineXML, xml("brief", 1))
    states(t, d)
    t("destroy", d.destroy)
    states(t, d)
    t("define again", c.defineXML, xml("brief", 1))
    t("define its name with another uuid", c.defineXML, xml("brief", 2))
    t("define its uuid with another name", c.defineXML, xml("long", 1))
    t("create the defined one", c.createXML, xml("brief", 1), 0)
    t("undefine it while it runs", d.undefine)
    t("destroy it", d.destroy)
    t("validate what is wrong", c.defineXMLFlags, "<domain type='qemu'><name>x</name></domain>", 1)
    for label, wrong in (
        ("no xml", "no xml"),
        ("empty", ""),
        ("another root", "<network><name>x</name></network>"),
        ("no name", "<domain type='qemu'><memory>1</memory></domain>"),
        ("no os", "<domain type='qemu'><name>x</name><memory>32768</memory></domain>"),
        ("no such type", xml("x", 3).replace("'qemu'", "'nix'")),
        ("no such arch", xml("x", 3).replace("x86_64'", "nix'")),
        ("no such machine", xml("x", 3).replace("'pc'", "'nix'")),
        ("an empty name", xml("", 3)),
        ("a slash in the name", xml("a/b", 3)),
        ("a bad uuid", xml("x", 3).replace(UUID % 3, "nix")),
        ("no memory", xml("x", 3).replace("<memory unit='MiB'>32</memory>", "")),
        ("vcpus", xml("x", 3).replace("current='1'", "current='4'")),
    ):
        t(f"define with {label}", c.defineXML, wrong)
    t.heard()


def lookups(t):
    """Names, UUIDs, ids and lists of what is and is not there."""
    c = t.c
    d = t.define("one", 1)
    t.define("two", 2)
    t("name", c.lookupByName, "nix")
    t("uuid", c.lookupByUUIDString, UUID % 8)
    t("id", c.lookupByID, 4711)
    t("network", c.networkLookupByName, "nix")
    t("pool", c.storagePoolLookupByName, "nix")
    t("pool of a path", c.storagePoolLookupByTargetPath, "/nix")
    t("volume by key", c.storageVolLookupByKey, "nix")
    t("volume by path", c.storageVolLookupByPath, "/nix")
    t("secret", c.secretLookupByUUIDString, UUID % 8)
    t("node device", c.nodeDeviceLookupByName, "nix")
    t("snapshot", d.snapshotLookupByName, "nix")
    t("current snapshot", d.snapshotCurrent)
    t("has a current snapshot", d.hasCurrentSnapshot)
    t("checkpoint", d.checkpointLookupByName, "nix")
    d.create()
    for flags in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 1 | 8, 2 | 4):
        t(f"list {flags}", lambda: sorted(d.name() for d in c.listAllDomains(flags)))
    t("unknown flag", c.listAllDomains, 1 << 20)
    t("defined", lambda: sorted(c.listDefinedDomains()))
    t("numbers", lambda: [c.numOfDomains(), c.numOfDefinedDomains()])
    d.destroy()


def descriptions(t):
    """Autostart, title, description, metadata and names; stored and of the running domain."""
    c = t.c
    t.listen()
    d = t.define("words")
    t("autostart", d.autostart)
    t("set", d.setAutostart, 1)
    t("autostart", d.autostart)
    t("list", lambda: [d.name() for d in c.listAllDomains(1024)])
    t("unset", d.setAutostart, 0)
    kinds = ((0, "description"), (1, "title"), (2, "element"))
    for kind, name in kinds:
        uri = "http://x.example/1" if kind == 2 else None
        key = "k" if kind == 2 else None
        value = "<a><b c='1'/></a>" if kind == 2 else "some words"
        t(f"no {name}", d.metadata, kind, uri, 0)
        t(f"set {name}", d.setMetadata, kind, value, key, uri, 0)
        t(f"{name}", d.metadata, kind, uri, 0)
        t(f"set {name} live, inactive", d.setMetadata, kind, value, key, uri, 1)
    t("a title of two lines", d.setMetadata, 1, "a\nb", None, None, 0)
    t("an element without a key", d.setMetadata, 2, "<a/>", None, "http://x.example/2", 0)
    t("an element that is none", d.setMetadata, 2, "<a", "k", "http://x.example/2", 0)
    t("xml", lambda: re.findall("<(?:title|description|metadata).*?>.*?</", d.XMLDesc()))
    d.create()
    for kind, name in kinds:
        uri = "http://x.example/1" if kind == 2 else None
        t(f"remove {name} live", d.setMetadata, kind, None, "k" if uri else None, uri, 1)
        t(f"{name} live", d.metadata, kind, uri, 1)
        t(f"{name} of the config", d.metadata, kind, uri, 2)
        t(f"remove {name} live again", d.setMetadata, kind, None, "k" if uri else None, uri, 1)
    d.destroy()
    t.define("taken", 2)
    t("rename to a taken name", d.rename, "taken", 0)
    t("rename to its own name", d.rename, "words", 0)
    t("rename to nothing", d.rename, "", 0)
    t("rename to a path", d.rename, "a/b", 0)
    t("rename", d.rename, "renamed", 0)
    t("lookup", lambda: c.lookupByName("renamed").name())
    t("old name", c.lookupByName, "words")
    t.heard()


def configuration(t):
    """Memory and processors, as configured."""
    d = t.define("sizes")
    t("maximum memory", d.maxMemory)
    t("set memory above", d.setMemoryFlags, 64 * 1024, 2)
    t("set maximum memory", d.setMemoryFlags, 64 * 1024, 2 | 4)
    t("set memory", d.setMemoryFlags, 48 * 1024, 2)
    t("live memory of an inactive one", d.setMemoryFlags, 48 * 1024, 1)
    t("memory", lambda: d.info()[1:3])
    t("vcpus", lambda: [d.vcpusFlags(2), d.vcpusFlags(2 | 4), d.maxVcpus() > 0])
    t("set vcpus", d.setVcpusFlags, 2, 2)
    t("too many", d.setVcpusFlags, 3, 2)
    t("set maximum", d.setVcpusFlags, 4, 2 | 4)
    t("none", d.setVcpusFlags, 0, 2)
    t("vcpus", lambda: [d.vcpusFlags(2), d.vcpusFlags(2 | 4)])
    t("live vcpus of an inactive one", d.vcpusFlags, 1)
    t("vcpus of an inactive one", d.vcpus)
    t("xml", lambda: re.findall("<(?:memory|currentMemory|vcpu).*", d.XMLDesc()))
    t("scheduler", lambda: d.schedulerType()[0])
    t("job", d.jobInfo)
    t("block info", d.blockInfo, "vda")
    t("block stats", d.blockStats, "vda")
    t("interface stats", d.interfaceStats, "vnet7")
    t("console", d.openConsole, None, t.c.newStream(), 0)
    t("agent", d.hostname)
    t("send key", d.sendKey, 0, 0, [30], 1, 0)
    t("managed save of an inactive one", d.managedSave, 0)
    t("has one", d.hasManagedSaveImage, 0)
    t("remove one", d.managedSaveRemove, 0)
