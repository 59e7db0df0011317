"""`image`: what machines are made of: build, pull, list, remove.

The rule kept here: an image that a machine stands on is never removed.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output, Table
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb(
    "image",
    "machine",
    "images: list, build NAME, pull URL, rm NAME",
    argument("action", "what to do", choices=("list", "build", "pull", "rm"), required=False),
    argument("name", "an image's name, or a URL to pull", required=False, complete="image"),
    option("as", "pull: the name it gets here"),
    option("checksum", "pull: sha256:… or sha512:…"),
    option("user", "pull: who logs in (default: what its name suggests)"),
    flag("replace", "build, pull: in place of the one there is"),
    local=True,
)
async def image(
    terminal: Terminal,
    action: str | None,
    name: str | None,
    checksum: str | None,
    user: str | None,
    replace: bool,
    **given: str | None,
) -> Output:
    """The image store; needs no daemon."""
    from virtory.cli import images
    from virtory.cli.parse import Usage

    if action in (None, "list"):
        return _listed()
    if not name:
        raise Usage(f"image {action}: name an image", "'virtory image list' shows what there is")
    if action == "build":
        return await images.built(terminal, name, replace=replace)
    if action == "pull":
        return await images.pulled(
            terminal, name, as_name=given["as"], checksum=checksum, user=user, replace=replace
        )
    from virtory.provision.images import ImageStore

    gone = ImageStore().remove(name)
    return Done(f"Image '{gone.name}' removed", name=gone.name)


def _listed() -> Output:
    from virtory.provision.images import ImageStore
    from virtory.provision.recipes import RECIPES

    found = ImageStore().list()
    rows: list[list[str | None]] = [
        [item.name, "here", item.user, f"{item.file_size / 2**20:.0f} MiB"] for item in found
    ]
    raw = [item.as_json() for item in found]
    here = {item.name for item in found}
    rows += [[name, "can be built", None, None] for name in RECIPES if name not in here]
    return Table(["Name", "State", "User", "Size"], rows, raw=raw)
