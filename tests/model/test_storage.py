"""Pools' and volumes' descriptions: read as written, all that is wrong at once."""

from __future__ import annotations

import pytest

from virtory.errors import ConfigUnsupported, XmlError
from virtory.model.storage_pool import format_pool, parse_pool, sanitized
from virtory.model.storage_volume import copy_of, format_volume, parse_volume

POOLS = (
    """<pool type='dir'>
  <name>images</name>
  <uuid>9541a125-a6bd-4669-ab5f-ee5262873126</uuid>
  <capacity unit='bytes'>0</capacity>
  <allocation unit='bytes'>0</allocation>
  <available unit='bytes'>0</available>
  <features>
    <cow state='yes'/>
  </features>
  <source>
  </source>
  <target>
    <path>/var/lib/images</path>
    <permissions>
      <mode>0711</mode>
      <owner>0</owner>
      <group>107</group>
      <label>system_u:object_r:virt_image_t:s0</label>
    </permissions>
  </target>
  <refresh>
    <volume allocation='capacity'/>
  </refresh>
</pool>
""",
    """<pool type='iscsi'>
  <name>far</name>
  <uuid>9541a125-a6bd-4669-ab5f-ee5262873126</uuid>
  <capacity unit='bytes'>0</capacity>
  <allocation unit='bytes'>0</allocation>
  <available unit='bytes'>0</available>
  <source>
    <host name='server' port='3260'/>
    <device path='iqn.2013-06.com.example:pool' part_separator='no'>
      <freeExtent start='0' end='512'/>
    </device>
    <dir path='/d'/>
    <adapter type='fc_host' name='n' parent='p' parent_wwnn='1' parent_wwpn='2' """
    """parent_fabric_wwn='3' managed='yes' wwnn='4' wwpn='5'/>
    <name>n</name>
    <initiator>
      <iqn name='iqn.2013-06.com.example:host'/>
    </initiator>
    <auth type='chap' username='me'>
      <secret type='iscsi' usage='far'/>
    </auth>
    <format type='x'/>
    <protocol ver='4'/>
    <vendor name='v'/>
    <product name='p'/>
  </source>
  <target>
    <path>/dev/disk/by-path</path>
  </target>
</pool>
""",
)
VOLUME = """<volume type='file'>
  <name>disk</name>
  <key>/images/disk</key>
  <source>
    <device path='/dev/sda'>
      <extent start='0' end='512'/>
    </device>
  </source>
  <capacity unit='bytes'>1073741824</capacity>
  <allocation unit='bytes'>0</allocation>
  <physical unit='bytes'>196616</physical>
  <target>
    <path>/images/disk</path>
    <format type='qcow2'/>
    <permissions>
      <mode>0600</mode>
      <owner>0</owner>
      <group>0</group>
      <label>l</label>
    </permissions>
    <timestamps>
      <atime>1.000000002</atime>
      <mtime>3</mtime>
      <ctime>4</ctime>
      <btime>0</btime>
    </timestamps>
    <compat>1.1</compat>
    <nocow/>
    <clusterSize unit='B'>4096</clusterSize>
    <features>
      <lazy_refcounts/>
      <extended_l2/>
    </features>
  </target>
  <backingStore>
    <path>/images/base</path>
    <format type='raw'/>
    <permissions>
      <mode>01777</mode>
    </permissions>
    <timestamps>
      <atime>1</atime>
    </timestamps>
  </backingStore>
</volume>
"""


@pytest.mark.parametrize("text", POOLS)
def test_a_pool_is_written_as_it_was_read(text: str) -> None:
    assert format_pool(parse_pool(text)) == text


def test_a_volume_is_written_as_it_was_read() -> None:
    assert format_volume(parse_volume(VOLUME)) == VOLUME


def test_a_pool_gets_libvirts_defaults() -> None:
    made = parse_pool("<pool type='logical'><source><name>vg</name></source></pool>")
    assert (made.name, made.path, made.source and made.source.format) == ("vg", "/dev/vg", "lvm2")
    assert made.uuid is not None and made.capacity == 0
    assert sanitized("//a//b/") == "/a/b"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("<pool type='dir'/>", ["/pool/name", "/pool/target/path"]),
        ("<pool type='nix'><name>x</name></pool>", ["/pool/@type"]),
        ("<pool><name>x</name></pool>", ["/pool/@type"]),
        ("<pool type='fs'><name>a/b</name></pool>", ["/pool/name", "/pool/source/device"]),
        (
            "<pool type='netfs'><name>x</name><source><format type='nix'/></source></pool>",
            ["source/host", "source/dir", "source/format/@type", "target/path"],
        ),
        (
            "<pool type='dir'><name>x</name><target><path>rel</path>"
            "<permissions><mode>9</mode></permissions></target></pool>",
            ["target/path", "permissions/mode"],
        ),
        (
            "<pool type='logical'><name>-x</name><source><device path='--config'/></source></pool>",
            ["'-x' begins with a dash", "'--config' begins with a dash"],
        ),
    ],
)
def test_all_that_is_wrong_with_a_pool_is_told_at_once(text: str, places: list[str]) -> None:
    with pytest.raises(XmlError) as caught:
        parse_pool(text)
    assert [place for place in places if place not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("<volume><capacity>1</capacity></volume>", ["/volume/name"]),
        ("<volume><name>..</name></volume>", ["/volume/name", "/volume/capacity"]),
        (f"<volume><name>{'x' * 256}</name><capacity>1</capacity></volume>", ["longer than 255"]),
        (
            "<volume><name>x</name><backingStore><path>--config</path></backingStore></volume>",
            ["'--config' begins with a dash"],
        ),
        (
            "<volume><name>x</name><capacity>1</capacity><target><permissions><mode>08</mode>"
            "</permissions><compat>2</compat><clusterSize>513</clusterSize></target></volume>",
            ["permissions/mode", "target/compat", "target/clusterSize"],
        ),
    ],
)
def test_all_that_is_wrong_with_a_volume_is_told_at_once(text: str, places: list[str]) -> None:
    with pytest.raises(XmlError) as caught:
        parse_volume(text)
    assert [place for place in places if place not in str(caught.value)] == []


def test_what_is_not_served_is_named_and_not_dropped() -> None:
    with pytest.raises(ConfigUnsupported, match="/pool/target/nix"):
        parse_pool("<pool type='dir'><name>x</name><target><path>/x</path><nix/></target></pool>")


def test_hostile_text_is_refused() -> None:
    bomb = "<!DOCTYPE x [<!ENTITY a 'b'>]><pool type='dir'><name>&a;</name></pool>"
    for parse in (parse_pool, parse_volume):
        with pytest.raises(XmlError):
            parse(bomb)
        with pytest.raises(XmlError):
            parse("<a>" * 10000)


def test_a_copy_is_asked_for_without_place_and_times() -> None:
    copy = parse_volume(copy_of(VOLUME, "other"))
    assert (copy.name, copy.key) == ("other", None)
    assert copy.target is not None
    assert copy.target.path is None and copy.target.timestamps is None
    assert copy.target.format == "qcow2"
