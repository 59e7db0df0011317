"""Defining, changing and forgetting domains, in libvirt's words; no guest needs to boot."""

from __future__ import annotations

import os
import re

import pytest

from virtory.driver.qemu.driver import QemuDriver
from virtory.errors import (
    ConfigUnsupported,
    DomainNotFound,
    InternalError,
    InvalidArgument,
    MetadataNotFound,
    OperationFailed,
    OperationInvalid,
    SystemCallFailed,
    XmlError,
)
from virtory.model.flags import ConnectListDomains, DomainMetadata, DomainXml
from virtory.model.values import Uuid

A = "11111111-2222-3333-4444-555555555555"
B = "66666666-7777-8888-9999-000000000000"


def with_uuid(xml, uuid):
    return xml.replace("<memory", f"<uuid>{uuid}</uuid><memory", 1)


async def test_lookups_say_what_was_not_found_as_libvirt_does(driver):
    domain = driver.domain
    with pytest.raises(
        DomainNotFound, match=r"^Domain not found: no domain with matching name 'x'$"
    ):
        domain.by_name("x")
    with pytest.raises(DomainNotFound, match=rf"no domain with matching uuid '{A}'$"):
        domain.by_uuid(Uuid(A).raw)
    with pytest.raises(DomainNotFound, match=r"no domain with matching id 7$"):
        domain.by_id(7)


async def test_names_and_uuids_belong_to_one_domain(driver, bare):
    define = driver.domain.define
    await define(with_uuid(bare("a"), A), 0)
    with pytest.raises(OperationFailed, match=f"domain 'a' already exists with uuid {A}"):
        await define(bare("a"), 0)
    with pytest.raises(OperationFailed, match=f"domain 'a' is already defined with uuid {A}"):
        await define(with_uuid(bare("b"), A), 0)
    with pytest.raises(OperationFailed, match=f"domain 'a' already exists with uuid {A}"):
        await driver.domain.create_xml(bare("a"), 0, None)
    await define(with_uuid(bare("a").replace("32", "48"), A), 0)
    assert driver.domain.info(Uuid(A).raw).max_memory_kib == 48 * 1024
    assert len(driver.domain.list_all(0)) == 1


async def test_all_problems_are_told_at_once(driver):
    bad = (
        "<domain type='qemu'><name>a/b</name><memory>0</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
    )
    with pytest.raises(XmlError) as caught:
        await driver.domain.define(bad, 0)
    assert "/domain/name" in str(caught.value) and "/domain/memory" in str(caught.value)
    with pytest.raises(ConfigUnsupported, match=r"no machine type 'q36'.*q35"):
        await driver.domain.define(
            bad.replace("a/b", "a").replace(">0<", ">65536<").replace("'pc'", "'q36'"), 0
        )
    assert driver.domain.list_all(0) == []


async def test_a_machine_type_that_is_not_there_hides_no_other_problem(driver):
    xml = """<domain type='kvm'><name>bad</name><memory unit='MiB'>64</memory>
      <vcpu current='4'>2</vcpu><os><type arch='x86_64' machine='q36'>hvm</type></os>
      <devices><interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface></devices>
      </domain>"""
    with pytest.raises(XmlError) as refused:
        await driver.domain.define(xml, 0)
    told = str(refused.value)
    assert "/domain/vcpu/@current" in told
    assert "/domain/devices/interface" in told
    assert re.search(r"/domain/os/type/@machine: .*no machine type 'q36'", told)
    assert driver.domain.list_all(0) == []


async def test_changes_to_a_running_domain_wait_for_its_next_start(driver, bare):
    ref = await driver.domain.define(with_uuid(bare("m"), A), 0)
    ref = await driver.domain.create(ref.uuid, 0, None)
    assert not driver.domain.is_updated(ref.uuid)
    await driver.domain.define(with_uuid(bare("m").replace("32", "48"), A), 0)
    assert driver.domain.is_updated(ref.uuid)
    assert driver.domain.info(ref.uuid).max_memory_kib == 32 * 1024
    assert ">49152<" in await driver.domain.xml(ref.uuid, DomainXml.INACTIVE)
    assert ">32768<" in await driver.domain.xml(ref.uuid, 0)
    await driver.domain.destroy(ref.uuid, 0)
    assert driver.domain.info(ref.uuid).max_memory_kib == 48 * 1024
    assert not driver.domain.is_updated(ref.uuid)


async def test_undefining_a_running_domain_makes_it_transient(driver, bare, seen):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.undefine(ref.uuid, 0)
    assert driver.domain.is_active(ref.uuid) and not driver.domain.is_persistent(ref.uuid)
    assert seen.lifecycles()[-1] == (1, 0)
    with pytest.raises(OperationInvalid, match="cannot set autostart for transient domain"):
        await driver.domain.set_autostart(ref.uuid, True)
    await driver.domain.define(await driver.domain.xml(ref.uuid, DomainXml.INACTIVE), 0)
    assert driver.domain.is_persistent(ref.uuid)


async def test_renaming(driver, bare, seen):
    ref = await driver.domain.define(bare("a"), 0)
    await driver.domain.define(bare("b"), 0)
    seen.clear()
    await driver.domain.rename(ref.uuid, "c", 0)
    assert seen.lifecycles() == [(1, 1), (0, 2)]
    assert driver.domain.by_name("c").uuid == ref.uuid
    assert "<name>c</name>" in await driver.domain.xml(ref.uuid, 0)
    for name, error, words in (
        ("c", OperationInvalid, "Can't rename domain to itself"),
        ("b", OperationInvalid, "domain with name 'b' already exists"),
        ("x/y", XmlError, "name x/y cannot contain '/'"),
        ("x\x01y", InvalidArgument, "control character"),
        ("x\ny", InvalidArgument, "line break"),
        ("x" * 201, InvalidArgument, "longer than 200 bytes"),
    ):
        with pytest.raises(error, match=words):
            await driver.domain.rename(ref.uuid, name, 0)
    await driver.domain.create(ref.uuid, 0, None)
    with pytest.raises(OperationInvalid, match="cannot rename active domain"):
        await driver.domain.rename(ref.uuid, "d", 0)


async def test_lists_by_every_filter(driver, bare):
    define, names = driver.domain.define, lambda f: {r.name for r in driver.domain.list_all(f)}
    await define(bare("off"), 0)
    started = await define(bare("on"), 0)
    await driver.domain.create(started.uuid, 0, None)
    await driver.domain.create_xml(bare("paused"), 1, None)
    await driver.domain.set_autostart(started.uuid, True)
    flag = ConnectListDomains
    assert names(0) == names(flag.HAS_SNAPSHOT | flag.NO_SNAPSHOT) == {"off", "on", "paused"}
    assert names(flag.ACTIVE) == {"on", "paused"}
    assert names(flag.INACTIVE) == names(flag.SHUTOFF) == {"off"}
    assert names(flag.PERSISTENT) == {"off", "on"}
    assert names(flag.TRANSIENT) == names(flag.PAUSED) == {"paused"}
    assert names(flag.RUNNING | flag.SHUTOFF) == {"off", "on"}
    assert names(flag.AUTOSTART) == {"on"}
    assert names(flag.NO_AUTOSTART | flag.ACTIVE) == {"paused"}
    assert names(flag.HAS_SNAPSHOT) == names(flag.OTHER) == names(flag.MANAGEDSAVE) == set()
    with pytest.raises(InvalidArgument, match=r"unsupported flags \(0x100000\)"):
        driver.domain.list_all(1 << 20)


async def test_title_description_and_metadata(driver, bare):
    ref = await driver.domain.define(bare("m"), 0)
    domain, uri = driver.domain, "http://example.org/x"
    with pytest.raises(MetadataNotFound, match="Requested metadata element is not present"):
        domain.metadata(ref.uuid, DomainMetadata.TITLE, None, 0)
    await domain.set_metadata(ref.uuid, DomainMetadata.TITLE, "A title", None, None, 2)
    await domain.set_metadata(ref.uuid, DomainMetadata.DESCRIPTION, "two\nlines", None, None, 2)
    await domain.set_metadata(ref.uuid, DomainMetadata.ELEMENT, "<k a='1'>v</k>", "x", uri, 2)
    assert domain.metadata(ref.uuid, DomainMetadata.TITLE, None, 0) == "A title"
    assert domain.metadata(ref.uuid, DomainMetadata.DESCRIPTION, None, 0) == "two\nlines"
    assert re.fullmatch(
        r"<k a=['\"]1['\"]>v</k>", domain.metadata(ref.uuid, DomainMetadata.ELEMENT, uri, 0).strip()
    )
    with pytest.raises(InvalidArgument, match="title can't contain newlines"):
        await domain.set_metadata(ref.uuid, DomainMetadata.TITLE, "a\nb", None, None, 2)
    for odd in ("a\x01", b"caf\xe9".decode("utf-8", "surrogateescape")):
        with pytest.raises(InvalidArgument, match=r"'m' has the character .* XML has no way"):
            await domain.set_metadata(ref.uuid, DomainMetadata.TITLE, odd, None, None, 2)
    with pytest.raises(OperationInvalid, match="domain is not running"):
        await domain.set_metadata(ref.uuid, DomainMetadata.TITLE, "x", None, None, 1)
    await domain.create(ref.uuid, 0, None)
    await domain.set_metadata(ref.uuid, DomainMetadata.TITLE, "live", None, None, 1)
    assert domain.metadata(ref.uuid, DomainMetadata.TITLE, None, 0) == "live"
    assert domain.metadata(ref.uuid, DomainMetadata.TITLE, None, 2) == "A title"
    await domain.set_metadata(ref.uuid, DomainMetadata.ELEMENT, None, None, uri, 3)
    with pytest.raises(MetadataNotFound):
        domain.metadata(ref.uuid, DomainMetadata.ELEMENT, uri, 2)


async def test_memory_and_vcpus_of_the_definition(driver, bare):
    ref = await driver.domain.define(bare("m"), 0)
    domain = driver.domain
    await domain.set_memory(ref.uuid, 64 * 1024, 6)
    assert domain.max_memory_kib(ref.uuid) == 64 * 1024
    await domain.set_memory(ref.uuid, 16 * 1024, 2)
    assert domain.info(ref.uuid).memory_kib == 16 * 1024
    with pytest.raises(InvalidArgument, match="cannot set memory higher than max memory"):
        await domain.set_memory(ref.uuid, 1 << 30, 2)
    with pytest.raises(InvalidArgument, match="for the persistent domain: 5 > 1"):
        await domain.set_vcpus(ref.uuid, 5, 2)
    await domain.set_vcpus(ref.uuid, 4, 6)
    await domain.set_vcpus(ref.uuid, 2, 2)
    assert [domain.vcpus_flags(ref.uuid, flags) for flags in (2, 6)] == [2, 4]
    with pytest.raises(OperationInvalid, match="domain is not running"):
        domain.max_vcpus(ref.uuid)


async def test_what_is_off_says_so_in_libvirts_words(driver, bare):
    ref = await driver.domain.define(bare("m"), 0)
    domain = driver.domain
    for call in (domain.suspend, domain.resume):
        with pytest.raises(OperationInvalid, match="domain is not running"):
            await call(ref.uuid)
    for call in (domain.shutdown, domain.reboot, domain.reset, domain.destroy, domain.inject_nmi):
        with pytest.raises(OperationInvalid, match="domain is not running"):
            await call(ref.uuid, 0)
    with pytest.raises(OperationInvalid, match="cannot retrieve vcpu information for inactive"):
        domain.vcpus(ref.uuid)
    with pytest.raises(InvalidArgument, match=r"unsupported flags \(0x4\) in function qemuDomain"):
        await domain.shutdown(ref.uuid, 4)


async def test_a_password_is_shown_only_to_those_who_ask_for_secrets(driver, bare):
    vnc = "<graphics type='vnc' passwd='hush'><listen type='socket'/></graphics>"
    ref = await driver.domain.define(bare("m", vnc), 0)
    assert "hush" not in await driver.domain.xml(ref.uuid, 0)
    assert "passwd='hush'" in await driver.domain.xml(ref.uuid, DomainXml.SECURE)
    await driver.domain.create(ref.uuid, 0, None)
    assert "hush" not in await driver.domain.xml(ref.uuid, 0)
    assert "passwd='hush'" in await driver.domain.xml(ref.uuid, DomainXml.SECURE)


async def test_everything_defined_is_there_after_a_restart(driver, bare, state, settings):
    refs = [await driver.domain.define(bare(f"m{n}"), 0) for n in range(5)]
    await driver.domain.set_autostart(refs[2].uuid, True)
    texts = [await driver.domain.xml(ref.uuid, 0) for ref in refs]
    await driver.stop()
    other = QemuDriver(state, os.geteuid() == 0, settings)
    await other.start()
    assert sorted(other.domain.list_all(0)) == sorted(refs)
    assert [await other.domain.xml(ref.uuid, 0) for ref in refs] == texts
    assert [other.domain.autostart(ref.uuid) for ref in refs] == [n == 2 for n in range(5)]
    await other.stop()
    await driver.start()


async def test_a_full_disk_is_an_error_that_changes_nothing(driver, bare, seen):
    """SQLite is told that the file may not grow, which is what a full disk means to it."""
    store = driver._store
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    big = f"<description>{'x' * 200_000}</description>"
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Exception, match=r"(?i)full|space"):
        await driver.domain.define(bare("m", more="").replace("<memory", big + "<memory", 1), 0)
    assert driver.domain.list_all(0) == []
    assert seen.lifecycles() == []
    store._db.execute("PRAGMA max_page_count = 1000000")
    await driver.domain.define(bare("m"), 0)
    assert [ref.name for ref in driver.domain.list_all(0)] == ["m"]


async def test_qemus_words_about_a_file_name_the_file(driver, bare, tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    os.chmod(image, 0o666)
    disks = "".join(
        f"<disk type='file'><source file='{image}'/><target dev='{name}' bus='virtio'/></disk>"
        for name in ("vda", "vdb")
    )
    ref = await driver.domain.define(bare("twice", disks), 0)
    with pytest.raises(InternalError, match=rf"Is another process using the image \[{image}\]"):
        await driver.domain.create(ref.uuid, 0, None)
    assert not driver.domain.is_active(ref.uuid)


async def test_names_of_another_run_are_not_kept_nor_what_could_not_be_one(driver, bare):
    ports = "".join(
        f"<serial type='pty'><alias name='{name}'/></serial>"
        for name in ("serial7", "serial7", "ua-a,b", "ua-mine_1")
    )
    ref = await driver.domain.define(bare("m", ports), 0)
    assert "serial7" not in await driver.domain.xml(ref.uuid, 0)
    assert re.findall("<alias name='([^']*)'", await driver.domain.xml(ref.uuid, 0)) == [
        "ua-mine_1"
    ]
    await driver.domain.create(ref.uuid, 0, None)
    live = await driver.domain.xml(ref.uuid, 0)
    for name in ("serial0", "serial1", "serial2", "ua-mine_1"):
        assert f"<alias name='{name}'/>" in live


async def test_peeking_tells_all_that_was_asked_for_or_why_not(driver, bare, tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(b"x" * 1000)
    disk = f"<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
    ref = await driver.domain.define(bare("m", disk), 0)
    assert await driver.domain.block_peek(ref.uuid, "vda", 990, 10, 0) == b"x" * 10
    with pytest.raises(InvalidArgument, match="'vda' starting from 990 has only 10 bytes avail"):
        await driver.domain.block_peek(ref.uuid, "vda", 990, 512, 0)
    with pytest.raises(SystemCallFailed, match="cannot seek into"):
        await driver.domain.block_peek(ref.uuid, "vda", 1 << 63, 16, 0)
