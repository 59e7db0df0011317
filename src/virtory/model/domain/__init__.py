"""A machine's description: values that mirror libvirt's domain XML, in both directions.

The rule kept here: everything in this package is pure; it knows libvirt's XML and nothing of QEMU.

    domain = parse_domain(text)
    problems(domain)                       # [(xpath, message), …], all of them at once
    format_domain(dataclasses.replace(domain, name="other"))
"""

from __future__ import annotations

from virtory.codec.xml import Verbatim
from virtory.model.domain.devices import Devices
from virtory.model.domain.domain import Domain
from virtory.model.domain.os import Os, OsType
from virtory.model.domain.problems import problems
from virtory.model.domain.text import (
    format_device,
    format_domain,
    parse_device,
    parse_domain,
    without_secrets,
)

__all__ = [
    "Devices",
    "Domain",
    "Os",
    "OsType",
    "Verbatim",
    "format_device",
    "format_domain",
    "parse_device",
    "parse_domain",
    "problems",
    "without_secrets",
]
