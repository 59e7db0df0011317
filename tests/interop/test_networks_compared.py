"""The same networks in a real libvirtd and in virtoryd, read back and compared."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(bool(daemons.lacking()), reason=daemons.lacking() or "-"),
]
DATA = Path(__file__).parents[1] / "data" / "network"
NAMES = sorted(path.stem for path in DATA.glob("*.xml"))
# Not every kernel has the schedulers that libvirtd limits a network's traffic with.
RUNNING = sorted({*NAMES} - {"macvtap", "limited"})

PROGRAM = """
import json, libvirt, pathlib, sys
libvirt.registerErrorHandler(lambda *_: None, None)
c = libvirt.open(sys.argv[1])
told = {}
for name in sys.argv[3].split():
    text = (pathlib.Path(sys.argv[2]) / f"{name}.xml").read_text()
    net = c.networkDefineXML(text)
    told[f"{name} defined"] = net.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
    if name in sys.argv[4].split():
        net.create()
        told[f"{name} running"] = net.XMLDesc(0)
        told[f"{name} still defined"] = net.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
        net.destroy()
    net.undefine()
print(json.dumps(told))
"""


def told(daemon: daemons.Daemon) -> dict[str, str]:
    words = [str(DATA), " ".join(NAMES), " ".join(RUNNING)]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", PROGRAM, daemon.uri, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return {name: plain(name, xml) for name, xml in answers.items()}


def plain(name: str, xml: str) -> str:
    """Without what each daemon chooses."""
    source = (DATA / f"{name.split()[0]}.xml").read_text()
    if "<uuid>" not in source:
        xml = re.sub("<uuid>.*</uuid>", "<uuid/>", xml)
    if "<mac " not in source:
        xml = re.sub("<mac address='52:54:00.*/>\n  (?!<b)", "<mac/>\n  ", xml, count=1)
        xml = re.sub("<mac address='52:54:00:[^']*'/>", "<mac/>", xml, count=1)
    return xml


@pytest.fixture(scope="module")
def both() -> Any:
    with daemons.libvirtd() as real, daemons.virtoryd() as ours:
        for daemon in (real, ours):
            assert daemon.inside("ip", "link", "add", "tbr8", "type", "bridge").returncode == 0
        yield told(real), told(ours)


@pytest.mark.parametrize("state", ["defined", "running", "still defined"])
@pytest.mark.parametrize("name", NAMES)
def test_a_network_reads_back_as_libvirtds(both: Any, name: str, state: str) -> None:
    real, ours = both
    if name not in RUNNING and state != "defined":
        assert f"{name} {state}" not in real
        return
    assert ours[f"{name} {state}"] == real[f"{name} {state}"]
