"""`<domainsnapshot>` as libvirt writes it, in both directions."""

from __future__ import annotations

import pytest

from virtory.errors import XmlError
from virtory.model.snapshot import format_snapshot, parse_snapshot

DOMAIN = """\
  <{tag} type='qemu'>
    <name>m</name>
    <uuid>11111111-2222-3333-4444-555555555555</uuid>
    <memory unit='KiB'>32768</memory>
    <vcpu placement='static'>1</vcpu>
    <os>
      <type arch='x86_64' machine='pc'>hvm</type>
    </os>
    <clock offset='utc'/>
    <on_poweroff>destroy</on_poweroff>
    <on_reboot>restart</on_reboot>
    <on_crash>destroy</on_crash>
    <devices>
    </devices>
  </{tag}>
"""
WHOLE = f"""\
<domainsnapshot>
  <name>one</name>
  <description>of one</description>
  <state>running</state>
  <parent>
    <name>zero</name>
  </parent>
  <creationTime>1795642502</creationTime>
  <memory snapshot='external' file='/m'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'>
      <driver type='qcow2'/>
      <source file='/a.one'/>
    </disk>
    <disk name='sda' snapshot='no'/>
  </disks>
{DOMAIN.format(tag="domain")}{DOMAIN.format(tag="inactiveDomain")}  <active>1</active>
</domainsnapshot>
"""


def test_a_whole_description_is_read_and_written_unchanged():
    snapshot = parse_snapshot(WHOLE)
    assert format_snapshot(snapshot).strip() == WHOLE.strip()
    assert snapshot.is_external
    assert [disk.name for disk in snapshot.every_disk] == ["vda", "sda"]
    assert snapshot.domain == snapshot.inactive_domain


def test_what_clients_leave_out_may_be_left_out():
    snapshot = parse_snapshot("<domainsnapshot/>")
    assert (snapshot.name, snapshot.every_disk, snapshot.is_external) == (None, (), False)
    odd = "<domainsnapshot><cookie><a/></cookie><other/></domainsnapshot>"
    assert parse_snapshot(odd, lenient=True).cookie is not None


@pytest.mark.parametrize(
    "text",
    [
        "<domain/>",
        "<domainsnapshot>",
        "<domainsnapshot><memory snapshot='x'/></domainsnapshot>",
        "<domainsnapshot><disks><disk/></disks></domainsnapshot>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><domainsnapshot><name>&b;</name></domainsnapshot>",
    ],
)
def test_what_can_not_be_is_refused(text):
    with pytest.raises(XmlError):
        parse_snapshot(text)
