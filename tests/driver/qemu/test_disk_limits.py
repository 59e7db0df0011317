"""Limits of disks: parameters of a call into `<iotune>` and back."""

from __future__ import annotations

import pytest

from virtory.driver.qemu.disks import disk_limits
from virtory.errors import ArgumentUnsupported, ConfigUnsupported, InvalidArgument
from virtory.model.domain.devices.disk import Iotune
from virtory.model.refs import STRING, ULLONG, Param


def given(**values):
    kinds = {str: STRING, int: ULLONG}
    return [Param(name, kinds[type(value)], value) for name, value in values.items()]


def test_limits_of_one_group_are_replaced_together():
    former = Iotune(read_bytes_sec=1, write_bytes_sec=2, total_iops_sec=3)
    new = disk_limits.merged(former, disk_limits.understood(given(total_bytes_sec=9)))
    assert new == Iotune(total_bytes_sec=9, total_iops_sec=3)


def test_no_limit_left_is_no_element():
    former = Iotune(total_bytes_sec=5, group_name="g")
    assert disk_limits.merged(former, disk_limits.understood(given(total_bytes_sec=0))) is None


@pytest.mark.parametrize(
    "params",
    [
        given(total_bytes_sec=1, read_bytes_sec=1),
        given(total_iops_sec_max=1, write_iops_sec_max=1),
        given(nothing=1),
        given(total_bytes_sec="many"),
        given(total_bytes_sec=-1),
        given(group_name=5),
    ],
)
def test_what_contradicts_itself_is_refused(params):
    with pytest.raises(InvalidArgument):
        disk_limits.understood(params)


def test_a_limit_that_qemu_does_not_take_is_refused():
    with pytest.raises(ArgumentUnsupported, match="no more than 1000000000000000 using QEMU"):
        disk_limits.understood(given(size_iops_sec=10**15 + 1))


def test_a_burst_needs_the_limit_that_it_exceeds():
    with pytest.raises(ConfigUnsupported, match="if 'read_bytes_sec' is not set"):
        disk_limits.merged(None, disk_limits.understood(given(read_bytes_sec_max=5)))
    with pytest.raises(ConfigUnsupported, match="cannot be smaller than 'read_bytes_sec'"):
        disk_limits.merged(
            None, disk_limits.understood(given(read_bytes_sec_max=5, read_bytes_sec=6))
        )


def test_every_limit_is_told():
    class Disk:
        iotune = Iotune(total_bytes_sec=5, group_name="g")

    told = {param.field: param.value for param in disk_limits.params(Disk)}
    assert len(told) == disk_limits.COUNT == 20
    assert (told["total_bytes_sec"], told["read_iops_sec"], told["group_name"]) == (5, 0, "g")
