"""The XML codec by itself: small declarations, read and written."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Annotated, Literal

import pytest

from virtory.codec import xml
from virtory.codec.xml import (
    At,
    Attr,
    Element,
    Hex,
    Octal,
    OnOff,
    Range,
    Scaled,
    Text,
    Verbatim,
    YesNo,
)
from virtory.errors import ConfigUnsupported, XmlError


class Wheel(Element, tag="wheel"):
    size: Attr[int]
    maker: Text[str | None] = None


class Near(Element, tag="place", when=("kind", "near")):
    metres: Attr[int]


class Far(Element, tag="place", when=("kind", "far")):
    miles: Attr[Annotated[int, Hex(4), Range(0, 0xFFFF)]]


class Fitted(Element, trailing=True):
    label: Annotated[str | None, At("label/@text")] = None


class Radio(Fitted):
    band: Attr[Literal["am", "fm"]]
    preset: int | None = None


class Engine(Element, tag="engine", last="fuel"):
    fuel: Attr[str] = "petrol"
    bore: Annotated[int | None, At("cylinder/@bore")] = None
    stroke: Annotated[int | None, At("cylinder/@stroke")] = None


class Trailer(Element):
    axles: Attr[int | None] = None
    load: Annotated[int, Scaled("KiB"), At(".")]
    box: Annotated[int | None, Scaled("largest", "MiB")] = None


class Car(Element, tag="car", prefixes={"x": "urn:x"}):
    id: Attr[int | None] = None
    name: str
    tank: Annotated[int, Scaled("KiB")] = 0
    note: Verbatim | None = None
    locked: bool = False
    abs: Annotated[OnOff | None, At("abs/@state", absent=True)] = None
    lights: Annotated[YesNo | None, At("light/@on")] = None
    mode: Attr[Annotated[int | None, Octal(4)]] = None
    owners: Annotated[tuple[str, ...], At("owner")] = ()
    wheels: tuple[Wheel, ...] = ()
    place: Near | Far | None = None
    radio: Radio | None = None
    engine: Engine | None = None
    trailer: Trailer | None = None
    extra: Annotated[str | None, At("x:extra")] = None


FULL = """\
<car id='3' mode='0644' xmlns:x='urn:x'>
  <name>one &amp; only</name>
  <tank unit='KiB'>2048</tank>
  <note>
    <a:b xmlns:a="urn:a" k="v">text</a:b>
  </note>
  <locked/>
  <abs state='off'/>
  <light on='yes'/>
  <owner>Ann</owner>
  <owner>Bob</owner>
  <wheel size='15'>Round</wheel>
  <wheel size='16'/>
  <place kind='far' miles='0x00ff'/>
  <radio band='fm'>
    <preset>7</preset>
    <label text='A'/>
  </radio>
  <engine fuel='petrol'>
    <cylinder bore='81' stroke='77'/>
  </engine>
  <trailer axles='2' unit='KiB'>1
    <box unit='MiB'>3</box>
  </trailer>
  <x:extra>more</x:extra>
</car>
"""


def parsed(inner: str, attributes: str = "") -> Car:
    return xml.parse(Car, f"<car {attributes}><name>c</name>{inner}</car>")


def complaint(inner: str, attributes: str = "") -> str:
    with pytest.raises((XmlError, ConfigUnsupported)) as caught:
        parsed(inner, attributes)
    return caught.value.detail


def test_one_declaration_reads_and_writes_the_same_text() -> None:
    assert xml.format(xml.parse(Car, FULL)) == FULL


def test_every_kind_of_field_gets_its_value() -> None:
    car = xml.parse(Car, FULL)
    assert (car.id, car.name, car.tank, car.locked, car.abs) == (
        3,
        "one & only",
        2 << 20,
        True,
        False,
    )
    assert (car.lights, car.mode, car.owners) == (True, 0o644, ("Ann", "Bob"))
    assert car.wheels == (Wheel(size=15, maker="Round"), Wheel(size=16))
    assert car.place == Far(miles=255)
    assert car.radio == Radio(band="fm", preset=7, label="A")
    assert car.engine == Engine(bore=81, stroke=77)
    assert car.trailer == Trailer(axles=2, load=1024, box=3 << 20)
    assert car.extra == "more"


def test_absent_elements_leave_the_defaults() -> None:
    assert parsed("") == Car(name="c")


def test_an_element_without_its_attribute_means_what_absent_says() -> None:
    assert parsed("<abs/>").abs is True
    assert parsed("<light/>").lights is None


def test_an_indent_shifts_every_line() -> None:
    assert xml.format(Car(name="c"), indent=2).splitlines() == [
        "    <car>",
        "      <name>c</name>",
        "      <tank unit='KiB'>0</tank>",
        "    </car>",
    ]


def test_a_namespace_is_declared_only_when_it_is_used() -> None:
    assert "xmlns" not in xml.format(Car(name="c"))
    assert "<car xmlns:x='urn:x'>" in xml.format(Car(name="c", extra="e"))


def test_a_size_is_read_in_any_unit_and_rounded_up_to_the_one_it_is_written_in() -> None:
    assert parsed("<tank unit='MiB'>3</tank>").tank == 3 << 20
    assert parsed("<tank unit='GB'>1</tank>").tank == 976563 << 10
    assert parsed("<tank> 5 </tank>").tank == 5 << 10
    assert "<tank unit='KiB'>1</tank>" in xml.format(Car(name="c", tank=1))


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, "<box unit='bytes'>0<"),
        (1000, "<box unit='bytes'>1000<"),
        (3 << 10, "<box unit='KiB'>3<"),
        (1 << 30, "<box unit='GiB'>1<"),
    ],
)
def test_a_size_can_be_written_in_the_largest_unit_that_fits(size: int, written: str) -> None:
    car = Car(name="c", trailer=Trailer(load=0, box=size))
    assert written in xml.format(car)
    assert xml.parse(Car, xml.format(car)) == car


def test_the_unit_meant_when_there_is_none_can_differ() -> None:
    car = parsed("<trailer>1<box>2</box></trailer>")
    assert car.trailer == Trailer(load=1 << 10, box=2 << 20)


@pytest.mark.parametrize(
    ("text", "number"), [("0x1F", 31), ("31", 31), ("037", 31), ("0", 0), (" 0x0 ", 0)]
)
def test_hexadecimal_fields_are_read_in_any_base(text: str, number: int) -> None:
    assert parsed(f"<place kind='far' miles='{text}'/>").place == Far(miles=number)


def test_octal_fields_are_octal() -> None:
    assert parsed("", "mode='755'").mode == 0o755
    assert complaint("", "mode='9'") == "/car/@mode: '9' is not an octal number"
    assert complaint("", "mode='0_7'") == "/car/@mode: '0_7' is not an octal number"


def test_only_elements_with_a_tag_are_documents() -> None:
    with pytest.raises(TypeError, match="Radio has no tag"):
        xml.format(Radio(band="am"))
    with pytest.raises(TypeError, match="Radio has no tag"):
        xml.parse(Radio, "<radio/>")


def test_a_misspelled_option_of_a_declaration_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unknown class options tagg"):
        type(Element)("Bus", (Element,), {"__module__": __name__}, tagg="bus")


@pytest.mark.parametrize("text", ["<", ">", "&", "'", '"', "a\nb", "\t", "\r", "é", "\U0001f600"])
def test_special_characters_survive_in_text_and_attributes(text: str) -> None:
    car = Car(name=f"x{text}y", radio=Radio(band="am", label=f"x{text}y"))
    assert xml.parse(Car, xml.format(car)) == car


def test_the_five_special_characters_are_spelled_as_libvirt_does() -> None:
    assert "<name>&lt;&gt;&amp;&apos;&quot;</name>" in xml.format(Car(name="<>&'\""))


def test_comments_and_processing_instructions_are_passed_over() -> None:
    assert parsed("<!-- a --><?pi x?><owner>A<!-- b -->nn</owner>").owners == ("Ann",)


def test_cdata_is_text() -> None:
    assert parsed("<owner><![CDATA[<Ann>]]></owner>").owners == ("<Ann>",)


def test_a_document_type_inside_cdata_is_text() -> None:
    assert parsed("<owner><![CDATA[<!DOCTYPE x>]]></owner>").owners == ("<!DOCTYPE x>",)


def test_a_byte_order_mark_and_a_declared_encoding_are_accepted() -> None:
    text = "\ufeff<?xml version='1.0' encoding='ISO-8859-1'?><car><name>é</name></car>"
    assert xml.parse(Car, text).name == "é"


# -- problems --------------------------------------------------------------------------


def test_all_problems_are_reported_at_once_each_with_its_place() -> None:
    detail = complaint(
        "<wheel/><wheel size='x'/><place kind='far' miles='0x10000'/><radio band='xm'/>", "id='-1'"
    )
    assert detail.splitlines()[0] == "5 problems in the car XML:"
    assert "/car/@id: -1 is not between 0 and 18446744073709551615" in detail
    assert "/car/wheel[1]/@size: this attribute is missing" in detail
    assert "/car/wheel[2]/@size: 'x' is not a whole number" in detail
    assert "/car/place/@miles: 65536 is not between 0 and 65535" in detail
    assert "/car/radio/@band: 'xm' is not one of am, fm" in detail


def test_an_unknown_element_is_unsupported_and_named_with_a_guess() -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        parsed("<weel size='1'/>")
    assert caught.value.detail == (
        "/car/weel: the element <weel> is not supported here; did you mean <wheel>?"
    )


def test_an_unknown_attribute_is_unsupported_and_named() -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        parsed("<wheel size='1' colour='red'/>")
    assert caught.value.detail == (
        "/car/wheel/@colour: the attribute 'colour' of <wheel> is not supported"
    )


@pytest.mark.parametrize(
    ("inner", "place"),
    [
        ("<locked x='1'/>", "/car/locked/@x"),
        ("<locked><y/></locked>", "/car/locked/y"),
        ("<owner x='1'>A</owner>", "/car/owner/@x"),
        ("<owner>A<b/></owner>", "/car/owner/b"),
        ("<abs x='1'/>", "/car/abs/@x"),
        ("<abs><y/></abs>", "/car/abs/y"),
        ("<tank x='1'>1</tank>", "/car/tank/@x"),
        ("<z:thing xmlns:z='urn:z'/>", "/car/z:thing"),
        ("<extra/>", "/car/extra"),
    ],
)
def test_nothing_unknown_is_lost_in_silence(inner: str, place: str) -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        parsed(inner)
    assert caught.value.detail.startswith(f"{place}: ")


def test_lenient_reading_passes_over_the_unknown_but_not_over_the_wrong() -> None:
    text = "<car new='1'><name>c</name><novel/><wheel size='1' hue='x'/></car>"
    assert xml.parse(Car, text, lenient=True) == Car(name="c", wheels=(Wheel(size=1),))
    with pytest.raises(XmlError):
        xml.parse(Car, "<car new='1'><name>c</name><wheel/></car>", lenient=True)


def test_a_mixture_of_wrong_and_unknown_is_an_error_in_the_xml() -> None:
    with pytest.raises(XmlError):
        parsed("<wheel/><novel/>")


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        ("<engine/><engine/>", "/car/engine[2]: <engine> is given more than once"),
        ("<name>d</name>", "/car/name[2]: <name> is given more than once"),
        ("<place/>", "/car/place/@kind: this attribute is missing"),
        ("<place kind='no'/>", "/car/place/@kind: 'no' is not one of near, far"),
        ("<place kind='near'/>", "/car/place/@metres: this attribute is missing"),
        ("<tank unit='x'>1</tank>", "/car/tank: 'x' is no unit; use bytes, KiB, MiB, GiB or TiB"),
        ("<tank>1.5</tank>", "/car/tank: '1.5' is not a whole number"),
        ("<light on='maybe'/>", "/car/light/@on: 'maybe' is not one of yes, no"),
        ("<trailer/>", "/car/trailer: the element is empty"),
        ("<trailer> </trailer>", "/car/trailer: the element is empty"),
        ("<trailer>x</trailer>", "/car/trailer: 'x' is not a whole number"),
        ("<tank unit='EiB'>8</tank>", "/car/tank: 8 EiB is more than there can be"),
        ("<place kind='far' miles='0x'/>", "/car/place/@miles: '0x' is not an octal number"),
        ("<place kind='far' miles='09'/>", "/car/place/@miles: '09' is not an octal number"),
        ("<radio band='am'><preset>x</preset></radio>", "/car/radio/preset: 'x' is not a whole"),
        ("<wheel size='1_0'/>", "/car/wheel/@size: '1_0' is not a whole number"),
        ("<wheel size='١'/>", "/car/wheel/@size: '١' is not a whole number"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(inner: str, said: str) -> None:
    assert complaint(inner).startswith(said)


def test_a_missing_element_is_named() -> None:
    with pytest.raises(XmlError, match="/car/name: this element is missing"):
        xml.parse(Car, "<car/>")


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    assert len(complaint(f"<wheel size='{'9' * 5000}x'/>")) < 200


def test_the_list_of_problems_ends_somewhere() -> None:
    detail = complaint("<wheel/>" * 500)
    assert detail.startswith("500 problems")
    assert detail.endswith("and 450 more")


def test_another_root_element_is_refused() -> None:
    with pytest.raises(XmlError, match="expecting root element of 'car', not 'bus'"):
        xml.parse(Car, "<bus/>")


def test_the_class_can_be_chosen_by_the_root_element() -> None:
    classes = {"car": Car, "wheel": Wheel}
    assert xml.parse_any(classes, "<wheel size='2'/>") == Wheel(size=2)
    with pytest.raises(XmlError, match="expected <car> or <wheel>"):
        xml.parse_any(classes, "<bus/>")


def test_members_are_the_classes_of_child_elements() -> None:
    assert xml.members(Car)["wheel"] is Wheel


# -- values ----------------------------------------------------------------------------


def test_values_are_frozen() -> None:
    car = Car(name="c")
    with pytest.raises(AttributeError, match="frozen"):
        car.name = "d"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del car.name
    with pytest.raises(AttributeError):
        car.colour = "red"  # type: ignore[attr-defined]


def test_values_change_by_dataclasses_replace() -> None:
    car = Car(name="c", wheels=(Wheel(size=1),))
    assert dataclasses.replace(car, name="d") == Car(name="d", wheels=(Wheel(size=1),))
    assert [field.name for field in dataclasses.fields(Wheel)] == ["size", "maker"]


def test_values_compare_and_hash_by_content() -> None:
    assert Wheel(size=1) == Wheel(size=1)
    assert Wheel(size=1) != Wheel(size=2)
    assert Near(metres=1) != Far(miles=1)
    assert len({Wheel(size=1), Wheel(size=1), Wheel(size=2)}) == 2


def test_values_show_what_differs_from_the_defaults() -> None:
    assert repr(Car(name="c", locked=True)) == "Car(name='c', locked=True)"


def test_values_copy_and_pickle() -> None:
    car = xml.parse(Car, FULL)
    assert copy.deepcopy(car) is car
    assert pickle.loads(pickle.dumps(car)) == car


def test_a_missing_or_unknown_argument_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="missing 'name'"):
        Car()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="has no field colour"):
        Car(name="c", colour="red")  # type: ignore[call-arg]


def test_a_subclass_field_comes_before_a_trailing_parent_s() -> None:
    assert [field.name for field in Radio.declared()] == ["band", "preset", "label"]
    assert [field.name for field in Engine.declared()] == ["bore", "stroke", "fuel"]


# -- kept elements ---------------------------------------------------------------------


def test_a_kept_element_keeps_order_namespaces_comments_and_mixed_content() -> None:
    car = parsed(
        "<note><b:x xmlns:b='urn:b'>one <i>two</i> three</b:x><!-- c --><a at='1'/></note>"
    )
    assert car.note == (
        "<note>\n"
        '    <b:x xmlns:b="urn:b">one <i>two</i> three</b:x>\n'
        "    <!-- c -->\n"
        '    <a at="1"/>\n'
        "  </note>"
    )


def test_a_kept_element_takes_along_the_namespaces_it_uses_and_no_others() -> None:
    car = xml.parse(
        Car,
        "<car xmlns:u='urn:u' xmlns:v='urn:v'><name>c</name><note><u:x/></note></car>",
    )
    assert car.note is not None
    assert 'xmlns:u="urn:u"' in car.note
    assert "urn:v" not in car.note


def test_a_kept_element_is_the_same_after_any_number_of_rounds() -> None:
    text = xml.format(parsed("<note><p> a <b/> c </p><q><r/><s>t\nu</s></q></note>"))
    assert xml.format(xml.parse(Car, text)) == text


def test_a_replaced_value_is_what_dataclasses_makes_of_it() -> None:
    radio = Radio(band="am", label="old")
    changed = xml.replaced(radio, preset=4, label=None)
    assert changed == dataclasses.replace(radio, preset=4, label=None)
    assert radio == Radio(band="am", label="old")
    with pytest.raises(TypeError, match="no field colour"):
        xml.replaced(radio, colour="red")
