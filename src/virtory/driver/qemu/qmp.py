"""QMP, QEMU's machine protocol: bytes in, replies and events out; no sockets, no clock.

The rule kept here: a peer can not make us hang, crash or grow without bound. QMP is a *stream* of
JSON objects (qapi's `qmp-spec`, §2): objects are found by their braces, never by lines, each byte
is looked at once however it is cut, and a message over the limit ends the session.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

MESSAGE_LIMIT = 32 << 20

_STRUCTURE = re.compile(rb'[{}\[\]"]')
_IN_STRING = re.compile(rb'["\\]')
_OPENING = b"{["
_SPACE = b" \t\r\n"


class QmpError(Exception):
    """QEMU refused a command: its error class, its words, and the command as it was sent."""

    def __init__(self, error_class: str, description: str, command: str) -> None:
        super().__init__(f"{command}: {description}")
        self.error_class = error_class
        self.description = description
        self.command = command


class QmpBroken(Exception):
    """The bytes are not QMP; the session can not go on."""


class Greeting(NamedTuple):
    """QEMU's first message: its version and what it can negotiate (`oob`)."""

    version: tuple[int, int, int]
    capabilities: tuple[str, ...]


class Reply(NamedTuple):
    serial: int
    value: Any


class Failure(NamedTuple):
    """`serial` is -1 when QEMU could not even read the command's id."""

    serial: int
    error_class: str
    description: str


class Event(NamedTuple):
    """Something that happened, with QEMU's time of it."""

    name: str
    data: dict[str, Any]
    seconds: int
    microseconds: int


Incoming = Greeting | Reply | Failure | Event


class JsonStream:
    """Cuts a byte stream into JSON objects; also used for the guest agent, which speaks alike."""

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._start_over()

    def _start_over(self) -> None:
        self._scanned = 0
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The objects that `data` completes; raises `QmpBroken`."""
        if not self._buffer and data.endswith(b"\n"):
            try:  # nearly every read is exactly one object
                return [_checked(json.loads(data))]
            except (ValueError, RecursionError):
                pass  # several objects, a part of one, or rubbish: the slow way tells
        self._buffer += data
        objects = []
        while (end := self._find_end()) >= 0:
            objects.append(_parse(bytes(self._buffer[:end])))
            del self._buffer[:end]
            self._start_over()
        if len(self._buffer) > self._limit:
            raise QmpBroken(f"a message is longer than {self._limit} bytes")
        return objects

    def _find_end(self) -> int:
        """Where the first object ends, or -1; goes on where the last call stopped."""
        buffer, position, depth = self._buffer, self._scanned, self._depth
        if depth == 0:
            position = self._skip_space()
        while True:
            pattern = _IN_STRING if self._in_string else _STRUCTURE
            found = pattern.search(buffer, position)
            if found is None:
                self._scanned, self._depth = max(position, len(buffer)), depth
                return -1
            byte, position = buffer[found.start()], found.end()
            if byte == 0x5C:  # a backslash: whatever it protects is no structure
                position += 1
            elif byte == 0x22:
                self._in_string = not self._in_string
            elif byte in _OPENING:
                depth += 1
            else:
                depth -= 1
                if depth == 0:
                    return position

    def _skip_space(self) -> int:
        """Drop white space before an object; anything but an object there is no QMP."""
        buffer = self._buffer
        length = len(buffer)
        start = 0
        while start < length and buffer[start] in _SPACE:
            start += 1
        del buffer[:start]
        if buffer and buffer[0] != 0x7B:
            raise QmpBroken(f"expected a JSON object, found {bytes(buffer[:20])!r}")
        return 0


def _parse(text: bytes) -> dict[str, Any]:
    try:
        return _checked(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise QmpBroken(f"malformed JSON: {error}") from None


def _checked(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise QmpBroken(f"expected a JSON object, found {type(value).__name__}")
    return value


class QmpSession:
    """One QMP conversation: numbers the commands, recognises what comes back."""

    def __init__(self) -> None:
        self._stream = JsonStream()
        self._serial = 0

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """The serial under which the reply will come, and the bytes to send."""
        self._serial += 1
        return self._serial, encode(name, arguments, self._serial)

    def receive(self, data: bytes) -> list[Incoming]:
        return [_recognise(message) for message in self._stream.feed(data)]


def encode(name: str, arguments: dict[str, Any] | None, serial: int | None) -> bytes:
    """One command; QEMU reads QMP byte by byte, so not one blank is wasted."""
    message: dict[str, Any] = {"execute": name}
    if arguments:
        message["arguments"] = arguments
    if serial is not None:
        message["id"] = serial
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _recognise(message: dict[str, Any]) -> Incoming:
    try:
        if "return" in message:
            return Reply(_serial_of(message), message["return"])
        if "event" in message:
            stamp = message.get("timestamp") or {}
            return Event(
                str(message["event"]),
                _checked(message.get("data") or {}),
                int(stamp.get("seconds", 0)),
                int(stamp.get("microseconds", 0)),
            )
        if "error" in message:
            error = message["error"]
            return Failure(_serial_of(message), str(error["class"]), str(error["desc"]))
        greeting = message["QMP"]
        qemu = greeting["version"]["qemu"]
        version = (int(qemu["major"]), int(qemu["minor"]), int(qemu["micro"]))
        return Greeting(version, tuple(str(name) for name in greeting.get("capabilities", ())))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise QmpBroken(f"a message of unknown form ({error!r})") from None


def _serial_of(message: dict[str, Any]) -> int:
    serial = message.get("id", -1)
    return serial if type(serial) is int else -1
