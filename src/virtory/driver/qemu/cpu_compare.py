"""Is a CPU good enough, and what do several have in common: `compareCPU` and `baselineCPU`.

The rule kept here: a model is the features that QEMU says it has; without QEMU's word on a model
only the features named beside it are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from virtory.codec import xml
from virtory.codec.xml import Attr, Element
from virtory.driver.qemu.cpu import qemu_name
from virtory.errors import CpuIncompatible, InvalidArgument, OperationFailed
from virtory.model.domain.cpu import CpuFeature, CpuModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

INCOMPATIBLE, IDENTICAL, SUPERSET = 0, 1, 2
BASIC_MODEL = "kvm64"
_SHOWN = frozenset(
    {
        *("adx", "aes", "avx", "avx2", "avx512f", "bmi1", "bmi2", "f16c", "fma", "movbe"),
        *("pclmulqdq", "popcnt", "rdrand", "rdseed", "smap", "smep", "sse4.1", "sse4.2"),
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
        return frozenset(qemu_name(each.name) for each in wanted)

    @property
    def forbidden(self) -> frozenset[str]:
        """Features that it must not have."""
        return frozenset(qemu_name(f.name) for f in self.features if f.policy == "forbid")


def parse_cpu(text: str) -> ComparedCpu:
    """One `<cpu>` element. Raises XmlError."""
    return xml.parse(ComparedCpu, text, lenient=True)


def compare(
    text: str,
    arch: str,
    vendor: str | None,
    have: Iterable[str],
    features_of: Callable[[str], dict[str, bool] | None],
    *,
    fail: bool = False,
) -> int:
    """How the CPU in `text` compares with this host's, which has the features `have`.

    Raises CpuIncompatible instead of answering INCOMPATIBLE when `fail`.
    """
    given = parse_cpu(text)
    mine = frozenset(qemu_name(each) for each in have)
    wanted = given.required
    if given.name is not None and (model := features_of(given.name)) is not None:
        own = frozenset(name for name, on in model.items() if on) & _known_on_hosts(mine)
        wanted |= own
    why = None
    if given.arch is not None and given.arch != arch:
        why = f"CPU arch {given.arch} does not match host arch {arch}"
    elif given.vendor is not None and vendor is not None and given.vendor != vendor:
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


def _known_on_hosts(mine: frozenset[str]) -> frozenset[str]:
    """Features of models that the kernel's list of flags can show at all."""
    return mine | _SHOWN


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
    kept = [each for each in given[0].features if qemu_name(each.name) in shared]
    value = ComparedCpu(
        mode="custom",
        match="exact",
        model=CpuModel(name=name, fallback="forbid"),
        vendor=given[0].vendor,
        features=tuple(CpuFeature(policy="require", name=each.name) for each in kept),
    )
    return xml.format(value)
