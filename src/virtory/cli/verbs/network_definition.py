"""What a network is: XML in, XML out, parts of it changed while it runs.

The rule kept here: a definition is the user's: it is shown and stored whole.
"""

from __future__ import annotations

from virtory.cli.network_words import NETWORK, named
from virtory.cli.output import Done, Output, Text
from virtory.cli.verb import CONFIG, CURRENT, LIVE, argument, flag, option, verb
from virtory.cli.xml_output import XPATH, described
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.network import Network
    from virtory.model.network import Network as Model

_VALIDATE = 1
_FILE = argument("file", "network XML, - for standard input", complete="file")


@verb(
    "net-define",
    "network",
    "keep a network's definition, or change one",
    _FILE,
    flag("validate", "against libvirt's schema first"),
)
async def net_define(terminal: Terminal, file_: str, validate: bool) -> Output:
    """`virsh net-define`."""
    from virtory.cli.files import text_of

    made = await terminal.host.define_network(text_of(file_), flags=_VALIDATE * validate)
    return Done(f"Network {made.name} defined from {file_}", name=made.name, uuid=made.uuid)


@verb(
    "net-create",
    "network",
    "start a network that is not kept",
    _FILE,
    flag("validate", "against libvirt's schema first"),
)
async def net_create(terminal: Terminal, file_: str, validate: bool) -> Output:
    """`virsh net-create`."""
    from virtory.cli.files import text_of

    made = await terminal.host.create_network(text_of(file_), flags=_VALIDATE * validate)
    return Done(f"Network {made.name} created from {file_}", name=made.name, uuid=made.uuid)


@verb("net-undefine", "network", "forget a network's definition", NETWORK)
async def net_undefine(terminal: Terminal, network: str) -> Output:
    """`virsh net-undefine`."""
    found = await named(terminal, network)
    await found.undefine()
    return Done(f"Network {found.name} has been undefined", name=found.name)


@verb(
    "net-dumpxml",
    "network",
    "a network's description, as XML",
    NETWORK,
    flag("inactive", "as it will be at the next start"),
    *XPATH,
)
async def net_dumpxml(
    terminal: Terminal, network: str, inactive: bool, xpath: str | None, wrap: bool
) -> Output:
    """`virsh net-dumpxml`."""
    return described(await (await named(terminal, network)).xml(inactive=inactive), xpath, wrap)


@verb("net-edit", "network", "change a network's definition in an editor", NETWORK)
async def net_edit(terminal: Terminal, network: str) -> Output:
    """`virsh net-edit`."""
    from virtory.cli.editor import kept

    found = await named(terminal, network)
    if await kept(terminal, await found.xml(inactive=True), terminal.host.define_network):
        return Done(f"Network {found.name} XML configuration edited.", name=found.name)
    return Done(f"Network {found.name} XML configuration not changed.", name=found.name)


@verb(
    "net-update",
    "network",
    "change a part of a network, also while it runs",
    NETWORK,
    argument("command", "add-first, add-last (or add), delete, modify"),
    argument(
        "section",
        "ip-dhcp-host, ip-dhcp-range, dns-host, dns-txt, dns-srv, portgroup, forward-interface",
    ),
    argument("xml", "the element, or a file that holds it", complete="file"),
    option("parent-index", "which <ip>, from 0", kind="number"),
    LIVE,
    CONFIG,
    CURRENT,
)
async def net_update(
    terminal: Terminal,
    network: str,
    command: str,
    section: str,
    xml: str,
    parent_index: int | None,
    live: bool,
    config: bool,
    current: bool,
) -> Output:
    """`virsh net-update`."""
    from virtory.cli.files import text_of
    from virtory.cli.terminal import modification
    from virtory.model.network.update import COMMANDS, SECTIONS

    found = await named(terminal, network)
    flags = modification(live, config, current)
    text = xml if xml.lstrip().startswith("<") else text_of(xml)
    await found.update(
        _number(command, COMMANDS, "command"),
        _number(section, SECTIONS, "section"),
        text,
        parent_index=-1 if parent_index is None else parent_index,
        flags=flags,
    )
    if not flags:
        live = await found.is_active()
    both = "persistent config and live state"
    where = both if config and live else "live state" if live else "persistent config"
    return Done(f"Updated network {found.name} {where}", name=found.name)


def _number(word: str, known: dict[str, int], what: str) -> int:
    if word in known:
        return known[word]
    from virtory.cli.parse import Usage

    raise Usage(f"unrecognized {what} name '{word}'", f"it is one of {', '.join(known)}")


@verb(
    "net-desc",
    "network",
    "show or set a network's description or title",
    NETWORK,
    flag("title", "the title"),
    argument("new-desc", "the new text", required=False, kind="words"),
)
async def net_desc(terminal: Terminal, network: str, title: bool, new_desc: list[str]) -> Output:
    """The description or title in a network's definition."""
    import dataclasses

    found = await named(terminal, network)
    defined = await _defined(found)
    what = "title" if title else "description"
    if new_desc:
        text = " ".join(new_desc)
        changes: dict[str, Any] = {what: text}
        await _redefine(terminal, dataclasses.replace(defined, **changes))
        return Done(f"Network {what} updated successfully", **{what: text})
    value = getattr(defined, what)
    if value is None:
        return Text(f"No {what} for network: {found.name}\n", key=what, value="")
    return Text(f"{value}\n", key=what, value=value)


@verb(
    "net-metadata",
    "network",
    "show or set a network's metadata of a namespace",
    NETWORK,
    argument("uri", "the namespace"),
    option("key", "the namespace's prefix, for --set"),
    option("set", "the element to put there"),
    flag("remove", "remove it"),
)
async def net_metadata(
    terminal: Terminal, network: str, uri: str, key: str | None, set: str | None, remove: bool
) -> Output:
    """An application's element in a network's definition."""
    from virtory.errors import MetadataNotFound
    from virtory.model.network.metadata import metadata_of, with_metadata

    found = await named(terminal, network)
    defined = await _defined(found)
    if remove or set is not None:
        if set is not None and not key:
            from virtory.cli.parse import Usage

            raise Usage("net-metadata: --set needs --key", "name the namespace's prefix")
        changed = with_metadata(defined, uri, key or "", None if remove else set)
        await _redefine(terminal, changed)
        return Done("Metadata removed" if remove else "Metadata modified", uri=uri)
    text = metadata_of(defined, uri)
    if text is None:
        raise MetadataNotFound("Requested metadata element is not present")
    return Text(f"{text.rstrip()}\n\n", key="metadata", value=text)


async def _defined(network: Network) -> Model:
    from virtory.model.network import parse_network

    return parse_network(await network.xml(inactive=True), lenient=True)


async def _redefine(terminal: Terminal, changed: Model) -> None:
    from virtory.model.network import format_network

    await terminal.host.define_network(format_network(changed))
