"""`create`: a machine of an image, ready to log in to; or, as in virsh, a domain of an XML file.

The rule kept here: `-`, a path, or a word that names a file of XML means virsh's `create`.
"""

from __future__ import annotations

import os

from virtory.cli.output import Done, Output
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb(
    "create",
    "machine",
    "a machine of an image, ready to log in to; or a domain of an XML file",
    argument("name", "the new machine's name, or an XML file", required=False, complete="file"),
    option("image", "what is on its disk (default debian-12)", complete="image"),
    option("vcpus", "virtual CPUs (default 1)", kind="number"),
    option("memory", "such as 1G; the image's liking by default"),
    option("disk", "the disk's size, such as 20G"),
    option("hostname", "its name for itself (default: its name)"),
    option("ssh-key", "a public key file; your own, or one made for you, by default"),
    option("ssh-port", "of this host's loopback; any free one by default", kind="number"),
    option("publish", "HOSTPORT:GUESTPORT, several with commas"),
    option(
        "network",
        "a network of the daemon, such as default; user mode without it",
        complete="network",
    ),
    option("user-data", "a cloud-config of yours, merged with virtory's", complete="file"),
    option("boot", "how it boots", choices=("auto", "direct", "disk")),
    option("virtualisation", "how it runs", choices=("auto", "kvm", "qemu")),
    flag("graphics", "give it a VNC display"),
    flag("no-wait", "do not wait until it is ready"),
    flag("print-xml", "only print the domain XML"),
    option("timeout", "give the wait up after these seconds; the machine goes on", kind="number"),
    option("file", "an XML file, as in virsh", complete="file"),
    flag("paused", "XML file: leave the CPUs stopped"),
    flag("autodestroy", "XML file: destroy it when this connection ends"),
    flag("console", "XML file: go to its console"),
    flag("validate", "XML file: against libvirt's schema first"),
    loop=True,
)
async def create(terminal: Terminal, name: str | None, **given: Any) -> Output | None:
    """virtory's `create`, and `virsh create`."""
    if given["file_"]:
        return await _from_xml(terminal, given["file_"], given)
    if name is None:
        from virtory.cli.parse import Usage

        raise Usage("create: name is missing", "virtory help create")
    if given["image"] is None and _is_xml(name):
        return await _from_xml(terminal, name, given)
    from virtory.cli.machines import made, ordered, preview_text, waited

    order = ordered(name, given)
    if given["print_xml"]:
        return await preview_text(terminal, order)
    machine = await made(terminal, order)
    if given["no_wait"]:
        return Done(
            f"Machine '{name}' started; 'virtory wait {name}' waits until it is ready", name=name
        )
    return await waited(terminal, machine, timeout_s=given["timeout"])


def _is_xml(word: str) -> bool:
    """Whether `word` can only mean a file of XML; a machine's name has neither `/` nor `.xml`."""
    if word == "-" or "/" in word or word.endswith(".xml"):
        return True
    if not os.path.isfile(word):
        return False
    with open(word, "rb") as stream:
        return stream.read(64).lstrip().startswith(b"<")


async def _from_xml(terminal: Terminal, path: str, given: dict[str, Any]) -> Output | None:
    from virtory.cli.files import text_of

    machine = await terminal.host.create_domain(
        text_of(path),
        paused=given["paused"],
        autodestroy=given["autodestroy"],
        validate=given["validate"],
    )
    done = Done(
        f"Domain '{machine.name}' created from {path}", name=machine.name, uuid=machine.uuid
    )
    if not given["console"]:
        return done
    from virtory.cli.console import attach

    terminal.say(done.text().strip())
    await attach(machine, None, force=False)
    return None
