"""Typed parameters and CPU maps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtory.client import parameters
from virtory.errors import InvalidArgument


def test_each_type_is_read() -> None:
    params = [("i", 1, -1), ("u", 2, 1), ("l", 3, -2), ("ul", 4, 2), ("d", 5, 0.5), ("b", 6, 1)]
    assert parameters.values_of([*params, ("s", 7, "x")]) == {
        "i": -1,
        "u": 1,
        "l": -2,
        "ul": 2,
        "d": 0.5,
        "b": True,
        "s": "x",
    }


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("cpu_shares", 1024, parameters.ULLONG),
        ("vcpu_quota", 1000, parameters.LLONG),
        ("vcpu_quota", -1, parameters.LLONG),
        ("weight", 500, parameters.UINT),
        ("inbound.average", 1, parameters.UINT),
        ("numa_mode", 0, parameters.INT),
        ("numa_nodeset", "0-1", parameters.STRING),
        ("device_weight", "/dev/sda,500", parameters.STRING),
        ("total_bytes_sec", 1, parameters.ULLONG),
        ("cmt", True, parameters.BOOLEAN),
        ("rate", 0.5, parameters.DOUBLE),
    ],
)
def test_a_value_travels_with_the_type_that_daemons_check(
    field: str, value: Any, kind: int
) -> None:
    assert parameters.typed({field: value}) == [(field, kind, value)]


def test_a_pair_says_the_type_outright_and_a_list_repeats_the_parameter() -> None:
    assert parameters.typed({"x": (parameters.INT, 5)}) == [("x", parameters.INT, 5)]
    assert parameters.typed({"migrate_disks": ["vda", "vdb"]}) == [
        ("migrate_disks", parameters.STRING, "vda"),
        ("migrate_disks", parameters.STRING, "vdb"),
    ]


def test_a_value_of_no_known_type_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="'x' can not be a dict"):
        parameters.typed({"x": {}})


@given(st.sets(st.integers(0, 2000), min_size=1))
def test_a_cpu_set_survives_the_way_there_and_back(cpus: set[int]) -> None:
    bitmap = parameters.cpu_bitmap(cpus)
    assert set(parameters.cpus_of(bitmap)) == cpus
    assert len(bitmap) == max(cpus) // 8 + 1


@pytest.mark.parametrize("cpus", [[], [-1], [0, -3]])
def test_an_empty_or_negative_cpu_set_is_refused(cpus: list[int]) -> None:
    with pytest.raises(InvalidArgument, match="CPU set"):
        parameters.cpu_bitmap(cpus)
