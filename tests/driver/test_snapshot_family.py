"""The tree of a domain's snapshots."""

from __future__ import annotations

from virtory.driver.snapshot_family import Family, Kept


def kept(name: str, parent: str | None) -> Kept:
    return Kept(name, parent, "shutoff", 0, False, "", {})


def test_a_row_of_many_snapshots_is_told_parents_first() -> None:
    family = Family(bytes(16))
    names = [str(number) for number in range(5_000)]
    for name, parent in zip(names, [None, *names], strict=False):
        family.put(kept(name, parent), current=False)
    family.put(kept("other", None), current=False)
    family.put(kept("side", "1"), current=False)
    assert [each.name for each in family.descendants("0")] == [*names[1:], "side"]
    assert [each.name for each in family.descendants(None)] == [*names, "side", "other"]
    assert [each.name for each in family.descendants("other")] == []
