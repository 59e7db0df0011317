"""Sizes, UUIDs and MAC addresses."""

from __future__ import annotations

import pytest

from virtory.model.values import Mac, Size, Uuid


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("512M", 512 << 20),
        ("512 MiB", 512 << 20),
        ("1.5G", 3 << 29),
        ("10GB", 10**10),
        ("2k", 2048),
        ("1TiB", 1 << 40),
        ("1e", 1 << 60),
        (" 7 b ", 7),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert Size.parse(text) == size
    assert isinstance(Size.parse(text), Size)


@pytest.mark.parametrize("text", ["", "x", "-1", "1 2", "1,5G", "1Z", "0x10", "M", "1.G"])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as"):
        Size.parse(text)


def test_sizes_count_in_kib_and_mib_rounded_up() -> None:
    assert (Size(1).kib, Size(1024).kib, Size(1025).kib) == (1, 1, 2)
    assert (Size(1).mib, Size(1 << 20).mib) == (1, 1)
    assert (Size.of_kib(2), Size.of_mib(2), Size.of_gib(2)) == (2048, 2 << 20, 2 << 30)


@pytest.mark.parametrize(
    "text",
    [
        "C7A5FDBD-EDAF-9455-926A-D65C16DB1809",
        "c7a5fdbdedaf9455926ad65c16db1809",
        " c7a5fdbd-edaf-9455-926a-d65c16db1809\n",
        "c7a5-fdbd-edaf-9455-926a-d65c-16db-1809",
    ],
)
def test_uuids_have_one_spelling(text: str) -> None:
    assert Uuid.parse(text) == "c7a5fdbd-edaf-9455-926a-d65c16db1809"


@pytest.mark.parametrize("text", ["", "c7a5", "g" * 32, "0" * 33, "0x" + "0" * 30])
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a UUID"):
        Uuid.parse(text)


def test_uuids_travel_as_sixteen_bytes() -> None:
    uuid = Uuid.random()
    assert len(uuid.raw) == 16
    assert Uuid.of_bytes(uuid.raw) == uuid
    assert (uuid[14], uuid[19] in "89ab") == ("4", True)
    assert Uuid.random() != uuid


@pytest.mark.parametrize("text", ["52:54:00:AB:CD:0F", "52:54:0:ab:cd:f", " 52:54:00:ab:cd:0f "])
def test_mac_addresses_have_one_spelling(text: str) -> None:
    assert Mac.parse(text) == "52:54:00:ab:cd:0f"


@pytest.mark.parametrize("text", ["", "52:54:00:ab:cd", "52-54-00-ab-cd-0f", "52:54:00:ab:cd:0g"])
def test_what_is_no_mac_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a MAC address"):
        Mac.parse(text)


def test_group_addresses_are_told_from_others() -> None:
    assert Mac.parse("01:00:5e:00:00:01").is_multicast
    assert not Mac.random().is_multicast
    assert Mac.random("02:00:00").startswith("02:00:00:")
