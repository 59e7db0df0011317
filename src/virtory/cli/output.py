"""What a verb answers, as text like virsh's or as JSON.

The rule kept here: a verb says what it found, never how it looks. Columns and labels are virsh's;
JSON keys are the same words in lower case with underscores, and its values are raw numbers.
"""

from __future__ import annotations

import sys

from virtory.lean import Any, NamedTuple

Cell = Any
"""What stands in a table: text, a number, a bool (yes or no), None (`-`)."""


class Field(NamedTuple):
    """One line `label: text`; JSON has `value` (the text when None) under `key`."""

    label: str
    text: str
    key: str = ""
    value: Any = None


class Output:
    """Anything a verb answers; `status` is the process's exit status."""

    status = 0
    raw = False
    """The text goes to a terminal as it is, its control letters too: it is a console's."""

    def text(self) -> str:
        """What virsh would print."""
        raise TypeError(f"{type(self).__name__} has no text")

    def data(self) -> Any:
        """What JSON holds."""
        raise TypeError(f"{type(self).__name__} has no data")


class Text(Output):
    """A text that is the answer: XML, a name, a log."""

    def __init__(self, text: str, *, key: str = "", value: Any = None) -> None:
        self._text = text
        self._data = {key: text if value is None else value} if key else text

    def text(self) -> str:
        return self._text if self._text.endswith("\n") else self._text + "\n"

    def data(self) -> Any:
        return self._data


class Done(Output):
    """Something was done; `more` goes into JSON beside the message."""

    def __init__(self, message: str, **more: Any) -> None:
        self._message = message
        self._more = more

    def text(self) -> str:
        return f"{self._message}\n\n" if self._message else "\n"

    def data(self) -> Any:
        return {"message": self._message, **self._more}


class Lines(Output):
    """One value a line: names, UUIDs, models."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines) + "\n"

    def data(self) -> Any:
        return self._lines


class Fields(Output):
    """Lines of `label: text`, in groups when there are several of a thing."""

    def __init__(self, *groups: list[Field], width: int = 16) -> None:
        self._groups = groups
        self._width = width

    def text(self) -> str:
        return "".join(
            "".join(f"{item.label + ':':<{self._width}}{item.text}\n" for item in group) + "\n"
            for group in self._groups
        )

    def data(self) -> Any:
        groups = [
            {
                item.key or key_of(item.label): item.text if item.value is None else item.value
                for item in group
            }
            for group in self._groups
        ]
        return groups[0] if len(groups) == 1 else groups


class Table(Output):
    """Rows under columns. `raw` gives JSON its rows where the cells are words about numbers."""

    def __init__(
        self, columns: list[str], rows: list[list[Cell]], *, raw: list[dict[str, Any]] | None = None
    ) -> None:
        self.columns = columns
        self.rows = [[_shown(cell) for cell in row] for row in rows]
        self._raw = raw if raw is not None else _keyed(columns, rows)

    def text(self) -> str:
        widths = [
            max(len(column), *(_width(row[i]) for row in self.rows)) if self.rows else len(column)
            for i, column in enumerate(self.columns)
        ]
        lines = [self._line(self.columns, widths), "-" * (sum(widths) + 3 * len(widths))]
        lines += [self._line(row, widths) for row in self.rows]
        return "\n".join(lines) + "\n\n"

    @staticmethod
    def _line(cells: list[str], widths: list[int]) -> str:
        padded = [
            cell + " " * (width - _width(cell))
            for cell, width in zip(cells[:-1], widths, strict=False)
        ]
        return " " + "   ".join([*padded, cells[-1]])

    def data(self) -> Any:
        return self._raw


class Together(Output):
    """Several answers, one after the other; JSON has `data` where it is given."""

    def __init__(self, *parts: Output, data: Any = None) -> None:
        self.parts = parts
        self._data = data
        self.status = max(part.status for part in parts)

    def text(self) -> str:
        return "".join(part.text() for part in self.parts)

    def data(self) -> Any:
        return [part.data() for part in self.parts] if self._data is None else self._data


class Data(Output):
    """Text for people beside data of another shape for programs."""

    def __init__(self, text: str, data: Any, *, raw: bool = False) -> None:
        self._text, self._data, self.raw = text, data, raw

    def text(self) -> str:
        return self._text

    def data(self) -> Any:
        return self._data


class Prose(Data):
    """Labels and sentences: on a terminal lines are broken between words, below the sentence."""


def show(output: Output | None, *, as_json: bool, quiet: bool) -> None:
    """Write `output` to standard output; `quiet` leaves out what only says that it was done."""
    if output is None:
        return
    if as_json:
        import json

        sys.stdout.write(json.dumps(output.data(), indent=2, ensure_ascii=False) + "\n")
    elif sys.stdout.isatty() and not (quiet and isinstance(output, Done)):
        _show_on_a_terminal(output)
    elif not (quiet and isinstance(output, Done)):
        sys.stdout.write(output.text())


_COLOURS = {"running": "green", "ok": "green", "paused": "yellow", "warning": "yellow"}
_COLOURS |= {"crashed": "red", "missing": "red", "shut off": "dim"}


def _show_on_a_terminal(output: Output) -> None:
    if isinstance(output, Together):
        for part in output.parts:
            _show_on_a_terminal(part)
    elif isinstance(output, Table):
        _draw(output)
    elif isinstance(output, Prose):
        import shutil

        columns = shutil.get_terminal_size().columns
        sys.stdout.write(harmless(broken(output.text(), columns)))
    else:
        sys.stdout.write(output.text() if output.raw else harmless(output.text()))


_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}


def harmless(text: str) -> str:
    """`text` without what commands a terminal: a guest or a daemon chose some of the letters."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def broken(text: str, columns: int) -> str:
    """`text` in lines of at most so many columns; what is broken goes on below its last label."""
    import re
    import textwrap

    lines: list[str] = []
    for line in text.splitlines():
        label = re.match(r" *(?:(?:[^ ]+(?: [^ ]+)* {2,})+|[^ ]+: )?", line)
        indent = min(len(label[0]) if label else 0, columns // 2)
        lines += textwrap.wrap(
            line, columns, subsequent_indent=" " * indent, break_on_hyphens=False
        ) or [""]  # fmt: skip
    return "\n".join(lines) + "\n"


def _draw(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text as Styled

    drawn = Drawn(box=None, pad_edge=True, header_style="bold")
    for column in table.columns:
        drawn.add_column(column, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Styled(harmless(cell), style=_COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(drawn)


def key_of(label: str) -> str:
    """`CPU(s)` → `cpus`: a label as a JSON key."""
    kept = "".join(c if c.isalnum() else " " for c in label.replace("(s)", "s").lower())
    return "_".join(kept.split())


def _width(text: str) -> int:
    """The columns that it takes: as in virsh two for a wide letter, none for a mere accent."""
    if text.isascii():
        return len(text)
    import unicodedata

    taken = len(text)
    for letter in text:
        if unicodedata.combining(letter):
            taken -= 1
        elif unicodedata.east_asian_width(letter) in "WF":
            taken += 1
    return taken


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return str(cell)


def _keyed(columns: list[str], rows: list[list[Cell]]) -> list[dict[str, Any]]:
    keys = [key_of(column) for column in columns]
    return [dict(zip(keys, row, strict=True)) for row in rows]
