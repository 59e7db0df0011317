"""Ports of the host that lead into a guest, in its description."""

from __future__ import annotations

import pytest

from virtory.driver.publishing import (
    Forward,
    card_of,
    checked,
    published,
    with_forward,
    without_forward,
)
from virtory.errors import InvalidArgument, OperationInvalid, OperationUnsupported
from virtory.model.domain import Domain, parse_domain

WEB = Forward("tcp", None, 8080, 80)


def domain(interface: str) -> Domain:
    return parse_domain(
        "<domain type='qemu'><name>m</name><memory>1024</memory><os><type>hvm</type></os>"
        f"<devices>{interface}</devices></domain>"
    )


USER = domain("<interface type='user'/>")
RANGE = domain(
    "<interface type='user'><portForward proto='tcp'><range start='9000' end='9002' to='90'/>"
    "<range start='9001' exclude='yes'/></portForward></interface>"
)


def test_what_is_published_is_found_and_taken_back() -> None:
    more = with_forward(with_forward(USER, WEB), Forward("udp", "127.0.0.1", 53, 5353))
    assert list(published(card_of(more))) == [WEB, Forward("udp", "127.0.0.1", 53, 5353)]
    fewer, was = without_forward(more, Forward("tcp", None, 8080, 1))
    assert was == WEB
    assert without_forward(fewer, Forward("udp", None, 53, 1))[0] == USER


def test_a_range_counts_port_by_port_and_is_taken_back_as_a_whole_only() -> None:
    assert list(published(card_of(RANGE))) == [
        Forward("tcp", None, 9000 + step, 90 + step) for step in range(3)
    ]
    with pytest.raises(OperationUnsupported, match="one of 9000 to 9002"):
        without_forward(RANGE, Forward("tcp", None, 9001, 1))
    with pytest.raises(InvalidArgument, match="leads to its port 92 already"):
        with_forward(RANGE, Forward("tcp", "127.0.0.1", 9002, 80))


def test_a_port_leads_to_one_place() -> None:
    there = with_forward(USER, WEB)
    with pytest.raises(InvalidArgument, match=r"tcp port 8080 .* leads to its port 80 already"):
        with_forward(there, WEB)
    assert len(list(published(card_of(with_forward(there, WEB._replace(protocol="udp")))))) == 2
    on_one = with_forward(USER, WEB._replace(address="127.0.0.1"))
    assert with_forward(on_one, WEB._replace(address="127.0.0.2"))
    with pytest.raises(OperationInvalid, match="is not published for domain 'm'"):
        without_forward(USER, WEB)


@pytest.mark.parametrize(
    ("interface", "words"),
    [
        ("<interface type='network'><source network='default'/></interface>", "network 'default'"),
        ("", "no network card on user-mode networking"),
    ],
)
def test_without_user_mode_networking_the_cure_is_told(interface: str, words: str) -> None:
    with pytest.raises(OperationUnsupported, match=words):
        card_of(domain(interface))


@pytest.mark.parametrize(
    "wrong",
    [
        WEB._replace(protocol="sctp"),
        WEB._replace(host_port=0),
        WEB._replace(guest_port=65536),
        WEB._replace(address="nowhere"),
    ],
)
def test_nonsense_is_refused(wrong: Forward) -> None:
    with pytest.raises(InvalidArgument):
        checked(wrong)
