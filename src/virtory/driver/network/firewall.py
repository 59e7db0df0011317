"""Putting a network's rules in force, and taking them away: nft, and other programs' chains.

The rule kept here: other programs' rules are never changed. Where a chain of theirs would drop the
guests' packets (Docker's and ufw's policies, firewalld's last rule), rules that accept are put at
its head, marked as ours, and taken away again with the network.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from virtory.driver.network.rules import TABLE, foreign_rules, mark, no_rules, rules
from virtory.errors import FROM_NETWORK, OpenFailed, OperationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.network.plan import NetworkPlan
    from virtory.model.network import Network

MARK = "VIRTORY_NETWORK"
"""The variable in nft's environment that says for whom it changes rules: the plan's directory."""

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_XTABLES = {"ip": "iptables", "ip6": "ip6tables"}


def find_program(name: str, package: str, purpose: str) -> str:
    """A program's path; OpenFailed with the cure when it is not installed."""
    path = shutil.which(name, path=_ENVIRONMENT["PATH"])
    if path is None:
        raise OpenFailed(
            f"{purpose} needs {name}, which is not installed",
            cure=f"install it: apt install {package}",
            domain=FROM_NETWORK,
        )
    return path


def survey() -> list[dict[str, Any]]:
    """Every chain of the host, as nft describes it; takes some milliseconds."""
    done = _run(["nft", "-j", "list", "chains"])
    if done.returncode:
        return []
    return [each["chain"] for each in json.loads(done.stdout)["nftables"] if "chain" in each]


def others(chains: list[dict[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    """Chains of other programs that drop what nobody accepts: (tool, table, `hook:chain`)."""
    found: list[tuple[str, str, str]] = []
    for chain in chains:
        if chain.get("hook") not in ("input", "forward") or chain.get("type") != "filter":
            continue
        if chain["table"].startswith(TABLE) or not _drops(chain):
            continue
        family, table, name = chain["family"], chain["table"], chain["name"]
        if family not in ("ip", "ip6", "inet"):
            continue
        if chain["hook"] == "forward" and any(
            each["name"] == "DOCKER-USER" and (each["family"], each["table"]) == (family, table)
            for each in chains
        ):
            name = "DOCKER-USER"  # the chain that Docker leaves to others
        tool = "nft"
        if table == "filter" and family in _XTABLES and _has(_XTABLES[family]):
            tool = _XTABLES[family]
        found.append((tool, f"{family} {table}", f"{chain['hook']}:{name}"))
    return (*found, *_legacy())


def _legacy() -> Iterator[tuple[str, str, str]]:
    """As `others`, of the rules that nft does not show: those of iptables' older kernel part."""
    for family, program in _XTABLES.items():
        tool = f"{program}-legacy"
        try:
            with open(f"/proc/net/{family}_tables_names") as file:
                if "filter" not in file.read().split() or not _has(tool):
                    continue
        except OSError:
            continue
        rules = _run([tool, "-w", "-S"]).stdout.splitlines()
        for hook in ("input", "forward"):
            if f"-P {hook.upper()} DROP" in rules:
                docker = hook == "forward" and "-N DOCKER-USER" in rules
                name = "DOCKER-USER" if docker else hook.upper()
                yield tool, f"{family} filter", f"{hook}:{name}"


def _drops(chain: dict[str, Any]) -> bool:
    return chain.get("policy") == "drop" or chain["table"] == "firewalld"


def _has(program: str) -> bool:
    return shutil.which(program, path=_ENVIRONMENT["PATH"]) is not None


def is_complete(plan: NetworkPlan, chains: list[dict[str, Any]]) -> bool:
    """Whether the network's rules are all there, its own and those in others' chains."""
    if all(each["table"] != plan.table for each in chains) or others(chains) != plan.foreign:
        return False
    for tool, table, chain in plan.foreign:
        name = chain.partition(":")[2]
        if tool == "nft":
            listed = _run(["nft", "list", "chain", *table.split(), name]).stdout
        else:
            listed = _run([tool, "-w", "-S", name]).stdout
        if f'"{mark(plan)}"' not in listed:
            return False
    return True


def apply(network: Network, plan: NetworkPlan) -> None:
    """Put the rules in force, in one transaction; those in others' chains not twice.

    Raises OperationFailed with nft's words.
    """
    _remove_foreign(plan)
    text = rules(network, plan)
    for tool, table, chain in plan.foreign:
        hook, _, name = chain.partition(":")
        lines = foreign_rules(network, plan, hook, tool)
        if tool == "nft":
            text += "".join(f"insert rule {table} {name} {line}\n" for line in reversed(lines))
        else:
            inserts = "".join(f"-I {name} {line}\n" for line in reversed(lines))
            _must(
                [f"{tool}-restore", "-w", "--noflush"], f"*filter\n{inserts}COMMIT\n", network, plan
            )
    _must(["nft", "-f", "-"], text, network, plan)


def remove(plan: NetworkPlan) -> None:
    """Take the rules away; nothing happens when they are gone already."""
    _remove_foreign(plan)
    _run(["nft", "-f", "-"], no_rules(plan), plan)


def _remove_foreign(plan: NetworkPlan) -> None:
    for tool, table, chain in plan.foreign:
        name = chain.partition(":")[2]
        if tool == "nft":
            _remove_nft(plan, table, name)
        else:
            _remove_xtables(plan, tool, name)


def _remove_nft(plan: NetworkPlan, table: str, chain: str) -> None:
    done = _run(["nft", "-j", "-a", "list", "chain", *table.split(), chain])
    if done.returncode:
        return
    listed = [each["rule"] for each in json.loads(done.stdout)["nftables"] if "rule" in each]
    ours = [rule["handle"] for rule in listed if rule.get("comment") == mark(plan)]
    if ours:
        text = "".join(f"delete rule {table} {chain} handle {handle}\n" for handle in ours)
        _run(["nft", "-f", "-"], text, plan)


def _remove_xtables(plan: NetworkPlan, tool: str, chain: str) -> None:
    done = _run([tool, "-w", "-S", chain])
    wanted = f'--comment "{mark(plan)}"'
    ours = [line for line in done.stdout.splitlines() if wanted in line and line.startswith("-A ")]
    if not done.returncode and ours:
        text = "".join(f"-D {line.removeprefix('-A ')}\n" for line in ours)
        _run([f"{tool}-restore", "-w", "--noflush"], f"*filter\n{text}COMMIT\n", plan)


def transaction(text: str) -> str:
    """Carry out one transaction of nft's; what it complains of."""
    done = _run(["nft", "-f", "-"], text)
    return " ".join(done.stderr.split()) or "no reason" if done.returncode else ""


def _must(command: list[str], text: str, network: Network, plan: NetworkPlan) -> None:
    done = _run(command, text, plan)
    if done.returncode:
        said = " ".join(done.stderr.split())
        cure = None
        if "not permitted" in said:
            cure = "run virtoryd as root with CAP_NET_ADMIN; a table with an owner lets nobody in"
        raise OperationFailed(
            f"the packet rules of network '{network.name}' were refused by {command[0]}: {said}",
            cure=cure,
            domain=FROM_NETWORK,
        )


def _run(
    command: list[str], text: str | None = None, plan: NetworkPlan | None = None
) -> subprocess.CompletedProcess[str]:
    marked = {} if plan is None else {MARK: plan.directory}
    try:
        return subprocess.run(
            command,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            env=_ENVIRONMENT | marked,
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", error.strerror or "")
