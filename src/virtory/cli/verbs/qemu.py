"""QEMU's own monitor.

The rule kept here: the answer is QEMU's, as it came.
"""

from __future__ import annotations

from virtory.cli.output import Data, Output, Text
from virtory.cli.verb import ACTIVE, argument, flag, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb(
    "qemu-monitor-command",
    "guest",
    "ask QEMU's monitor, for experts",
    ACTIVE,
    flag("hmp", "in the monitor's language for people"),
    flag("pretty", "indent the answer"),
    flag("return-value", "the answer's value only"),
    argument("cmd", "JSON, a command's name, or words with --hmp", kind="words"),
)
async def qemu_monitor_command(
    terminal: Terminal, domain: str, cmd: list[str], hmp: bool, pretty: bool, return_value: bool
) -> Output:
    """`virsh qemu-monitor-command`."""
    machine = await terminal.domain(domain)
    text = " ".join(cmd)
    if hmp:
        return Text(await machine.monitor_command(text, human=True))
    if not text.lstrip().startswith("{"):
        text = f'{{"execute": "{text}"}}'
    answer = await machine.monitor_command(text)
    import json

    data = json.loads(answer)
    if return_value:
        data = data.get("return")
        answer = json.dumps(data)
    return Data((json.dumps(data, indent=2) if pretty else answer) + "\n\n", data)
