"""Pools: XML in, or words that become XML; definitions kept and forgotten.

The rule kept here: `--print-xml` prints exactly what would have been sent.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output, Text
from virtory.cli.storage_words import BUILD, POOL, create_flags, pool_named
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_FILE = argument("file", "pool XML, - for standard input", complete="file")
_AS = (
    argument("name", "the new pool's name"),
    argument("type", "dir, fs, logical …"),
    flag("print-xml", "print the XML instead"),
    argument("source-host", "the server", required=False),
    argument("source-path", "the path on it", required=False),
    argument("source-dev", "the device, image or target", required=False),
    argument("source-name", "the volume group's or other source's name", required=False),
    argument("target", "the directory where its volumes are", required=False),
    option("source-format", "the source's format"),
    option("auth-type", "how a server is asked: chap, ceph"),
    option("auth-username", "as whom"),
    option("secret-usage", "which stored secret, by usage"),
    option("secret-uuid", "which stored secret, by UUID"),
    option("adapter-name", "the SCSI host's name"),
    option("adapter-wwnn", "the SCSI host's node"),
    option("adapter-wwpn", "the SCSI host's port"),
    option("adapter-parent", "the SCSI host above it"),
    option("adapter-parent-wwnn", "the SCSI host above it, by node"),
    option("adapter-parent-wwpn", "the SCSI host above it, by port"),
    option("adapter-parent-fabric-wwn", "the SCSI host above it, by fabric"),
    option("source-protocol-ver", "the version of NFS"),
    option("source-initiator", "this host's name for iSCSI"),
)


@verb(
    "pool-define",
    "pool",
    "keep a pool's definition, or change one",
    _FILE,
    flag("validate", "against libvirt's schema first"),
)
async def pool_define(terminal: Terminal, file_: str, validate: bool) -> Output:
    """`virsh pool-define`."""
    from virtory.cli.files import text_of

    made = await terminal.host.define_storage_pool(text_of(file_), flags=int(validate))
    return Done(f"Pool {made.name} defined from {file_}", name=made.name, uuid=made.uuid)


@verb("pool-define-as", "pool", "keep a pool's definition, by options", *_AS)
async def pool_define_as(terminal: Terminal, **given: Any) -> Output:
    """`virsh pool-define-as`."""
    xml = _described(given)
    if given["print_xml"]:
        return Text(f"{xml}\n", key="xml", value=xml)
    made = await terminal.host.define_storage_pool(xml)
    return Done(f"Pool {made.name} defined", name=made.name, uuid=made.uuid)


@verb("pool-create", "pool", "start a pool that is not kept", _FILE, *BUILD)
async def pool_create(terminal: Terminal, file_: str, **given: Any) -> Output:
    """`virsh pool-create`."""
    from virtory.cli.files import text_of

    flags = create_flags(given)
    made = await terminal.host.create_storage_pool(text_of(file_), flags=flags)
    return Done(f"Pool {made.name} created from {file_}", name=made.name, uuid=made.uuid)


@verb("pool-create-as", "pool", "start a pool that is not kept, by options", *_AS, *BUILD)
async def pool_create_as(terminal: Terminal, **given: Any) -> Output:
    """`virsh pool-create-as`."""
    xml = _described(given)
    if given["print_xml"]:
        return Text(f"{xml}\n", key="xml", value=xml)
    made = await terminal.host.create_storage_pool(xml, flags=create_flags(given))
    return Done(f"Pool {made.name} created", name=made.name, uuid=made.uuid)


@verb("pool-undefine", "pool", "forget a pool's definition; nothing is deleted", POOL)
async def pool_undefine(terminal: Terminal, pool: str) -> Output:
    """`virsh pool-undefine`."""
    found = await pool_named(terminal, pool)
    await found.undefine()
    return Done(f"Pool {found.name} has been undefined", name=found.name)


@verb("pool-edit", "pool", "change a pool's definition in an editor", POOL)
async def pool_edit(terminal: Terminal, pool: str) -> Output:
    """`virsh pool-edit`."""
    from virtory.cli.editor import kept

    found = await pool_named(terminal, pool)
    if await kept(terminal, await found.xml(inactive=True), terminal.host.define_storage_pool):
        return Done(f"Pool {found.name} XML configuration edited.", name=found.name)
    return Done(f"Pool {found.name} XML configuration not changed.", name=found.name)


def _described(given: dict[str, Any]) -> str:
    """The options as a pool's XML, in virsh's shape."""
    lines = [f"<pool type={_quoted(given['type_'])}>", f"  <name>{_text(given['name'])}</name>"]
    source = [
        *_one("host", "name", given["source_host"]),
        *_one("dir", "path", given["source_path"]),
        *_one("device", "path", given["source_dev"]),
        *_adapter(given),
        *_auth(given),
    ]
    if given["source_initiator"]:
        iqn = f"      <iqn name={_quoted(given['source_initiator'])}/>"
        source += ["    <initiator>", iqn, "    </initiator>"]
    source += _one("format", "type", given["source_format"])
    if given["source_name"]:
        source.append(f"    <name>{_text(given['source_name'])}</name>")
    source += _one("protocol", "ver", given["source_protocol_ver"])
    if source:
        lines += ["  <source>", *source, "  </source>"]
    if given["target"]:
        path = f"    <path>{_text(given['target'])}</path>"
        lines += ["  <target>", path, "  </target>"]
    return "\n".join([*lines, "</pool>", ""])


def _adapter(given: dict[str, Any]) -> list[str]:
    if given["adapter_name"]:
        name = _quoted(given["adapter_name"])
        return [f"    <adapter type='scsi_host' name={name}/>"]
    if not given["adapter_wwnn"]:
        return []
    words = ""
    for key, attribute in (
        ("adapter_parent", "parent"),
        ("adapter_parent_wwnn", "parent_wwnn"),
        ("adapter_parent_wwpn", "parent_wwpn"),
        ("adapter_parent_fabric_wwn", "parent_fabric_wwn"),
    ):
        if given[key]:
            words += f" {attribute}={_quoted(given[key])}"
    words += f" wwnn={_quoted(given['adapter_wwnn'])} wwpn={_quoted(given['adapter_wwpn'] or '')}"
    return [f"    <adapter type='fc_host'{words}/>"]


def _auth(given: dict[str, Any]) -> list[str]:
    if not given["auth_type"] or not given["auth_username"]:
        return []
    kind, name = _quoted(given["auth_type"]), _quoted(given["auth_username"])
    if given["secret_uuid"]:
        secret = f"uuid={_quoted(given['secret_uuid'])}"
    else:
        secret = f"usage={_quoted(given['secret_usage'] or '')}"
    head = f"    <auth type={kind} username={name}>"
    return [head, f"      <secret type={kind} {secret}/>", "    </auth>"]


def _one(tag: str, attribute: str, value: str | None) -> list[str]:
    return [f"    <{tag} {attribute}={_quoted(value)}/>"] if value else []


def _quoted(value: str) -> str:
    return "'" + _text(value).replace("'", "&apos;") + "'"


def _text(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
