"""The guest's CPU: what QEMU is told, what the live description says, how CPUs compare."""

from __future__ import annotations

import pytest
from cases import defined, qemu_7_2

from virtory.driver.qemu.capabilities import Capabilities
from virtory.driver.qemu.cpu import (
    argument,
    beyond_model,
    given_features,
    host_model,
    is_model_of_libvirt,
    live_cpu,
    vendor,
)
from virtory.driver.qemu.cpu_compare import (
    IDENTICAL,
    INCOMPATIBLE,
    SUPERSET,
    Provided,
    baseline,
    compare,
    expanded,
    parse_cpu,
    shown_by_hosts,
)
from virtory.errors import CpuIncompatible, InvalidArgument, OperationFailed
from virtory.model.domain.cpu import Cpu, CpuFeature

CAPABILITIES = qemu_7_2()


BARE = "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os></domain>"


def told(inside: str, kind: str = "qemu") -> str:
    xml = (
        f"<domain type='{kind}'><name>a</name><memory>65536</memory>"
        f"<os><type machine='q35'>hvm</type></os>{inside}</domain>"
    )
    accelerator = "kvm" if kind == "kvm" else "tcg"
    return argument(defined(xml, CAPABILITIES), CAPABILITIES, accelerator)


@pytest.mark.parametrize(
    ("inside", "kind", "expected"),
    [
        ("", "qemu", "qemu64"),
        ("<cpu mode='maximum'/>", "qemu", "max"),
        ("<cpu mode='maximum'/>", "kvm", "max"),
        ("<cpu mode='host-passthrough'/>", "kvm", "host"),
        ("<cpu mode='host-passthrough' migratable='off'/>", "kvm", "host,migratable=off"),
        ("<cpu mode='host-model'/>", "qemu", "Westmere"),
        (
            "<cpu><model>Nehalem</model><feature policy='disable' name='lahf_lm'/>"
            "<feature policy='require' name='pclmuldq'/>"
            "<feature policy='optional' name='avx'/></cpu>",
            "qemu",
            "Nehalem,lahf-lm=off,pclmulqdq=on",
        ),
        (
            "<features><hyperv><relaxed state='on'/><vapic state='off'/>"
            "<spinlocks state='on' retries='8191'/></hyperv>"
            "<kvm><hidden state='on'/></kvm></features>",
            "kvm",
            "qemu64,hv-relaxed=on,hv-spinlocks=0x1fff,kvm=off",
        ),
    ],
)
def test_qemu_is_told_the_model_and_its_features(inside: str, kind: str, expected: str) -> None:
    assert told(inside, kind) == expected


def test_the_live_description_names_what_the_guest_has_and_lacks() -> None:
    domain = defined(
        "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>"
        "<cpu><model>Opteron_G3</model></cpu></domain>",
        CAPABILITIES,
    )
    assert domain.cpu is not None
    live = live_cpu(domain.cpu, CAPABILITIES, "tcg")
    policies = {each.name: each.policy for each in live.features}
    assert policies["hypervisor"] == "require"
    lacking = CAPABILITIES.cpu_models("tcg")["Opteron_G3"].missing
    assert lacking
    assert {name for name, policy in policies.items() if policy == "disable"} == set(lacking)
    assert (live.check, live.mode) == ("full", "custom")


def test_the_hosts_cpu_is_a_model_and_all_that_the_accelerator_gives_beyond_it() -> None:
    expansions = {
        "host": {"avx": True, "aes": True, "sse4-1": True, "sse4.1": True, "pclmuldq": True,
                 "pclmulqdq": True, "kvm-pv-eoi": True, "pmu": True, "vmx": False, "hle": True},
        "Skylake-Server": {"aes": True},
    }  # fmt: skip
    cpus = {"kvm": {"models": [["Skylake-Server", [], False]], "expansions": expansions}}
    found = Capabilities({**CAPABILITIES.data, "cpus": cpus})
    assert beyond_model(found, "kvm", "Skylake-Server") == ["avx", "sse4-1", "pclmulqdq", "hle"]
    wanted = Cpu(mode="host-model", features=(CpuFeature(policy="disable", name="hle"),))
    live = live_cpu(wanted, found, "kvm")
    required = [each.name for each in live.features if each.policy == "require"]
    assert required == ["hypervisor", "avx", "sse4-1", "pclmulqdq"]
    assert beyond_model(found, "kvm", "EPYC") == []


def test_features_that_nobody_knows_are_not_switched_off() -> None:
    data = CAPABILITIES.data
    cpus = {"tcg": {"models": [["qemu64", ["?"], False]], "expansions": {}}}
    domain = defined(BARE, CAPABILITIES)
    assert domain.cpu is not None
    live = live_cpu(domain.cpu, Capabilities({**data, "cpus": cpus}), "tcg")
    assert [each.name for each in live.features] == ["hypervisor"]


def test_the_hosts_model_under_kvm_is_of_its_vendor() -> None:
    cpus = {
        "kvm": {
            "models": [
                ["EPYC", [], False],
                ["Skylake-Server", [], False],
                ["EPYC-Rome", ["x"], False],
            ],
            "expansions": {},
        }
    }
    found = Capabilities({**CAPABILITIES.data, "cpus": cpus})
    assert host_model(found, "kvm", "AMD") == "EPYC"
    assert host_model(found, "kvm", "Intel") == "Skylake-Server"
    assert host_model(found, "tcg", "AMD") == "qemu64"


def test_versions_and_the_hosts_own_are_no_models_of_libvirt() -> None:
    names = ("486", "EPYC-Milan", "EPYC-v2", "486-v1", "max", "host", "base")
    assert [name for name in names if is_model_of_libvirt(name)] == ["486", "EPYC-Milan"]


@pytest.mark.parametrize(
    ("name", "maker"),
    [("EPYC-Milan", "AMD"), ("Nehalem", "Intel"), ("qemu64", "unknown"), ("Dhyana", "Hygon")],
)
def test_models_are_of_the_vendor_of_their_processors(name: str, maker: str) -> None:
    assert vendor(name) == maker


def cpu(features: str = "", name: str = "kvm64", extra: str = "") -> str:
    return (
        f"<cpu{extra}><arch>x86_64</arch><model>{name}</model><vendor>AMD</vendor>{features}</cpu>"
    )


def compared(
    text: str, have: list[str], model: frozenset[str] = frozenset(), fail: bool = False
) -> int:
    return compare(parse_cpu(text), Provided("x86_64", "AMD", frozenset(have)), model, fail=fail)


def test_cpus_compare_by_what_they_need() -> None:
    need = "<feature policy='require' name='pclmuldq'/>"

    def result(have: list[str], fail: bool = False) -> int:
        return compared(cpu(need), have, fail=fail)

    assert result(["pclmulqdq"]) == IDENTICAL
    assert result(["pclmulqdq", "avx"]) == SUPERSET
    assert result(["avx"]) == INCOMPATIBLE
    with pytest.raises(CpuIncompatible, match="pclmulqdq"):
        result(["avx"], fail=True)


def test_a_models_own_features_count() -> None:
    def result(have: list[str]) -> int:
        made_of = frozenset(given_features(CAPABILITIES, "tcg", "max"))
        return compared(cpu(name="max"), have, shown_by_hosts(made_of, frozenset(have)))

    assert result(["sse4-1"]) == INCOMPATIBLE


def test_what_is_forbidden_or_of_another_vendor_or_architecture_is_incompatible() -> None:
    def result(text: str) -> int:
        return compared(text, ["avx"])

    assert result(cpu("<feature policy='forbid' name='avx'/>")) == INCOMPATIBLE
    assert result(cpu().replace("AMD", "Intel")) == INCOMPATIBLE
    assert result(cpu().replace("x86_64", "s390x")) == INCOMPATIBLE
    assert result(cpu(extra=" match='strict'")) == INCOMPATIBLE
    assert result(cpu()) == SUPERSET


def test_the_baseline_is_what_all_have() -> None:
    one = cpu("<feature name='avx'/><feature name='pclmuldq'/>")
    other = cpu("<feature name='pclmulqdq'/><feature name='aes'/>", name="EPYC")
    common = parse_cpu(baseline([one, other]))
    assert common.name == "kvm64"
    assert [each.name for each in common.features] == ["pclmuldq"]
    assert parse_cpu(baseline([other])).name == "EPYC"


def test_a_baseline_is_written_out_under_libvirts_names() -> None:
    whole = parse_cpu(expanded(baseline([cpu("<feature name='avx'/>")]), frozenset({"sse4-1"})))
    assert [each.name for each in whole.features] == ["avx", "sse4.1"]


def test_cpus_of_two_vendors_have_no_baseline() -> None:
    with pytest.raises(OperationFailed, match="AMD and Intel"):
        baseline([cpu(), cpu().replace("AMD", "Intel")])
    with pytest.raises(InvalidArgument):
        baseline([])
