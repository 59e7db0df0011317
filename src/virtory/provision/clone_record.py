"""What the domain of a clone says of the files that were made for it, in its own `<metadata>`.

The rule kept here: only files that the clone alone got are listed, with the machine whose they
are: a description that was copied to another machine gives no right to remove them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.provision.errors import NotOurMachine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.model.domain import Domain

NAMESPACE = "urn:virtory:clone:1"
PREFIX = "virtory-clone"


def recorded(domain: Domain, files: Iterable[str]) -> Domain:
    """The description that lists these files as made for it."""
    from lxml import etree

    from virtory.model.domain.metadata import with_metadata

    root = etree.Element("clone", uuid=str(domain.uuid))
    for path in files:
        etree.SubElement(root, "file", path=path)
    text = etree.tostring(root, encoding="unicode")
    return with_metadata(domain, NAMESPACE, PREFIX, text)


def files_of(xml: str, name: str, uuid: str) -> tuple[str, ...]:
    """The files that the element lists; `NotOurMachine` when it is another machine's, or broken."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(xml.encode(), parser)
        owner = root.attrib["uuid"]
        paths = tuple(str(child.attrib["path"]) for child in root)
    except (etree.XMLSyntaxError, KeyError) as error:
        raise NotOurMachine(
            f"domain '{name}' has a list of a clone's files that can not be read: {error}",
            cure="use virsh's verbs for it: destroy, undefine",
        ) from None
    if owner != uuid:
        raise NotOurMachine(
            f"domain '{name}' was copied from a clone, with the list of that one's files",
            cure="use 'virtory destroy' and 'virtory undefine' for it; its disks are not virtory's"
            " to remove",
        )
    if any(not path.startswith("/") for path in paths):
        raise NotOurMachine(f"domain '{name}' lists a clone's file without its whole path")
    return paths
