"""libvirt's Python module against virtoryd: its event loop, streams, descriptors and errors."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.interop

START = """
import libvirt, os, sys, threading, time
uri = sys.argv[1]
libvirt.registerErrorHandler(lambda *_: None, None)
XML = ("<domain type='test'><name>%s</name><memory>32768</memory><vcpu>1</vcpu>"
       "<os><type>hvm</type></os><devices><console type='pty'/></devices></domain>")
def code(function, *arguments):
    try:
        function(*arguments)
    except libvirt.libvirtError as error:
        return error.get_error_code(), error.get_error_domain(), error.get_error_message()
"""


def test_everyday_calls_return_what_the_module_expects(
    memory_daemon: Any, system_python: Any
) -> None:
    system_python(
        START
        + """
c = libvirt.open(uri)
assert c.getLibVersion() >= 10_000_000
assert c.getHostname() and c.getType()
assert len(c.getInfo()) == 8 and c.getInfo()[0]
assert c.isSecure() == 1 and c.isAlive() == 1 and c.isEncrypted() == 0
assert c.getCPUMap()[0] == len(c.getCPUMap()[1])
assert set(c.getCPUStats(-1)) >= {"kernel", "user", "idle"}
assert set(c.getMemoryStats(-1)) >= {"total", "free"}
assert c.getFreeMemory() > 0 and c.getCellsFreeMemory(0, 2)
assert c.getCPUModelNames("x86_64")
d = c.lookupByName("test")
assert c.lookupByUUIDString(d.UUIDString()).name() == c.lookupByID(d.ID()).name() == "test"
assert d.info()[0] == 1 and d.state() == [1, 1]
assert d.maxMemory() == 8388608 and d.maxVcpus() >= 2
vcpus, maps = d.vcpus()
assert len(vcpus) == len(maps) == 2
assert len(d.vcpuPinInfo()) == 2
assert d.memoryStats()["actual"] == 2097152
assert len(d.blockStats("vda")) == 5 and "rd_bytes" in d.blockStatsFlags("vda")
assert len(d.blockInfo("vda")) == 3 and len(d.interfaceStats("testnet0")) == 8
assert d.getCPUStats(True)[0]["cpu_time"] >= 0
assert d.jobInfo()[0] == 0
((domain, stats),) = c.getAllDomainStats()
assert domain.name() == "test" and stats["state.state"] == 1
assert c.domainListGetStats([d], libvirt.VIR_DOMAIN_STATS_STATE)
assert d.interfaceAddresses(1)["testnet0"]["addrs"]
assert d.hostname() and d.getTime()["seconds"] and d.guestInfo()["hostname"]
assert d.schedulerType() and d.securityLabel() is not None
for function in (c.listAllSecrets,
                 c.listAllNWFilters, d.listAllSnapshots, d.listAllCheckpoints,
                 c.listDefinedNetworks, c.listDefinedStoragePools, c.listSecrets):
    assert function() == [], function
assert c.listNetworks() == ["default"] and c.listStoragePools() == ["default-pool"]
assert [device.name() for device in c.listAllDevices(1)] == ["computer"]
assert [one.MACString() for one in c.listAllInterfaces()] == ["aa:bb:cc:dd:ee:ff"]
assert d.hasManagedSaveImage() == d.hasCurrentSnapshot() == 0
assert c.listDomainsID() == [d.ID()] and c.numOfDefinedDomains() == 0
""",
        memory_daemon.uri,
    )


def test_errors_carry_the_codes_that_programs_branch_on(
    memory_daemon: Any, system_python: Any
) -> None:
    system_python(
        START
        + """
c = libvirt.open(uri)
d = c.lookupByName("test")
assert code(c.lookupByName, "nix") == (42, code(c.lookupByName, "nix")[1],
    "Domain not found: no domain with matching name 'nix'")
assert [pool.name() for pool in c.listAllStoragePools()] == ["default-pool"]
assert code(c.storageVolLookupByPath, "/nix")[0] == 50
assert code(c.storagePoolLookupByName, "nix")[0] == 49
assert code(c.networkLookupByName, "nix")[0] == 43
assert code(c.nodeDeviceLookupByName, "nix")[0] == 53
assert code(c.secretLookupByUUIDString, "11111111-1111-1111-1111-111111111111")[0] == 66
assert code(d.snapshotLookupByName, "nix")[0] == 72
assert code(d.snapshotCurrent)[0] == 72
assert code(d.checkpointLookupByName, "nix")[0] == 103
assert code(d.create)[0] == 55
assert code(d.metadata, 2, "http://nix")[0] == 80
assert code(c.defineXML, "<domain")[0] == 35
assert code(c.networkDefineXML, "<network/>")[0] == 27
assert code(d.info) is None
assert code(d.createWithFlags, 1 << 30)[:1] == (8,)
gone = c.defineXML(XML % "gone")
uuid = gone.UUIDString()
gone.undefine()
assert code(gone.info)[2] == (
    "Domain not found: no domain with matching uuid '%s' (gone)" % uuid)
c.close()
for wrong in (uri.replace("default", "other"), uri.replace("test+unix", "qemu+unix")):
    assert code(libvirt.open, wrong)[0] in (1, 5)
""",
        memory_daemon.uri,
    )


def test_events_reach_the_modules_event_loop(memory_daemon: Any, system_python: Any) -> None:
    printed = system_python(
        START
        + """
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)],
                 daemon=True).start()
c = libvirt.open(uri)
c.setKeepAlive(5, 3)
c.registerCloseCallback(lambda *_: None, None)
seen, heard, done = [], threading.Event(), threading.Event()
def lifecycle(conn, dom, event, detail, tag):
    seen.append((dom.name(), event, tag))
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED and tag == "mine":
        heard.set()
    if event == libvirt.VIR_DOMAIN_EVENT_UNDEFINED:
        done.set()
d = c.defineXML(XML % "one")
other = c.defineXML(XML % "other")
every = [c.domainEventRegisterAny(None, number, lambda *a: None, None) for number in range(1, 27)
         if number != 3]
c.domainEventRegisterAny(None, 0, lifecycle, "all")
mine = c.domainEventRegisterAny(d, 0, lifecycle, "mine")
d.create(); d.suspend(); d.resume(); d.destroy()
other.create(); other.destroy()
assert heard.wait(60)
c.domainEventDeregisterAny(mine)
for callback in every:
    c.domainEventDeregisterAny(callback)
d.undefine()
assert done.wait(60)
of_one = [event for name, event, tag in seen if name == "one" and tag == "all"]
assert of_one in ([2, 3, 4, 5, 1], [4, 2, 3, 4, 5, 1]), seen
assert {name for name, _, tag in seen if tag == "mine"} == {"one"}
assert (("one", 1, "mine")) not in seen
c.unregisterCloseCallback()
c.close()
print("done")
""",
        memory_daemon.uri,
    )
    assert printed == "done\n"


def test_consoles_and_screenshots_are_streams(memory_daemon: Any, system_python: Any) -> None:
    system_python(
        START
        + """
c = libvirt.open(uri)
d = c.createXML(XML % "talkative", libvirt.VIR_DOMAIN_START_AUTODESTROY)
stream = c.newStream()
d.openConsole(None, stream, 0)
stream.send(b"hello\\r")
got = b""
while b"hello" not in got:
    got += stream.recv(1024)
assert code(d.openConsole, None, c.newStream(), 0)
stream.finish()
picture = c.newStream()
mime = c.lookupByName("test").screenshot(picture, 0)
chunks = []
picture.recvAll(lambda stream, data, opaque: chunks.append(data), None)
picture.finish()
assert mime.startswith("image/") and sum(map(len, chunks)) > 10
del d, stream, picture
assert c.close() == 0
c = libvirt.open(uri)
assert code(c.lookupByName, "talkative")[0] == 42, "autodestroy"
""",
        memory_daemon.uri,
    )


def test_displays_are_handed_over_as_descriptors(memory_daemon: Any, system_python: Any) -> None:
    """What virt-viewer does: close callback, events, description, then the display's descriptor."""
    system_python(
        START
        + """
import socket
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)],
                 daemon=True).start()
c = libvirt.open(uri)
c.registerCloseCallback(lambda *_: None, None)
d = c.lookupByName("test")
c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *a: None, None)
assert "<graphics" in d.XMLDesc(0) and d.info()
code(d.metadata, 2, "http://virt-manager.org/")
fd = d.openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
with socket.socket(fileno=fd) as display:
    display.settimeout(60)
    assert display.recv(12).startswith(b"RFB ")
ours, theirs = socket.socketpair()
d.openGraphics(0, theirs.fileno(), libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
theirs.close()
ours.settimeout(60)
assert ours.recv(12).startswith(b"RFB ")
""",
        memory_daemon.uri,
    )


def test_a_read_only_connection_reads(memory_daemon: Any, system_python: Any) -> None:
    system_python(
        START
        + """
c = libvirt.openReadOnly(uri)
d = c.lookupByName("test")
assert d.XMLDesc(0) and d.info()
assert code(d.destroy)[0] == 29
assert code(d.XMLDesc, libvirt.VIR_DOMAIN_XML_SECURE)[0] == 29
""",
        memory_daemon.uri,
    )


def test_many_threads_share_one_connection(memory_daemon: Any, system_python: Any) -> None:
    system_python(
        START
        + """
c = libvirt.open(uri)
failed = []
def work(number):
    try:
        for turn in range(30):
            d = c.defineXML(XML % ("t%d" % number))
            d.create()
            assert d.info()[0] == 1 and d.XMLDesc(0) and c.getHostname()
            d.destroy()
            d.undefine()
    except Exception as error:
        failed.append(error)
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not failed, failed
assert len(c.listAllDomains()) == 1
""",
        memory_daemon.uri,
    )


def test_the_daemons_end_is_seen_as_a_closed_connection(
    memory_daemon: Any, system_python: Any
) -> None:
    printed = system_python(
        START
        + f"""
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)],
                 daemon=True).start()
c = libvirt.open(uri)
closed = threading.Event()
c.registerCloseCallback(lambda conn, reason, opaque: closed.set(), None)
os.kill({memory_daemon.process.pid}, 15)
assert closed.wait(60)
assert c.isAlive() == 0
print("closed")
""",
        memory_daemon.uri,
    )
    assert printed == "closed\n"


def test_pools_and_volumes_do_what_the_module_expects(
    memory_daemon: Any, system_python: Any
) -> None:
    system_python(
        START
        + """
libvirt.virEventRegisterDefaultImpl()
c = libvirt.open(uri)
told = []
for event in (0, 1):
    c.storagePoolEventRegisterAny(None, event, lambda c, p, *rest: told.append(rest[:-1]), None)
p = c.storagePoolDefineXML(
    "<pool type='dir'><name>p</name><target><path>/p</path></target></pool>")
p.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
assert p.isActive() and p.isPersistent() and p.info()[0] == 2
assert [x.name() for x in c.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT)
       ] == []
v = p.createXML("<volume><name>v</name><capacity>10000</capacity></volume>")
assert (v.name(), v.key(), v.path()) == ("v", "/p/v", "/p/v")
assert c.storageVolLookupByPath("/p/v").storagePoolLookupByVolume().name() == "p"
assert v.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[1] == 10000
s = c.newStream()
v.upload(s, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
s.send(b"a" * 100); s.sendHole(9800); s.send(b"b" * 100)
s.finish()
s = c.newStream()
v.download(s, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
got = []
s.sparseRecvAll(lambda s, data, o: got.append(data), lambda s, length, o: got.append(length), None)
s.finish()
assert b"".join(bytes(x) if isinstance(x, int) else x for x in got) == (
    b"a" * 100 + bytes(9800) + b"b" * 100)
s = c.newStream()
v.download(s, 0, 0)
s.recv(10)
s.abort()
assert code(p.createXML, "<volume><name>v</name><capacity>1</capacity></volume>")[:2] == (90, 18)
assert code(p.destroy) is None and code(p.destroy)[:2] == (55, 18)
p.undefine()
assert code(p.info)[2].endswith("(p)")
for _ in range(100):
    if len(told) >= 5:
        break
    libvirt.virEventRunDefaultImpl()
kinds = [rest[0] if rest else "refresh" for rest in told]
assert kinds == [0, 2, "refresh", 3, 1], kinds
""",
        memory_daemon.uri,
    )


def test_a_read_only_connection_sees_volumes_and_not_what_is_in_them(
    memory_daemon: Any, system_python: Any
) -> None:
    system_python(
        START
        + """
v = libvirt.open(uri).storagePoolLookupByName("default-pool").createXML(
    "<volume><name>v</name><capacity>1</capacity></volume>")
c = libvirt.openReadOnly(uri)
v = c.storageVolLookupByPath(v.path())
assert v.info() and v.XMLDesc()
p = v.storagePoolLookupByVolume()
for call in (
    (v.download, c.newStream(), 0, 0), (v.upload, c.newStream(), 0, 0), (v.delete,), (v.wipe,),
    (v.resize, 1), (p.refresh,), (p.destroy,), (p.undefine,), (p.setAutostart, 1),
    (p.createXML, "<volume/>"), (c.storagePoolDefineXML, "<pool/>"),
):
    assert code(*call)[0] == 29, call
""",
        memory_daemon.uri,
    )
