"""Making and fetching images, as seen from a terminal.

The rule kept here: long work tells what it does and how far it is; the image is there whole or not
at all, also when Ctrl-C breaks it off.
"""

from __future__ import annotations

import signal

from virtory.cli.machines import said
from virtory.cli.output import Data, Output
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.provision.images import Image


async def built(terminal: Terminal, name: str, *, replace: bool = False) -> Output:
    """Build the image from its recipe."""
    from virtory.provision.images import ImageStore
    from virtory.provision.recipes import RECIPES, build

    if name in RECIPES:
        recipe = RECIPES[name]
        terminal.say(f"Building the image '{name}': {recipe.makes}.")
        terminal.say(f"This costs {recipe.costs}.")
    # It blocks: in an event loop, whose Ctrl-C waits for the next `await`, it would go on.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with terminal.if_broken_off(f"the image '{name}' was not built"):
            image = build(name, ImageStore(), lambda step: said(terminal, step), replace=replace)
    finally:
        signal.signal(signal.SIGINT, former)
    return _told(image, "built")


async def pulled(
    terminal: Terminal,
    url: str,
    *,
    as_name: str | None,
    checksum: str | None,
    user: str | None,
    replace: bool,
) -> Output:
    """Download the image."""
    from virtory.provision.images import ImageStore
    from virtory.provision.pull import pull

    with terminal.if_broken_off("what has arrived is kept, and taken up by the same command"):
        image = pull(
            url,
            ImageStore(),
            lambda step: said(terminal, step),
            name=as_name,
            checksum=checksum,
            user=user,
            replace=replace,
        )
    return _told(image, "pulled")


def _told(image: Image, done: str) -> Output:
    text = f"Image '{image.name}' {done}: {image.file_size / 2**20:.0f} MiB\n"
    return Data(
        f"{text}Make a machine of it: virtory create NAME --image {image.name}\n", image.as_json()
    )
