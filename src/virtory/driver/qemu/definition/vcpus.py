"""How many virtual CPUs a definition has, which they are, and which can be unplugged.

The rule kept here: values in, values out; a definition that names each keeps naming each, and their
number is always what is enabled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.errors import InvalidArgument, OperationInvalid
from virtory.model.domain.cpu import OneVcpu, Vcpus

if TYPE_CHECKING:
    from virtory.model.domain import Domain


def counted(domain: Domain, count: int, *, hotpluggable: bool = False) -> Domain:
    """The definition with so many virtual CPUs; those that come with it may be `hotpluggable`."""
    vcpu = domain.vcpu
    if count > vcpu.count:
        raise InvalidArgument(too_many(count, vcpu.count, "persistent"))
    if domain.vcpus is None and not hotpluggable:
        return replace(domain, vcpu=replace(vcpu, current=None if count == vcpu.count else count))
    each = named(domain)
    there = sum(one.enabled for one in each)
    for place in range(len(each)) if count > there else reversed(range(len(each))):
        if there == count:
            break
        if each[place].enabled is (count < there):
            plugs = hotpluggable or count < there
            each[place] = replace(each[place], enabled=count > there, hotpluggable=plugs)
            there += 1 if each[place].enabled else -1
    return _naming(domain, each)


def most(domain: Domain, count: int) -> Domain:
    """The definition with so many possible virtual CPUs."""
    topology = domain.cpu.topology if domain.cpu is not None else None
    if topology is not None:
        raise OperationInvalid(
            "the maximum is what <topology> says", cure="change <topology> with edit"
        )
    now = min(domain.vcpu.current or domain.vcpu.count, count)
    vcpu = replace(domain.vcpu, count=count, current=None if now == count else now)
    return replace(domain, vcpu=vcpu, vcpus=None)


def switched(domain: Domain, numbers: frozenset[int], *, on: bool) -> Domain:
    """The definition with just these virtual CPUs enabled or disabled."""
    each = named(domain)
    for number in sorted(numbers):
        if number >= len(each):
            raise InvalidArgument(f"vcpu {number} is not present in persistent config")
        if number == 0 and not on:
            raise InvalidArgument("vCPU '0' can't be modified")
        if each[number].enabled is not on:
            each[number] = replace(each[number], enabled=on, hotpluggable=True)
    return _naming(domain, each)


def named(domain: Domain) -> list[OneVcpu]:
    """Each virtual CPU by number, as named or as counted."""
    if domain.vcpus is not None:
        return sorted(domain.vcpus.vcpus, key=lambda one: one.id)
    there = domain.vcpu.current or domain.vcpu.count
    return [
        OneVcpu(id=number, enabled=number < there, hotpluggable=number >= there)
        for number in range(domain.vcpu.count)
    ]


def _naming(domain: Domain, each: list[OneVcpu]) -> Domain:
    there = sum(one.enabled for one in each)
    current = None if there == domain.vcpu.count else there
    vcpus = tuple(replace(one, order=None) for one in each)
    return replace(domain, vcpu=replace(domain.vcpu, current=current), vcpus=Vcpus(vcpus=vcpus))


def too_many(count: int, most_: int, kind: str) -> str:
    """What is said of a count that there is no room for."""
    return (
        "requested vcpus is greater than max allowable vcpus for the "
        f"{kind} domain: {count} > {most_}"
    )
