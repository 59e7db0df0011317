"""Every procedure with random arguments, to a daemon in a process of its own.

The rule kept here: whatever a client asks, the daemon answers with words of its own, other clients
notice nothing, and its memory stays what it was.
"""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.wire.test_every_record import Maker

import virtory
from virtory.codec import xdr
from virtory.codec.xdr_compiler import InternedString, fields_of
from virtory.errors import LocalMisuse
from virtory.wire.incoming import Failure, Reply
from virtory.wire.procedure import QEMU, REMOTE, VIRTORY
from virtory.wire.remote import connect, domain
from virtory.wire.session import CLIENT, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = 4_000
MOST_GROWTH_KIB = 24_000
NOT_CALLED = ("CONNECT_OPEN", "CONNECT_CLOSE")
TEXTS = [
    *("", "test", "default", "../../etc/passwd", "a\nb", "\udc80", "%s%n", "-x", ".", "/", "vda"),
    *("<domain/>", "<a>", "<network/>", "<pool type='dir'><name>p</name></pool>", "<a" * 300),
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<domain type='test'><name>m</name><memory>1024</memory><os><type>hvm</type></os></domain>",
    "<domain type='test'><name>n</name><memory unit='EiB'>99</memory><vcpu>-1</vcpu></domain>",
]


class Hostile(Maker):
    """Values that hit what there is, and its limits."""

    uuid = bytes(16)

    def value(self, kind: Any) -> Any:
        match kind:
            case xdr.String(limit) | InternedString(limit):
                return self.random.choice(TEXTS)[:limit]
            case xdr.FixedOpaque(16):
                return self.random.choice((self.uuid, bytes(16)))
        return super().value(kind)

    def number(self, code: str) -> int | float:
        if code != "d" and self.random.random() < 0.5:
            return self.random.choice((0, 0, 1, 2, 4))
        return super().number(code)


class Asker:
    """A client that waits for each answer."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.session = Session(CLIENT)
        self.ask(connect.CONNECT_OPEN, connect.ConnectOpenArgs("test:///default", 0))

    def ask(self, procedure: Any, args: Any = None) -> Reply | Failure:
        serial = self.session.call(procedure, args)
        for data, _ in self.session.outgoing():
            self.sock.sendall(data)
        while True:
            assert select.select([self.sock], [], [], 60)[0], f"{procedure.name}: no answer"
            data, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 8)
            assert data, f"{procedure.name} ended the connection: {args!r}"
            for value in self.session.receive(data, tuple(fds)):
                if isinstance(value, Reply | Failure) and value.serial == serial:
                    for fd in getattr(value, "fds", ()):
                        os.close(fd)
                    return value


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Its socket and process; what it logs fails the test."""
    ready, theirs = os.pipe()
    log = tmp_path / "log"
    words = ["--driver", "memory", "--socket", str(tmp_path / "s"), "--ready-fd", str(theirs)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "virtory.daemon.main", *words],
            env={**os.environ, "PYTHONPATH": str(Path(virtory.__file__).parents[1])},
            cwd=tmp_path,
            pass_fds=[theirs],
            stderr=errors,
        )
    os.close(theirs)
    with open(ready, "rb") as told:
        assert told.readline(), log.read_text()
    yield str(tmp_path / "s"), process.pid
    process.terminate()
    assert process.wait(60) == 0
    assert log.read_text() == ""


def resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_whatever_is_asked_is_answered_and_leaves_nothing(daemon: tuple[str, int]) -> None:
    path, pid = daemon
    asker, maker = Asker(path), Hostile("1")
    found = asker.ask(domain.DOMAIN_LOOKUP_BY_NAME, domain.DomainLookupByNameArgs("test"))
    assert isinstance(found, Reply) and isinstance(found.ret, domain.DomainLookupByNameRet)
    maker.uuid = found.ret.dom.uuid
    declared = [each for program in (REMOTE, QEMU, VIRTORY) for each in program.declared.values()]
    procedures = [each for each in declared if not each.event and each.name not in NOT_CALLED]
    order = random.Random(2)
    before, slowest = 0, 0.0
    for number in range(CALLS):
        procedure = order.choice(procedures)
        try:
            args = maker.record(fields_of(procedure.args)) if procedure.args else None
            begun = time.monotonic()
            answer = asker.ask(procedure, args)
        except LocalMisuse:
            continue  # no such value can be sent
        slowest = max(slowest, time.monotonic() - begun)
        if isinstance(answer, Failure):
            assert "the daemon's log says why" not in str(answer.error), (procedure.name, args)
        if number == CALLS // 4:
            before = resident_kib(pid)  # by now most that is imported once is there
    asker.sock.close()
    assert resident_kib(pid) - before < MOST_GROWTH_KIB
    assert slowest < 5
