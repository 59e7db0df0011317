"""Descriptions as clients write them, as we write them, and as real libvirt wrote them.

`data/domain/<case>.xml` is what a client sends, `<case>.out.xml` what we make of it (written anew
by `--regenerate`), `recorded/<case>.xml` what libvirt 9.0 printed: reading and writing that again
must change nothing, which proves the order of every element and attribute in it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from virtory.errors import ConfigUnsupported, XmlError
from virtory.model.domain import (
    Domain,
    Os,
    OsType,
    format_device,
    format_domain,
    parse_device,
    parse_domain,
    problems,
    without_secrets,
)
from virtory.model.values import Mac, Size, Uuid

DATA = Path(__file__).resolve().parents[1] / "data" / "domain"
CASES = sorted(path for path in DATA.glob("*.xml") if not path.name.endswith(".out.xml"))
RECORDED = sorted((DATA / "recorded").glob("*.xml"))


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=path.stem) for path in paths]


def test_there_are_cases() -> None:
    assert len(CASES) > 15
    assert len(RECORDED) > 15


@pytest.mark.parametrize("case", named(CASES))
def test_a_description_becomes_what_is_expected(case: Path, regenerate: bool) -> None:
    expected = case.with_suffix(".out.xml")
    written = format_domain(parse_domain(case.read_text()))
    if regenerate:
        expected.write_text(written)
    assert written == expected.read_text()


@pytest.mark.parametrize("case", named(CASES))
def test_what_we_write_we_read_as_the_same_value(case: Path) -> None:
    domain = parse_domain(case.read_text())
    assert parse_domain(format_domain(domain)) == domain


@pytest.mark.parametrize("case", named(RECORDED))
def test_what_libvirt_wrote_is_written_back_letter_for_letter(case: Path) -> None:
    text = case.read_text()
    assert format_domain(parse_domain(text)) == text


@pytest.mark.parametrize("case", named(RECORDED))
def test_what_libvirt_accepted_has_no_problems(case: Path) -> None:
    assert problems(parse_domain(case.read_text())) == []


def test_values_are_typed() -> None:
    domain = parse_domain((DATA / "virt-install-debian.xml").read_text())
    assert isinstance(domain.memory, Size)
    assert isinstance(domain.uuid, Uuid)
    (interface,) = domain.devices.interfaces
    assert interface.mac is not None
    assert isinstance(interface.mac.address, Mac)


def test_a_description_made_in_python_is_written_like_one_that_was_read() -> None:
    domain = Domain(type="qemu", name="tiny", memory=Size.of_mib(64), os=Os(type=OsType()))
    text = (
        "<domain type='qemu'><name>tiny</name><memory unit='MiB'>64</memory>"
        "<os><type>hvm</type></os></domain>"
    )
    assert parse_domain(text) == domain
    assert format_domain(domain, indent=1).startswith("  <domain type='qemu'>\n    <name>tiny")


def test_a_device_is_read_and_written_alone() -> None:
    text = "<rng model='virtio'>\n  <backend model='builtin'/>\n</rng>\n"
    assert format_device(parse_device(text)) == text


def test_something_else_than_a_device_is_refused() -> None:
    with pytest.raises(XmlError, match="the root element is <domain>, expected <audio> or"):
        parse_device("<domain/>")


def test_unknown_elements_are_refused_or_passed_over_as_asked() -> None:
    text = (DATA / "minimal.xml").read_text().replace("</os>", "<warp/></os>")
    with pytest.raises(ConfigUnsupported, match="/domain/os/warp: the element <warp>"):
        parse_domain(text)
    assert parse_domain(text, lenient=True).name == "minimal"


def test_passwords_are_left_out_on_demand() -> None:
    domain = parse_domain((DATA / "screens.xml").read_text())
    text = format_domain(without_secrets(domain))
    assert "passwd='secret'" in format_domain(domain)
    assert "passwd=" not in text
    assert "port='5904'" in text


def test_a_description_without_passwords_stays_the_same_object() -> None:
    domain = parse_domain((DATA / "minimal.xml").read_text())
    assert without_secrets(domain) is domain
