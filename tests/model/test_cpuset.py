"""Sets of processors: read generously, written in one way."""

from __future__ import annotations

import time

import pytest

from virtory.model.domain.cpuset import MOST, canonical, members, spelled


@pytest.mark.parametrize(
    ("text", "numbers", "written"),
    [
        ("0", {0}, "0"),
        ("0-3", {0, 1, 2, 3}, "0-3"),
        ("3, 1,2", {1, 2, 3}, "1-3"),
        ("0-7,^2-5", {0, 1, 6, 7}, "0-1,6-7"),
        ("8,0-1", {0, 1, 8}, "0-1,8"),
    ],
)
def test_a_set_has_one_spelling(text: str, numbers: set[int], written: str) -> None:
    assert members(text) == numbers
    assert spelled(numbers) == written
    assert canonical(text) == written


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "0,^0", "99999999", "1--2", "^"])
def test_what_is_no_set_is_refused_and_kept_for_the_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"no set|no range|names nothing"):
        members(text)
    assert canonical(text) == text


def test_a_hostile_text_takes_no_long_time() -> None:
    begun = time.process_time()
    assert len(members("0-16383," * 10000 + "1")) == 16384
    with pytest.raises(ValueError, match="characters"):
        members("0-16383," * 100000)
    assert time.process_time() - begun < 2


def test_many_sets_of_high_numbers_take_no_long_time() -> None:
    start = time.process_time()
    for number in range(20_000):
        assert canonical(f"{MOST - 1 - number % 9}") == f"{MOST - 1 - number % 9}"
    assert canonical(",".join(f"{number}" for number in range(0, MOST, 2)))
    assert time.process_time() - start < 2
