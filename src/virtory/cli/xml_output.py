"""A description as a verb answers it: whole, or what an XPath expression finds in it.

The rule kept here: virsh's `--xpath` and `--wrap` for every kind of object: put `*XPATH` among a
verb's options and answer with `described(xml, xpath, wrap)`.
"""

from __future__ import annotations

from virtory.cli.output import Text
from virtory.cli.verb import flag, option
from virtory.lean import Any

XPATH = (
    option("xpath", "only what this XPath expression finds"),
    flag("wrap", "put what XPath finds into one root element"),
)


def described(xml: str, xpath: str | None, wrap: bool) -> Text:
    """The answer; raises `Usage` when `xpath` is no expression."""
    if xpath is not None:
        xml = _found(xml, xpath, wrap)
    return Text(f"{xml.rstrip()}\n\n", key="xml", value=xml)


def _found(xml: str, xpath: str, wrap: bool) -> str:
    from lxml import etree

    try:
        found: Any = etree.fromstring(xml.encode()).xpath(xpath)
    except etree.XPathError as error:
        from virtory.cli.parse import Usage

        raise Usage(f"'{xpath}' is not an XPath expression: {error}") from None
    items = found if isinstance(found, list) else [found]
    parts = [
        item if isinstance(item, str | float | bool) else etree.tostring(item, encoding="unicode")
        for item in items
    ]
    text = "\n".join(str(part).strip() for part in parts)
    return f"<nodes>\n{text}\n</nodes>" if wrap else text
