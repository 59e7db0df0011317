"""What a domain is: XML in, XML out, name, title, description, metadata.

The rule kept here: a definition is the user's: it is shown and stored whole.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output, Text
from virtory.cli.verb import CONFIG, CURRENT, DOMAIN, LIVE, argument, flag, option, verb
from virtory.cli.xml_output import XPATH, described
from virtory.errors import MetadataNotFound
from virtory.lean import TYPE_CHECKING
from virtory.model.list_flags import StorageVolumeDelete

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain


@verb(
    "define",
    "domain",
    "keep a definition, or change one",
    argument("file", "domain XML, - for standard input", complete="file"),
    flag("validate", "against libvirt's schema first"),
)
async def define(terminal: Terminal, file_: str, validate: bool) -> Output:
    """`virsh define`."""
    from virtory.cli.files import text_of

    machine = await terminal.host.define_domain(text_of(file_), validate=validate)
    return Done(
        f"Domain '{machine.name}' defined from {file_}", name=machine.name, uuid=machine.uuid
    )


@verb(
    "undefine",
    "domain",
    "forget a definition; disks stay",
    DOMAIN,
    flag("managed-save", "its managed save too"),
    flag("snapshots-metadata", "what is known of its snapshots too"),
    flag("checkpoints-metadata", "what is known of its checkpoints too"),
    flag("nvram", "its UEFI variables too"),
    flag("keep-nvram", "but keep its UEFI variables"),
    flag("tpm", "its TPM's state too"),
    flag("keep-tpm", "but keep its TPM's state"),
    option("storage", "these disks' volumes too: targets or paths, with commas"),
    flag("remove-all-storage", "all its disks' volumes too"),
    flag("wipe-storage", "overwrite them first"),
    flag("delete-storage-volume-snapshots", "their snapshots too, where the pool has such"),
)
async def undefine(
    terminal: Terminal,
    domain: str,
    storage: str | None,
    remove_all_storage: bool,
    wipe_storage: bool,
    delete_storage_volume_snapshots: bool,
    **given: bool,
) -> Output:
    """`virsh undefine`."""
    machine = await terminal.domain(domain)
    doomed = []
    if storage is not None or remove_all_storage:
        from virtory.cli.domain_volumes import chosen

        names = None if storage is None else storage.split(",")
        doomed = await chosen(terminal, machine, names)
    await machine.undefine(**given)
    message = f"Domain '{machine.name}' has been undefined"
    if not doomed:
        return Done(message, name=machine.name)
    from virtory.cli.domain_volumes import removed

    snapshots = StorageVolumeDelete.WITH_SNAPSHOTS * delete_storage_volume_snapshots
    lines, failures = await removed(doomed, wiped=wipe_storage, flags=snapshots)
    done = Done("\n".join([message, *lines]), name=machine.name, volumes=lines)
    done.status = int(failures > 0)
    return done


@verb("domrename", "domain", "give a domain another name", DOMAIN, argument("new-name", "the name"))
async def domrename(terminal: Terminal, domain: str, new_name: str) -> Output:
    """`virsh domrename`."""
    await (await terminal.domain(domain)).rename(new_name)
    return Done("Domain successfully renamed", name=new_name)


@verb(
    "dumpxml",
    "domain",
    "its description, as XML",
    DOMAIN,
    flag("inactive", "as it will be at the next start"),
    flag("security-info", "with passwords"),
    flag("update-cpu", "with the CPU this host would give"),
    flag("migratable", "as another host would get it"),
    *XPATH,
)
async def dumpxml(
    terminal: Terminal,
    domain: str,
    inactive: bool,
    security_info: bool,
    update_cpu: bool,
    migratable: bool,
    xpath: str | None,
    wrap: bool,
) -> Output:
    """`virsh dumpxml`."""
    machine = await terminal.domain(domain)
    xml = await machine.xml(
        inactive=inactive, secure=security_info, update_cpu=update_cpu, migratable=migratable
    )
    return described(xml, xpath, wrap)


@verb(
    "edit",
    "domain",
    "change a definition in an editor",
    DOMAIN,
    flag("skip-validate", "do not check it against libvirt's schema"),
)
async def edit(terminal: Terminal, domain: str, skip_validate: bool) -> Output:
    """`virsh edit`."""
    from virtory.cli.editor import kept

    machine = await terminal.domain(domain)
    before = await machine.xml(inactive=True, secure=True)
    if await kept(terminal, before, terminal.host.define_domain):
        return Done(f"Domain '{machine.name}' XML configuration edited.", name=machine.name)
    return Done(f"Domain '{machine.name}' XML configuration not changed.", name=machine.name)


@verb(
    "desc",
    "domain",
    "show or set its description or title",
    DOMAIN,
    LIVE,
    CONFIG,
    CURRENT,
    flag("title", "the title"),
    flag("edit", "in an editor"),
    argument("new-desc", "the new text", required=False, kind="words"),
)
async def desc(
    terminal: Terminal,
    domain: str,
    live: bool,
    config: bool,
    current: bool,
    title: bool,
    edit: bool,
    new_desc: list[str],
) -> Output:
    """`virsh desc`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    flags = modification(live, config, current)
    what = "title" if title else "description"
    if not edit and not new_desc:
        text = await _text(machine, title, flags)
        if text is None:
            return Text(f"No {what} for domain: {machine.name}\n", key=what, value="")
        return Text(f"{text}\n", key=what, value=text)
    text = " ".join(new_desc)
    if edit:
        from virtory.cli.editor import edited

        text = edited(text or await _text(machine, title, flags) or "", suffix=".txt").strip()
    setter = machine.set_title if title else machine.set_description
    await setter(text or None, flags=flags)
    return Done(f"Domain {what} updated successfully", **{what: text})


async def _text(machine: Domain, title: bool, flags: int) -> str | None:
    try:
        return await (machine.title if title else machine.description)(flags=flags)
    except MetadataNotFound:
        return None


@verb(
    "metadata",
    "domain",
    "show or set its metadata of a namespace",
    DOMAIN,
    argument("uri", "the namespace"),
    LIVE,
    CONFIG,
    CURRENT,
    option("key", "the namespace's prefix, for --set"),
    option("set", "the element to put there"),
    flag("remove", "remove it"),
)
async def metadata(
    terminal: Terminal,
    domain: str,
    uri: str,
    live: bool,
    config: bool,
    current: bool,
    key: str | None,
    set: str | None,
    remove: bool,
) -> Output:
    """`virsh metadata`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    flags = modification(live, config, current)
    if remove or set is not None:
        if set is not None and not key:
            from virtory.cli.parse import Usage

            raise Usage("metadata: --set needs --key", "name the namespace's prefix")
        await machine.set_metadata(uri, key or "", None if remove else set, flags=flags)
        return Done("Metadata removed" if remove else "Metadata modified", uri=uri)
    found = await machine.metadata(uri, flags=flags)
    return Text(f"{found.rstrip()}\n\n", key="metadata", value=found)


@verb(
    "domxml-to-native",
    "domain",
    "the command line QEMU would get",
    argument("format", "qemu-argv"),
    argument("xml", "a file with domain XML", required=False, complete="file"),
    option("domain", "a domain instead of a file", complete="domain"),
)
async def domxml_to_native(
    terminal: Terminal, format_: str, xml: str | None, domain: str | None
) -> Output:
    """`virsh domxml-to-native`."""
    from virtory.cli.files import text_of
    from virtory.cli.parse import Usage

    if (xml is None) == (domain is None):
        raise Usage("domxml-to-native: name either a file or a --domain")
    if domain is not None:
        text = await (await terminal.domain(domain)).xml(inactive=True, secure=True)
    else:
        text = text_of(xml or "")
    native = await terminal.host.xml_to_native(format_, text)
    return Text(f"{native.rstrip()}\n\n", key="native", value=native)
