"""Which snapshots there are, what lists let through, who inherits the children of one that goes."""

from __future__ import annotations

import pytest

from virtory.driver.snapshot_family import CURRENT, Family, Kept, families
from virtory.driver.store import ForgetObject, ObjectRow
from virtory.errors import SnapshotNotFound
from virtory.model.snapshot_flags import SnapshotList as List

UUID = bytes(range(16))


def kept(name, parent=None, state="running", *, external=False, time=0):
    return Kept(name, parent, state, time, external, f"<domainsnapshot><name>{name}</name>", {})


@pytest.fixture
def family():
    made = Family(UUID)
    for one in (
        kept("a", state="shutoff"),
        kept("b", "a"),
        kept("c", "b", "disk-snapshot", external=True),
        kept("d", "a"),
    ):
        made.put(one, current=True)
    return made


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, "abcd"),
        (List.ROOTS, "a"),
        (List.LEAVES, "cd"),
        (List.NO_LEAVES, "ab"),
        (List.LEAVES | List.NO_LEAVES, "abcd"),
        (List.NO_METADATA, ""),
        (List.INACTIVE, "a"),
        (List.ACTIVE, "bd"),
        (List.DISK_ONLY | List.INACTIVE, "ac"),
        (List.EXTERNAL, "c"),
        (List.INTERNAL | List.LEAVES, "d"),
        (List.TOPOLOGICAL, "abcd"),
    ],
)
def test_filters_combine_as_libvirts_do(family, flags, names):
    assert "".join(one.name for one in family.select(flags)) == names


def test_below_one_are_its_children_or_all_the_way_down(family):
    assert [one.name for one in family.select(0, "a")] == ["b", "d"]
    assert [one.name for one in family.select(List.DESCENDANTS, "a")] == ["b", "c", "d"]
    with pytest.raises(SnapshotNotFound, match="'x'"):
        family.select(0, "x")
    with pytest.raises(SnapshotNotFound, match="does not have a parent"):
        family.parent("a")


def test_children_go_to_the_nearest_ancestor_that_stays(family):
    family.mark("c")
    changes = family.remove(["b"])
    assert family.parent("c") == "a"
    assert [type(one) for one in changes] == [ForgetObject, ObjectRow]
    family.remove(["c", "a"])
    assert family.remove(["a"]) == []
    assert family.current is None
    assert [(one.name, one.parent) for one in family.select(0)] == [("d", None)]


def test_what_is_stored_is_read_back_and_a_damaged_row_hides_no_other(family):
    rows = [one.row(UUID) for one in family.by_name.values()]
    rows.append(ObjectRow(CURRENT, UUID, "d", ""))
    rows.append(ObjectRow("snapshot", UUID + b"x", "x", "<", "{}"))
    found, problems = families(rows)
    assert found[UUID].by_name == family.by_name
    assert found[UUID].current == "d"
    assert problems == ["snapshot 'x' is damaged: KeyError: 'state'"]
    assert len(found[UUID].forget()) == 5


def test_a_row_of_many_snapshots_is_told_parents_first():
    family = Family(UUID)
    names = [str(number) for number in range(5_000)]
    for name, parent in zip(names, [None, *names], strict=False):
        family.put(kept(name, parent), current=False)
    family.put(kept("other"), current=False)
    family.put(kept("side", "1"), current=False)
    assert [each.name for each in family.descendants("0")] == [*names[1:], "side"]
    assert [each.name for each in family.descendants(None)] == [*names, "side", "other"]
    assert [each.name for each in family.descendants("other")] == []


def test_children_of_a_damaged_snapshot_are_roots():
    rows = [kept("child", "lost").row(UUID), kept("grandchild", "child", time=1).row(UUID)]
    found, _ = families(rows)
    assert [one.name for one in found[UUID].select(List.ROOTS)] == ["child"]
    assert [one.name for one in found[UUID].select(List.TOPOLOGICAL)] == ["child", "grandchild"]
