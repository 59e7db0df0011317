"""Chains of images, read from headers that may be wrong, hostile or missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import qcow2
from hypothesis import given
from hypothesis import strategies as st

from virtory.driver.qemu.disks.image_chain import chain
from virtory.errors import ConfigUnsupported, SystemCallFailed, VirtoryError
from virtory.model.domain.devices.disk import BackingStore, Source


def image(path: Path, **header: object) -> str:
    path.write_bytes(qcow2(**header))  # type: ignore[arg-type]
    return str(path)


def test_a_raw_image_is_never_looked_into(tmp_path: Path) -> None:
    top = image(tmp_path / "disk", backing="/etc/shadow", backing_format="raw")
    assert [link.path for link in chain(top, "raw")] == [top]


def test_names_are_relative_to_the_image_that_says_them(tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    image(tmp_path / "bases" / "b", backing="c", backing_format="raw")
    (tmp_path / "bases" / "c").write_bytes(b"")
    top = image(tmp_path / "a", backing="bases/b", backing_format="qcow2")
    found = [(Path(link.path).name, link.format) for link in chain(top, "qcow2")]
    assert found == [("a", "qcow2"), ("b", "qcow2"), ("c", "raw")]


def test_version_2_images_have_chains_too(tmp_path: Path) -> None:
    base = image(tmp_path / "base", version=2)
    top = image(tmp_path / "top", backing="base", backing_format="qcow2", version=2)
    assert [link.path for link in chain(top, "qcow2")] == [top, base]


def test_a_format_that_the_header_does_not_name_is_not_guessed(tmp_path: Path) -> None:
    image(tmp_path / "base")
    top = image(tmp_path / "top", backing="base")
    with pytest.raises(ConfigUnsupported, match="not its format") as caught:
        chain(top, "qcow2")
    assert "qemu-img rebase" in str(caught.value)


def test_a_raw_image_said_to_be_qcow2_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(4096))
    with pytest.raises(ConfigUnsupported, match="no qcow2 image"):
        chain(str(tmp_path / "disk"), "qcow2")


def test_a_loop_is_found(tmp_path: Path) -> None:
    image(tmp_path / "a", backing="b", backing_format="qcow2")
    image(tmp_path / "b", backing="a", backing_format="qcow2")
    with pytest.raises(ConfigUnsupported, match="its own backing file"):
        chain(str(tmp_path / "a"), "qcow2")


def test_a_loop_through_a_symbolic_link_is_found(tmp_path: Path) -> None:
    image(tmp_path / "a", backing="link", backing_format="qcow2")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(ConfigUnsupported, match="its own backing file"):
        chain(str(tmp_path / "a"), "qcow2")


def test_a_chain_without_end_ends(tmp_path: Path) -> None:
    for number in range(210):
        image(tmp_path / f"{number}", backing=f"{number + 1}", backing_format="qcow2")
    with pytest.raises(ConfigUnsupported, match="more than 200"):
        chain(str(tmp_path / "0"), "qcow2")


@pytest.mark.parametrize("name", ['json:{"driver":"nbd"}', "nbd://host/disk", "ssh://host/a"])
def test_images_on_a_network_are_refused_by_name(tmp_path: Path, name: str) -> None:
    top = image(tmp_path / "top", backing=name, backing_format="raw")
    with pytest.raises(ConfigUnsupported, match="no local file"):
        chain(top, "qcow2")


def test_a_missing_base_is_named(tmp_path: Path) -> None:
    top = image(tmp_path / "top", backing="gone", backing_format="raw")
    with pytest.raises(SystemCallFailed, match="gone") as caught:
        chain(top, "qcow2")
    assert caught.value.errno == 2


@pytest.mark.parametrize("what", ["/dev/null", "/"])
def test_only_files_and_block_devices_are_images(what: str) -> None:
    with pytest.raises(ConfigUnsupported, match="neither a file nor a block device"):
        chain(what, "raw")


def test_other_formats_are_refused_with_the_command_that_converts(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match="qemu-img convert"):
        chain(str(tmp_path / "a.vmdk"), "vmdk")


def test_the_definitions_own_chain_wins(tmp_path: Path) -> None:
    image(tmp_path / "named")
    (tmp_path / "other").write_bytes(b"")
    top = image(tmp_path / "top", backing="named", backing_format="qcow2")
    other = Source(file=str(tmp_path / "other"))
    below = BackingStore(type="file", format="raw", source=other, backing_store=BackingStore())
    assert [Path(link.path).name for link in chain(top, "qcow2", below)] == ["top", "other"]
    assert [link.path for link in chain(top, "qcow2", BackingStore())] == [top]


def test_a_data_file_is_found(tmp_path: Path) -> None:
    top = image(tmp_path / "top", data_file="top.raw")
    assert chain(top, "qcow2")[0].data_file == str(tmp_path / "top.raw")


@given(cut=st.integers(0, 150), flip=st.binary(min_size=1, max_size=8), at=st.integers(0, 140))
def test_damaged_headers_end_in_an_answer_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: bytes, at: int
) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    (directory / "base").write_bytes(b"")
    whole = bytearray(qcow2("base", "raw"))
    whole[at : at + len(flip)] = flip
    for content in (bytes(whole), bytes(whole[:cut])):
        (directory / "top").write_bytes(content)
        try:
            assert chain(str(directory / "top"), "qcow2")
        except VirtoryError as error:
            assert str(directory) in str(error)


def test_relative_names_start_where_the_path_in_the_definition_is_as_in_qemu(
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    image(tmp_path / "elsewhere" / "real.qcow2", backing="base.raw", backing_format="raw")
    (tmp_path / "elsewhere" / "base.raw").write_bytes(b"not this one")
    (tmp_path / "link.qcow2").symlink_to("elsewhere/real.qcow2")
    with pytest.raises(SystemCallFailed) as caught:
        chain(str(tmp_path / "link.qcow2"), "qcow2")
    base, link = tmp_path / "base.raw", tmp_path / "link.qcow2"
    assert f"Cannot access backing file '{base}' of storage file '{link}'" in str(caught.value)
    assert f"qemu-img rebase -u -b BASE -F FORMAT '{link}'" in str(caught.value)
    base.write_bytes(b"this one")
    assert chain(str(link), "qcow2")[1].path == str(base)
