"""What applications keep with a machine; the expected texts are those of libvirt 9.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtory.errors import XmlError
from virtory.model.domain import Domain, format_domain, parse_domain
from virtory.model.domain.metadata import metadata_of, with_metadata

DATA = Path(__file__).resolve().parents[1] / "data" / "domain"
URI = "urn:example:new"


@pytest.fixture
def domain() -> Domain:
    return parse_domain((DATA / "machine.xml").read_text())


@pytest.fixture
def bare() -> Domain:
    return parse_domain((DATA / "minimal.xml").read_text())


def test_an_element_comes_without_its_namespace(domain: Domain) -> None:
    assert metadata_of(domain, "urn:example:app") == (
        "<app>\n  <mixed>text <b>bold</b> more</mixed>\n  <!-- kept? -->\n</app>"
    )


def test_there_is_none_for_another_application(domain: Domain, bare: Domain) -> None:
    assert metadata_of(domain, URI) is None
    assert metadata_of(bare, URI) is None


def test_an_element_is_added_after_the_others_with_its_prefix(domain: Domain) -> None:
    changed = with_metadata(domain, URI, "n", "<a x='1'><b>t</b></a>")
    assert format_domain(changed) == format_domain(domain).replace(
        "  </metadata>\n",
        f'    <n:a xmlns:n="{URI}" x="1">\n      <n:b>t</n:b>\n    </n:a>\n  </metadata>\n',
    )
    assert metadata_of(changed, URI) == '<a x="1">\n  <b>t</b>\n</a>'


def test_an_element_is_replaced_and_removed(domain: Domain) -> None:
    changed = with_metadata(domain, URI, "n", "<a/>")
    changed = with_metadata(changed, URI, "n", "<c/>")
    assert metadata_of(changed, URI) == "<c/>"
    assert with_metadata(changed, URI, "n", None) == domain


def test_the_first_element_makes_the_metadata_and_the_last_takes_it_away(bare: Domain) -> None:
    changed = with_metadata(bare, URI, "n", "<a/>")
    assert changed.metadata == f'<metadata>\n    <n:a xmlns:n="{URI}"/>\n  </metadata>'
    assert with_metadata(changed, URI, "n", None) == bare


def test_removing_what_is_not_there_changes_nothing(bare: Domain) -> None:
    assert with_metadata(bare, URI, "n", None) == bare


def test_elements_of_other_namespaces_inside_keep_theirs(bare: Domain) -> None:
    changed = with_metadata(bare, URI, "n", "<a xmlns:o='urn:o'><o:b/><c/></a>")
    assert changed.metadata is not None
    assert "<o:b/>" in changed.metadata
    assert "<n:c/>" in changed.metadata


def test_a_comment_beside_the_elements_stays(bare: Domain) -> None:
    text = format_domain(with_metadata(bare, "urn:x", "x", "<a/>"))
    commented = parse_domain(text.replace("<metadata>", "<metadata><!-- mine -->"))
    changed = with_metadata(commented, URI, "n", "<b/>")
    assert changed.metadata is not None
    assert "<!-- mine -->" in changed.metadata
    assert metadata_of(changed, "urn:x") == "<a/>"


@pytest.mark.parametrize("content", ["", "text", "<a>", "<!DOCTYPE a><a/>", "<a/><b/>"])
def test_what_is_no_element_is_refused(bare: Domain, content: str) -> None:
    with pytest.raises(XmlError):
        with_metadata(bare, URI, "n", content)


@pytest.mark.parametrize(("key", "uri"), [("1x", "urn:x"), ("a b", "urn:x"), ("xml", "urn:x")])
def test_a_prefix_that_xml_does_not_allow_is_refused(bare: Domain, key: str, uri: str) -> None:
    with pytest.raises(XmlError):
        with_metadata(bare, uri, key, "<a/>")
