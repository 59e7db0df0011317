"""What virtory knows about a machine it made, kept in the domain's own `<metadata>`.

The rule kept here: everything needed to log in, to wait and to remove is in the manifest, so any
client of the daemon can do it; nothing that is not listed under `files` is ever removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtory.provision.errors import NotOurMachine

NAMESPACE = "urn:virtory:machine:1"
PREFIX = "virtory"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A machine made by `virtory create`.

    Attributes:
        image: the catalogue name its disk stands on.
        directory: the machine's own directory; `files` are names in it.
        user, host, port: how ssh reaches it (`host` is the forwarded loopback address;
            empty: the address that its network gave it, see `reach.py`).
        key: the private key that opens it; None when ssh's own choice does.
        host_key: the machine's public host key, known before it ever boots.
        instance: cloud-init's instance-id.
        cloud_init: "full" (Debian's), or "minimal" (the tiny image's own reader).
        direct: QEMU loads the kernel, without a boot loader.
    """

    image: str
    directory: Path
    files: tuple[str, ...]
    user: str
    host: str
    port: int
    key: Path | None
    host_key: str
    instance: str
    cloud_init: str = "full"
    direct: bool = False

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def to_xml(self) -> str:
        """The metadata element, without its namespace: that stands where the element is kept."""
        from lxml import etree

        root = etree.Element("machine")
        boot = "direct" if self.direct else "disk"
        etree.SubElement(root, "image", name=self.image, boot=boot)
        ssh = etree.SubElement(root, "ssh", user=self.user, host=self.host, port=str(self.port))
        if self.key is not None:
            ssh.set("key", str(self.key))
        etree.SubElement(ssh, "hostkey").text = self.host_key
        etree.SubElement(root, "seed", instance=self.instance, reader=self.cloud_init)
        files = etree.SubElement(root, "files", directory=str(self.directory))
        for name in self.files:
            etree.SubElement(files, "file", name=name)
        etree.indent(root)
        return etree.tostring(root, encoding="unicode")

    @classmethod
    def from_xml(cls, xml: str, domain: str) -> Manifest:
        """The manifest in `xml` (a metadata element); raises `NotOurMachine` naming `domain`."""
        from lxml import etree

        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        try:
            root = etree.fromstring(xml.encode(), parser)
            ssh, files, seed = (_child(root, name) for name in ("ssh", "files", "seed"))
            names = tuple(child.attrib["name"] for child in files)
            if any("/" in name or name in ("", ".", "..") for name in names):
                raise ValueError("a file name leaves the machine's directory")
            key = ssh.get("key")
            return cls(
                image=_child(root, "image").attrib["name"],
                direct=_child(root, "image").get("boot") == "direct",
                directory=Path(files.attrib["directory"]),
                files=names,
                user=ssh.attrib["user"],
                host=ssh.attrib["host"],
                port=int(ssh.attrib["port"]),
                key=Path(key) if key else None,
                host_key=_child(ssh, "hostkey").text or "",
                instance=seed.attrib["instance"],
                cloud_init=seed.get("reader", "full"),
            )
        except (etree.XMLSyntaxError, KeyError, ValueError) as error:
            raise NotOurMachine(
                f"domain '{domain}' has a manifest that can not be read: {error}",
                cure="use virsh's verbs for it: destroy, undefine",
            ) from None


def not_ours(domain: str) -> NotOurMachine:
    """The error for a domain without a manifest."""
    return NotOurMachine(
        f"domain '{domain}' was not made by 'virtory create' or 'clone': it carries no manifest",
        cure="use 'virtory destroy' and 'virtory undefine' for it; its disks are not virtory's to"
        " remove",
    )


def _child(parent: Any, name: str) -> Any:
    # With the namespace where it is kept, without it where a daemon hands it out.
    found = parent.find(f"{{*}}{name}")
    if found is None:
        raise KeyError(f"no <{name}>")
    return found
