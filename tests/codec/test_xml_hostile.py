"""XML that means harm: it costs no more than its length and ends in a clear error."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from virtory.codec import xml
from virtory.codec.xml import MAX_BYTES, MAX_DEPTH, Attr, Element, Text, Verbatim
from virtory.errors import ConfigUnsupported, VirtoryError, XmlError


class Nest(Element, tag="nest"):
    name: Attr[str | None] = None
    text: Text[str | None] = None
    nest: Nest | None = None
    keep: Verbatim | None = None


class Row(Element, tag="row"):
    n: Attr[int]


class Table(Element, tag="table"):
    rows: tuple[Row, ...] = ()


LAUGHS = "<!DOCTYPE nest [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(9)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS + "]><nest>&j;</nest>",
        LAUGHS + "]><nest name='&j;'/>",
        "<!DOCTYPE nest SYSTEM 'file:///etc/passwd'><nest/>",
        "<!DOCTYPE nest [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><nest>&x;</nest>",
        "<!DOCTYPE nest [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/'>%p;]><nest/>",
        "<?xml version='1.0'?>\n<!-- <nest> -->\n<?x y?> <!DOCTYPE nest><nest/>",
        "\ufeff<!DOCTYPE nest><nest/>",
    ],
)
def test_a_document_type_is_refused_before_it_is_read(text: str) -> None:
    with pytest.raises(XmlError, match="a DOCTYPE is refused"):
        xml.parse(Nest, text)


def test_an_undeclared_entity_is_an_error() -> None:
    with pytest.raises(XmlError, match="not well-formed at line 1"):
        xml.parse(Nest, "<nest>&file;</nest>")


def test_other_encodings_can_not_hide_a_document_type() -> None:
    with pytest.raises(XmlError):
        xml.parse(Nest, "<!DOCTYPE nest [<!ENTITY a 'b'>]><nest>&a;</nest>".encode("utf-16"))


@pytest.mark.parametrize("inner", ["<nest>", "<keep>", "<other>"])
def test_nesting_is_limited_and_the_limit_is_named(inner: str) -> None:
    closing = inner.replace("<", "</")
    text = f"<nest>{inner * 5000}{closing * 5000}</nest>"
    with pytest.raises(XmlError, match=f"deeper than {MAX_DEPTH} levels"):
        xml.parse(Nest, text)


def test_nesting_up_to_the_limit_is_read_written_and_compared() -> None:
    deep = MAX_DEPTH - 2
    value = xml.parse(Nest, "<nest>" * deep + "</nest>" * deep)
    again = xml.parse(Nest, xml.format(value))
    assert again == value
    assert hash(again) == hash(value)


def test_a_text_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(XmlError, match=f"the limit is {MAX_BYTES}"):
        xml.parse(Nest, "<nest>" + "x" * MAX_BYTES + "</nest>")


def test_a_text_just_short_enough_is_read() -> None:
    text = "x" * (MAX_BYTES - len("<nest></nest>"))
    assert xml.parse(Nest, f"<nest>{text}</nest>").text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nonsense",
        "<",
        "<nest",
        "<nest>",
        "<nest></nst>",
        "<nest/><nest/>",
        "<nest>\x00</nest>",
        "<nest>\x07</nest>",
        "<nest>&#0;</nest>",
        "<nest name='1' name='2'/>",
        "<nest name=1/>",
        "<u:nest/>",
        "<nest>\ud800</nest>",
        "<?xml version='9.9'?>",
        "<!-- -->",
    ],
)
def test_what_is_not_well_formed_is_an_xml_error(text: str) -> None:
    with pytest.raises(XmlError) as caught:
        xml.parse(Nest, text)
    assert caught.value.code in (27, 35)


def test_bytes_that_are_no_utf_8_are_an_xml_error() -> None:
    with pytest.raises(XmlError):
        xml.parse(Nest, b"<nest>\xff\xfe</nest>")


def test_many_elements_take_time_in_proportion() -> None:
    def seconds(count: int) -> float:
        text = "<table>" + "<row n='1'/>" * count + "</table>"
        start = time.process_time()
        assert len(xml.parse(Table, text).rows) == count
        return time.process_time() - start

    seconds(1000)
    few, many = min(seconds(5_000) for _ in range(3)), seconds(100_000)
    assert many < few * 20 * 6 + 0.2


def test_reading_ends_at_once_when_there_are_very_many_problems() -> None:
    text = "<table>" + "<row n='x'/>" * 100_000 + "<raw/>" * 100_000 + "</table>"
    start = time.process_time()
    with pytest.raises(XmlError, match="1000 problems"):
        xml.parse(Table, text)
    assert time.process_time() - start < 1


def test_a_flood_of_unknown_attributes_ends_in_an_error() -> None:
    attributes = " ".join(f"a{i}='1'" for i in range(2_000))
    with pytest.raises(VirtoryError) as caught:
        xml.parse(Nest, f"<nest {attributes}/>")
    assert isinstance(caught.value, ConfigUnsupported)


@pytest.mark.parametrize("before", ["<!--a-->", "<?a?>", " ", "<!--<?a?>-->\n"])
def test_what_stands_before_the_root_is_looked_at_once(before: str) -> None:
    text = before * 20_000 + "<nest><![CDATA[<!DOCTYPE]]></nest>"
    start = time.process_time()
    assert xml.parse(Nest, text.strip()).text == "<!DOCTYPE"
    with pytest.raises(XmlError, match="a DOCTYPE is refused"):
        xml.parse(Nest, before * 20_000 + "<!DOCTYPE nest><nest/>")
    assert time.process_time() - start < 1


def test_a_flood_of_namespaces_around_or_in_a_kept_element_is_refused() -> None:
    many = " ".join(f"xmlns:a{i}='u{i}'" for i in range(50_000))
    each = "".join(f"<x xmlns:b='{i}'/>" for i in range(50_000))
    start = time.process_time()
    for text in (
        f"<nest {many}><keep><a1:x/></keep></nest>",
        f"<nest xmlns:q='q'><keep {many}><q:x/></keep></nest>",
        f"<nest xmlns:q='q'><keep>{each}</keep></nest>",
    ):
        with pytest.raises(XmlError, match="more than 256 namespaces"):
            xml.parse(Nest, text)
    assert time.process_time() - start < 3


def test_lxml_is_not_imported_until_something_is_parsed() -> None:
    program = (
        "import sys, virtory.codec.xml as xml, virtory.model.domain as domain\n"
        "domain.format_domain(domain.Domain(type='qemu', name='n', memory=1024,"
        " os=domain.Os(type=domain.OsType())))\n"
        "assert 'lxml' not in sys.modules and 'dataclasses' not in sys.modules\n"
        "domain.parse_domain"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
