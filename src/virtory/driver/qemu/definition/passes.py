"""All passes over a definition, in their order: checked, whole, each device in its place.

The rule kept here: every problem is found before one error names them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.codec.xml import Problem, error_of, replaced
from virtory.driver.qemu.aliases import without_aliases
from virtory.driver.qemu.definition.addresses import with_addresses
from virtory.driver.qemu.definition.defaults import with_defaults, with_identity
from virtory.driver.qemu.definition.unsupported import unsupported
from virtory.errors import ConfigUnsupported
from virtory.model.domain import parse_domain, problems
from virtory.model.domain.order import ordered

if TYPE_CHECKING:
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.host.accelerator import Verdict
    from virtory.model.domain import Domain


def described(xml: str) -> Domain:
    """The machine that a client's text describes; raises as `parse_domain`."""
    return ordered(parse_domain(xml))


def completed(
    domain: Domain, capabilities: Capabilities, verdict: Verdict, *, grow: bool = True
) -> Domain:
    """The same machine, checked, with all that it leaves unsaid; `grow` as `with_addresses`.

    Raises:
        XmlError, ConfigUnsupported: all that is wrong with it, or can not be given here.
    """
    found = [Problem(*problem) for problem in problems(domain)]
    try:
        capabilities.canonical_machine(domain.os.type.machine)
    except ConfigUnsupported as error:
        told = f"{error.detail}; {error.cure}" if error.cure else error.detail
        found.append(Problem("/domain/os/type/@machine", told, unsupported=True))
        os_ = domain.os  # the rest is judged by the machine there is
        domain = replaced(domain, os=replaced(os_, type=replaced(os_.type, machine=None)))
    whole = with_defaults(with_identity(without_aliases(domain)), capabilities)
    refused = unsupported(whole, capabilities, verdict)
    found += [Problem(*problem, unsupported=True) for problem in refused]
    if found:
        raise error_of(found, "domain")
    return with_addresses(whole, grow=grow)
