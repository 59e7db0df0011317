"""Secrets that the daemon keeps.

The rule kept here: words and columns are virsh's; a value is shown by `secret-get-value` only.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output, Table, Text
from virtory.cli.verb import argument, flag, option, verb
from virtory.cli.xml_output import XPATH, described
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_USAGES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")
_LISTS = {"ephemeral": 1, "no-ephemeral": 2, "private": 4, "no-private": 8}
SECRET = argument("secret", "its UUID")


@verb("secret-list", "host", "the secrets", *(flag(name, f"{name} ones") for name in _LISTS))
async def secret_list(terminal: Terminal, **given: bool) -> Output:
    """`virsh secret-list`."""
    flags = sum(bit for name, bit in _LISTS.items() if given[name.replace("-", "_")])
    found = await terminal.host.list_secrets(flags=flags)
    rows = []
    for one in sorted(found, key=lambda one: one.uuid):
        kind = _USAGES[one.usage_type] if one.usage_type < len(_USAGES) else str(one.usage_type)
        rows.append([one.uuid, f"{kind} {one.usage}" if one.usage_type else "Unused"])
    return Table(["UUID", "Usage"], rows)


@verb(
    "secret-define",
    "host",
    "keep a secret, its value to be set",
    argument("file", "its description, as XML", complete="file"),
    flag("validate", "check it against libvirt's schema"),
)
async def secret_define(terminal: Terminal, file_: str, validate: bool) -> Output:
    """`virsh secret-define`."""
    from virtory.cli.files import text_of

    made = await terminal.host.define_secret(text_of(file_), flags=int(validate))
    return Done(f"Secret {made.uuid} created", uuid=made.uuid)


@verb("secret-dumpxml", "host", "what a secret is for, as XML", SECRET, *XPATH)
async def secret_dumpxml(terminal: Terminal, secret: str, xpath: str | None, wrap: bool) -> Output:
    """`virsh secret-dumpxml`."""
    return described(await (await terminal.host.secret(secret)).xml(), xpath, wrap)


@verb(
    "secret-set-value",
    "host",
    "give a secret its value",
    SECRET,
    argument("base64", "the value, as base64; seen by every user of this host", required=False),
    option("file", "read the value from a file instead"),
    flag("plain", "the file holds the value itself, no base64"),
    flag("interactive", "ask for it on the terminal"),
)
async def secret_set_value(
    terminal: Terminal,
    secret: str,
    base64: str | None,
    file_: str | None,
    plain: bool,
    interactive: bool,
) -> Output:
    """`virsh secret-set-value`."""
    found = await terminal.host.secret(secret)
    await found.set_value(_value(base64, file_, plain=plain, interactive=interactive))
    return Done("Secret value set", uuid=found.uuid)


def _value(text: str | None, path: str | None, *, plain: bool, interactive: bool) -> bytes:
    import binascii

    from virtory.cli.parse import Usage

    if (text is not None) + (path is not None) + interactive != 1:
        raise Usage("give the value once: with --file, with --interactive or as base64")
    if interactive:
        import getpass

        return getpass.getpass("Enter new value for secret: ").encode()
    data = (text or "").encode()
    if path is not None:
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise Usage(f"'{path}' can not be read: {error.strerror}") from None
        if plain:
            return data
    try:
        return binascii.a2b_base64(data)
    except ValueError as error:
        raise Usage(f"the value is not base64: {error}", "--file with --plain takes any") from None


@verb(
    "secret-get-value",
    "host",
    "show a secret's value, as base64",
    SECRET,
    flag("plain", "the value itself"),
)
async def secret_get_value(terminal: Terminal, secret: str, plain: bool) -> Output:
    """`virsh secret-get-value`."""
    import binascii

    value = await (await terminal.host.secret(secret)).value()
    if plain:
        return Text(value.decode(errors="replace"), key="value")
    return Text(binascii.b2a_base64(value, newline=False).decode(), key="value")


@verb("secret-undefine", "host", "forget a secret", SECRET)
async def secret_undefine(terminal: Terminal, secret: str) -> Output:
    """`virsh secret-undefine`."""
    found = await terminal.host.secret(secret)
    await found.undefine()
    return Done(f"Secret {found.uuid} deleted", uuid=found.uuid)
