"""Files that verbs take: XML descriptions, `-` for standard input.

The rule kept here: a file that can not be read is an error with its name and what to do.
"""

from __future__ import annotations

import sys

from virtory.errors import OpenFailed, XmlError

MOST = 16 << 20


def text_of(path: str) -> str:
    """What the file holds; raises `OpenFailed`."""
    if path == "-":
        return sys.stdin.read(MOST)
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(MOST)
    except UnicodeDecodeError:
        raise OpenFailed(f"the file '{path}' is not text", cure="give an XML file") from None
    except OSError as error:
        raise OpenFailed(
            f"Failed to open file '{path}': {error.strerror}", cure="check the path"
        ) from None


def elements(path: str, name: str) -> list[str]:
    """Every outermost element called `name` in the file, as XML; raises `XmlError` for none."""
    from xml.etree import ElementTree

    text = text_of(path).strip()
    if text.startswith("<?"):
        text = text.partition("?>")[2]
    try:
        root = ElementTree.fromstring(f"<all>{text}</all>")
    except ElementTree.ParseError as error:
        raise XmlError(f"'{path}' is not well-formed: {error}") from None
    found = [ElementTree.tostring(item, "unicode").strip() for item in root.iter(name)]
    if not found:
        raise XmlError(f"'{path}' has no <{name}> element")
    return found
