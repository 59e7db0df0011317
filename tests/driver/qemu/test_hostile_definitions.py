"""Definitions with wrong, missing, doubled and absurd parts: each is refused in words or planned.

The rule kept here: whatever a client sends, the pure passes raise nothing but our own errors, take
no long time, and what they store is read again as the same.
"""

from __future__ import annotations

import copy
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from cases import CASES, DATA, KVM, host, make_images, qemu_7_2
from lxml import etree

from virtory.driver.qemu.command_line import command_line, setup
from virtory.driver.qemu.definition.addresses import with_addresses
from virtory.driver.qemu.definition.defaults import with_defaults, with_identity
from virtory.driver.qemu.definition.unsupported import unsupported
from virtory.driver.qemu.planning.choice import prepare
from virtory.errors import VirtoryError
from virtory.model.domain import format_domain, parse_domain, problems

if TYPE_CHECKING:
    from pathlib import Path

CAPABILITIES = qemu_7_2()
CLIENTS = DATA.parent / "clients"
MUTANTS = 150
LONGEST_S = 2.0
VALUES = (
    "", "0", "-1", "1", "-5", "0.5", "nan", "1e9", "65536", "2147483647", "4294967296",
    "1000000000000", "99999999999999999999", "0x10", "yes", "off", "none", "a" * 300, "é",
    "\n", "../x", "/dev/null", "a,b=c", "vda", "zzzzzz", "hdzzzzzzzz", "usb", "pci",
    "virtio",
    "spice", "unix", "1-", "0-3,^2",
    "default", "auto", "q35", "qcow2", "raw",
)  # fmt: skip


def mutated(tree: Any, chance: random.Random) -> str:
    """One to three changes at random places."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.randint(1, 3)):
        element = chance.choice(list(tree.iter(etree.Element)))
        parent, what = element.getparent(), chance.random()
        if what < 0.5 and element.attrib:
            element.attrib[chance.choice(list(element.attrib))] = chance.choice(VALUES)
        elif what < 0.6 and (element.text or "").strip():
            element.text = chance.choice(VALUES)
        elif what < 0.7 and parent is not None:
            parent.remove(element)
        elif what < 0.85 and parent is not None:
            element.addnext(copy.deepcopy(element))
        elif element.attrib:
            del element.attrib[chance.choice(list(element.attrib))]
    return str(etree.tostring(tree, encoding="unicode"))


def taken(text: str) -> None:
    """The way of a definition through all pure passes."""
    domain = parse_domain(text)
    wrong = problems(domain)
    whole = with_defaults(with_identity(domain), CAPABILITIES)
    if wrong or unsupported(whole, CAPABILITIES, KVM):
        return
    stored = with_addresses(whole)
    again = parse_domain(format_domain(stored))
    assert with_addresses(with_defaults(again, CAPABILITIES)) == stored
    world = host(privileged=True, has_vsock=True, virtiofsd="/usr/lib/qemu/virtiofsd", verdict=KVM)
    live, plan = prepare(stored, world, 7)
    assert command_line(live, plan, CAPABILITIES)
    setup(live, plan)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_but_our_own_errors_comes_of_a_broken_definition(seed: int, tmp_path: Path) -> None:
    images = str(make_images(tmp_path / "images"))
    files = [*(DATA / f"{case}.xml" for case in CASES), *sorted(CLIENTS.glob("*.xml"))]
    chance = random.Random(seed)
    trees = [etree.fromstring(file.read_text().replace("@IMAGES@", images)) for file in files]
    for _ in range(MUTANTS):
        text = mutated(chance.choice(trees), chance)
        begun = time.process_time()
        try:
            taken(text)
        except VirtoryError as error:
            assert str(error)
        except Exception as error:
            raise AssertionError(text) from error
        assert time.process_time() - begun < LONGEST_S, text
