"""Is a CPU good enough, and what do several have in common: `compareCPU` and `baselineCPU`.

The rule kept here: a model is the features that QEMU says it has; a model that QEMU does not know
is an error, never an empty one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from virtory.codec import xml
from virtory.codec.xml import Attr, Element, replaced
from virtory.driver.qemu.cpu import libvirt_name, plain_name
from virtory.errors import CpuIncompatible, InvalidArgument, OperationFailed
from virtory.model.domain.cpu import CpuFeature, CpuModel

if TYPE_CHECKING:
    from collections.abc import Sequence

INCOMPATIBLE, IDENTICAL, SUPERSET = 0, 1, 2
BASIC_MODEL = "kvm64"
_SHOWN = frozenset(
    {
        *("adx", "aes", "avx", "avx2", "avx512f", "bmi1", "bmi2", "f16c", "fma", "hle"),
        *(
            "movbe",
            "mpx",
            "pclmulqdq",
            "popcnt",
            "rdrand",
            "rdseed",
            "rtm",
            "smap",
            "smep",
            "sse4-1",
            "sse4-2",
        ),
        *("ssse3", "svm", "vmx", "xsave"),
    }
)


class ComparedCpu(Element, tag="cpu"):
    """`<cpu>` of a host or of a guest: as much of it as is compared."""

    mode: Attr[str | None] = None
    match: Attr[Literal["minimum", "exact", "strict"] | None] = None
    arch: str | None = None
    model: CpuModel | None = None
    vendor: str | None = None
    features: tuple[CpuFeature, ...] = ()

    @property
    def name(self) -> str | None:
        """The model's name."""
        return self.model.name if self.model is not None else None

    @property
    def required(self) -> frozenset[str]:
        """Features under QEMU's names that it has or must have."""
        wanted = (each for each in self.features if each.policy in (None, "require", "force"))
        return frozenset(plain_name(each.name) for each in wanted)

    @property
    def disabled(self) -> frozenset[str]:
        """Features of its model that it does without."""
        return frozenset(plain_name(f.name) for f in self.features if f.policy == "disable")

    @property
    def forbidden(self) -> frozenset[str]:
        """Features that it must not have."""
        return frozenset(plain_name(f.name) for f in self.features if f.policy == "forbid")


class Provided(NamedTuple):
    """What a CPU is compared with: features under QEMU's names, and the vendor when it matters."""

    arch: str
    vendor: str | None
    features: frozenset[str]


def parse_cpu(text: str) -> ComparedCpu:
    """One `<cpu>` element. Raises XmlError."""
    return xml.parse(ComparedCpu, text, lenient=True)


def compare(
    given: ComparedCpu, provided: Provided, model: frozenset[str], *, fail: bool = False
) -> int:
    """How `given`, whose named model is made of the features `model`, compares with what is there.

    Raises CpuIncompatible instead of answering INCOMPATIBLE when `fail`.
    """
    mine = provided.features
    wanted = given.required | model - given.disabled
    why = None
    if given.arch is not None and given.arch != provided.arch:
        why = f"CPU arch {given.arch} does not match host arch {provided.arch}"
    elif given.vendor is not None and provided.vendor not in (None, given.vendor):
        why = f"host CPU vendor does not match required CPU vendor {given.vendor}"
    elif wanted - mine:
        why = f"Host CPU does not provide required features: {', '.join(sorted(wanted - mine))}"
    elif given.forbidden & mine:
        clash = ", ".join(sorted(given.forbidden & mine))
        why = f"Host CPU provides forbidden features: {clash}"
    if why is not None:
        if fail:
            raise CpuIncompatible(why)
        return INCOMPATIBLE
    if given.match == "strict" and mine - wanted:
        return INCOMPATIBLE
    return SUPERSET if mine - wanted else IDENTICAL


def shown_by_hosts(model: frozenset[str], mine: frozenset[str]) -> frozenset[str]:
    """Features of a model that the kernel's list of flags can show at all."""
    return model & (mine | _SHOWN)


def expanded(text: str, model: frozenset[str]) -> str:
    """The same `<cpu>` with every feature of its named model written out."""
    given = parse_cpu(text)
    said = {plain_name(each.name) for each in given.features}
    more = (CpuFeature(policy="require", name=libvirt_name(each)) for each in sorted(model - said))
    return xml.format(replaced(given, features=(*given.features, *more)))


def baseline(texts: Sequence[str]) -> str:
    """The richest `<cpu>` that all of the given hosts can provide.

    Raises InvalidArgument for none, OperationFailed when their architectures or vendors differ.
    """
    if not texts:
        raise InvalidArgument("No CPUs given")
    given = [parse_cpu(text) for text in texts]
    for what in ("arch", "vendor"):
        values = {getattr(each, what) for each in given} - {None}
        if len(values) > 1:
            raise OperationFailed(f"CPUs are incompatible: {what}s {' and '.join(sorted(values))}")
    names = [each.name for each in given if each.name is not None]
    if not names:
        raise InvalidArgument("no CPU model specified")
    name = names[0] if len(set(names)) == 1 else BASIC_MODEL
    shared = frozenset.intersection(*(each.required for each in given))
    kept = [each for each in given[0].features if plain_name(each.name) in shared]
    value = ComparedCpu(
        mode="custom",
        match="exact",
        model=CpuModel(name=name, fallback="forbid"),
        vendor=given[0].vendor,
        features=tuple(CpuFeature(policy="require", name=each.name) for each in kept),
    )
    return xml.format(value)
