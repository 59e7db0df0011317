"""The XML codec against values and texts that nobody thought of."""

from __future__ import annotations

from typing import Annotated, Literal

from hypothesis import given
from hypothesis import strategies as st

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, Hex, OnOff, Scaled, Text, YesNo
from virtory.errors import ConfigUnsupported, XmlError


class Leaf(Element, tag="leaf"):
    colour: Attr[Literal["green", "red"]]
    count: Attr[int | None] = None
    text: Text[str | None] = None


class Bird(Element, tag="guest", when=("is", "bird")):
    wings: Attr[Annotated[int, Hex(2)]]


class Cat(Element, tag="guest", when=("is", "cat")):
    name: str | None = None


class Tree(Element, tag="tree"):
    kind: Attr[str | None] = None
    height: Annotated[int | None, Scaled("bytes")] = None
    evergreen: bool = False
    watered: Annotated[YesNo | None, At("water/@given")] = None
    lit: Annotated[OnOff | None, At("light/@state")] = None
    leaves: tuple[Leaf, ...] = ()
    guests: tuple[Bird | Cat, ...] = ()
    child: Annotated[Tree | None, At("tree")] = None


# what XML 1.0 can hold; an empty text is the same as none
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1
) | st.sampled_from(["<", "&amp;", "a\nb", "\tx", "x\r", "]]>", "<!-- -->", "'\""])
shown = texts.filter(lambda text: not text.isspace())
maybe_number = st.none() | st.integers(0, 2**63 - 1)
leaves = st.builds(
    Leaf, colour=st.sampled_from(["green", "red"]), count=maybe_number, text=st.none() | shown
)
guests = st.builds(Bird, wings=st.integers(0, 2**32)) | st.builds(Cat, name=st.none() | texts)
trees = st.recursive(
    st.builds(
        Tree,
        kind=st.none() | texts,
        height=maybe_number,
        evergreen=st.booleans(),
        watered=st.none() | st.booleans(),
        lit=st.none() | st.booleans(),
        leaves=st.lists(leaves, max_size=3).map(tuple),
        guests=st.lists(guests, max_size=3).map(tuple),
    ),
    lambda inner: st.builds(Tree, child=inner),
    max_leaves=4,
)


@given(trees)
def test_what_is_written_is_read_back(tree: Tree) -> None:
    text = xml.format(tree)
    assert xml.parse(Tree, text) == tree
    assert xml.format(xml.parse(Tree, text)) == text


@given(trees, st.data())
def test_a_damaged_text_is_read_or_refused_and_never_anything_else(
    tree: Tree, data: st.DataObject
) -> None:
    text = xml.format(tree)
    place = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 12))
    put = data.draw(st.text(max_size=4) | st.sampled_from(["<", ">", "</tree>", "<leaf/>", "&"]))
    try:
        read = xml.parse(Tree, text[:place] + put + text[place + cut :])
    except (XmlError, ConfigUnsupported) as error:
        assert str(error)
    else:
        assert xml.parse(Tree, xml.format(read)) == read


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise_is_refused(noise: bytes | str) -> None:
    try:
        xml.parse(Tree, noise)
    except (XmlError, ConfigUnsupported) as error:
        assert error.code in (27, 35, 67)
    else:
        raise AssertionError("noise was read as a tree")
