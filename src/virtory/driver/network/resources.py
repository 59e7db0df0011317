"""Taking what a network's plan names, and giving all of it back.

The rule kept here: `release(plan)` needs nothing but the plan, may be repeated, and touches nothing
that is not marked as ours; it serves stop, a failed start and the restart after a crash alike, for
which `clear` ends first what was still under way. `acquire` may be repeated too, on a network of
which parts are missing.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from virtory.driver import new_files
from virtory.driver.network import dnsmasq, firewall
from virtory.driver.network.netlink import Netlink, exists
from virtory.driver.network.places import APART
from virtory.driver.network.rules import rules
from virtory.driver.qemu.process import (
    Identity,
    find_by_argument,
    find_by_variable,
    start_time_of,
)
from virtory.errors import FROM_NETWORK, InternalError, SystemCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.network.plan import NetworkPlan
    from virtory.model.network import Network

_END_MS = 2000
_START_S = 20
_MOST_OF_ONE = 16  # processes; a stranger who looks like one could go on for ever


def acquire(network: Network, plan: NetworkPlan, checkpoint: Callable[[str], None]) -> None:
    """Take everything; blocking: call it in a thread. On an error the caller releases the plan."""
    if not plan.made:
        return
    _write_files(network, plan)
    checkpoint("net-files")
    _make_bridge(network, plan)
    checkpoint("net-bridge")
    if plan.table is not None:
        firewall.apply(network, plan)
    checkpoint("net-rules")
    if plan.dnsmasq is not None and serving(plan) is None:
        _run_dnsmasq(network, plan)
    checkpoint("net-dnsmasq")


def make_whole(network: Network, plan: NetworkPlan) -> None:
    """Take again what is missing of a running network; blocking."""
    if plan.made:
        if os.path.isdir(plan.directory):
            change(network, network, plan)
        acquire(network, plan, lambda _: None)


def clear(plan: NetworkPlan) -> None:
    """As `release`, of what a daemon that was killed began; blocking.

    A program that it had started may still be about to change the network's rules.
    """
    mark = f"{firewall.MARK}={plan.directory}"
    _end_all(partial(find_by_variable, mark), partial(_end_one, first=signal.SIGKILL))
    release(plan)


def release(plan: NetworkPlan) -> None:
    """Give everything back; blocking: call it in a thread."""
    if not plan.made:
        return
    _end_all(partial(serving, plan), _end)
    if plan.table is not None:
        firewall.remove(plan)
    if has_bridge(plan):
        with Netlink() as netlink, contextlib.suppress(OSError):
            netlink.delete_link(plan.bridge)
    shutil.rmtree(plan.directory, ignore_errors=True)
    above = os.path.dirname(plan.directory)
    with contextlib.suppress(OSError):  # others have theirs there
        os.rmdir(above)
        if above.startswith(APART):
            os.rmdir(os.path.dirname(above))


def has_bridge(plan: NetworkPlan) -> bool:
    """Whether there is a bridge of that name, and it is this plan's."""
    if not plan.made:
        return exists(plan.bridge)
    with Netlink() as netlink:
        link = netlink.link(plan.bridge)
    return link is not None and (link.kind, link.mac) == ("bridge", plan.mac)


# -- the bridge ----------------------------------------------------------------------------------


def _make_bridge(network: Network, plan: NetworkPlan) -> None:
    bridge = plan.bridge
    try:
        with Netlink() as netlink:
            if not has_bridge(plan):
                netlink.add_bridge(bridge, plan.mac, stp=plan.stp, delay_s=plan.delay_s)
            _tune(plan)
            netlink.set_link(bridge, up=True, mtu=plan.mtu)
            for address, prefix in plan.addresses:
                netlink.add_address(bridge, address, prefix)
            for destination, prefix, gateway, metric in plan.routes:
                netlink.add_route(bridge, destination, prefix, gateway, metric)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot make bridge '{bridge}' of network '{network.name}': {error.strerror}",
            errno=error.errno,
            cure=_cure(error),
            domain=FROM_NETWORK,
        ) from None


def _cure(error: OSError) -> str | None:
    if error.errno == 17:
        return "another device has the name: give the network another bridge name"
    if error.errno in (1, 13):
        return "run virtoryd as root, with CAP_NET_ADMIN"
    if error.errno == 95:
        return "load the kernel's bridge module: sudo modprobe bridge"
    return None


def _tune(plan: NetworkPlan) -> None:
    """The bridge hears no router advertisements; without IPv6 it has no address at all of it."""
    directory = f"/proc/sys/net/ipv6/conf/{plan.bridge}"
    if os.path.isdir(directory):
        for name, value in (
            ("disable_ipv6", "0" if plan.ipv6 else "1"),
            ("accept_ra", "0"),
            ("autoconf", "0"),
        ):
            _set(f"{directory}/{name}", value)
    for family in plan.forwards:
        path = FORWARDING[family]
        with open(path) as file:
            on = file.read().strip() != "0"
        if not on:
            _set(path, "1")


FORWARDING = {
    "ipv4": "/proc/sys/net/ipv4/ip_forward",
    "ipv6": "/proc/sys/net/ipv6/conf/all/forwarding",
}


def _set(path: str, value: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot set {path} to {value}: {error.strerror}",
            errno=error.errno,
            cure="set it where that is allowed (a container's /proc/sys is often read-only)",
            domain=FROM_NETWORK,
        ) from None


# -- files ---------------------------------------------------------------------------------------


def _write_files(network: Network, plan: NetworkPlan) -> None:
    try:
        os.makedirs(os.path.dirname(plan.directory), 0o711, exist_ok=True)
        os.makedirs(plan.directory, 0o755, exist_ok=True)
        os.chmod(plan.directory, 0o755)
        if plan.dnsmasq is None:
            return
        user = _user()
        write_configuration(network, plan)
        write_hosts(network, plan)
        script = dnsmasq.SCRIPT.format(events=plan.events)
        new_files.replace_text(plan.script, script, 0o755)
        if not os.path.exists(plan.events):
            os.mkfifo(plan.events, 0o600)
            os.chown(plan.events, user.pw_uid, user.pw_gid)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot write the files of network '{network.name}' in '{plan.directory}': "
            f"{error.strerror}",
            errno=error.errno,
            domain=FROM_NETWORK,
        ) from None


def write_hosts(network: Network, plan: NetworkPlan) -> bool:
    """The files that dnsmasq reads again on SIGHUP; whether they have changed."""
    hosts = _rewrite(plan.dhcp_hosts, dnsmasq.dhcp_hosts(network))
    return _rewrite(plan.names, dnsmasq.names(network)) or hosts


def write_configuration(network: Network, plan: NetworkPlan) -> bool:
    """The file that dnsmasq is started with; whether it has changed."""
    return _rewrite(plan.configuration, dnsmasq.configuration(network, plan, _user().pw_name))


def _rewrite(path: str, text: str) -> bool:
    try:
        with open(path) as file:
            if file.read() == text:
                return False
    except OSError:
        pass
    new_files.replace_text(path, text, 0o644)
    return True


def _user() -> pwd.struct_passwd:
    """As whom dnsmasq runs: never as root."""
    for name in ("dnsmasq", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return pwd.getpwuid(65534)


# -- dnsmasq -------------------------------------------------------------------------------------


def _run_dnsmasq(network: Network, plan: NetworkPlan) -> None:
    """It goes into the background when it serves, or ends with a message when it can not."""
    assert plan.dnsmasq is not None
    try:
        done = subprocess.run(
            [plan.dnsmasq, f"--conf-file={plan.configuration}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            timeout=_START_S,
            check=False,
        )
    except OSError as error:
        raise SystemCallFailed(
            f"cannot run '{plan.dnsmasq}': {error.strerror}",
            errno=error.errno,
            cure="install it: apt install dnsmasq-base",
            domain=FROM_NETWORK,
        ) from None
    except subprocess.TimeoutExpired:
        raise InternalError(
            f"dnsmasq of network '{network.name}' did not start in {_START_S} s",
            domain=FROM_NETWORK,
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("dnsmasq: ").strip()
        raise InternalError(
            f"dnsmasq of network '{network.name}' did not start: {said or done.returncode}",
            cure=_dnsmasq_cure(said),
            domain=FROM_NETWORK,
        )


def _dnsmasq_cure(said: str) -> str | None:
    if "in use" in said:
        return (
            "another DNS or DHCP server listens on every address of this host: let it bind to its"
            " own interfaces only (for dnsmasq: bind-interfaces)"
        )
    if "bad option" in said or "bad " in said:
        return "correct the network's <dnsmasq:options>"
    return None


def serving(plan: NetworkPlan) -> Identity | None:
    """The dnsmasq that serves this plan, known by its configuration's path."""
    try:
        with open(plan.pid_file) as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except (OSError, ValueError):
        return _search(plan) if os.path.exists(plan.configuration) else None
    started = start_time_of(pid)
    if f"--conf-file={plan.configuration}".encode() not in words or started is None:
        return None
    return Identity(pid, started)


def _search(plan: NetworkPlan) -> Identity | None:
    """One that has not written its pid yet, which only a crash of the daemon leaves behind."""
    return find_by_argument(f"--conf-file={plan.configuration}") if plan.dnsmasq else None


def change(former: Network, network: Network, plan: NetworkPlan) -> None:
    """Make a running network what `network` says; blocking.

    Raises what `acquire` raises; the caller then changes back.
    """
    if plan.table is not None and rules(former, plan) != rules(network, plan):
        firewall.apply(network, plan)
    if plan.dnsmasq is None:
        return
    identity = serving(plan)
    hosts = os.path.exists(plan.configuration) and write_hosts(network, plan)
    other = write_configuration(network, plan)
    if identity is not None and not other:
        if hosts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(identity.pid, signal.SIGHUP)
        return
    if identity is not None:
        _end(identity)
    _write_files(network, plan)
    _run_dnsmasq(network, plan)


def _end_all(find: Callable[[], Identity | None], end: Callable[[Identity], None]) -> None:
    """While a program starts there are several, the later made by the first; soon it is all."""
    last = None
    for _ in range(_MOST_OF_ONE):
        identity = find()
        if identity is None or identity == last:
            return
        end(identity)
        last = identity


def _end(identity: Identity) -> None:
    """End a server, and its helper, which runs the script of leases and ends by itself after it."""
    servants = _children(identity.pid)
    if start_time_of(identity.pid) != identity.start_time:
        return  # they may be a stranger's
    _end_one(identity, signal.SIGTERM)
    for servant in servants:
        _end_one(servant, None)


def _children(pid: int) -> list[Identity]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found = [(int(word), start_time_of(int(word))) for word in file.read().split()]
    except OSError:  # a kernel that does not tell
        return []
    return [Identity(child, started) for child, started in found if started is not None]


def _end_one(identity: Identity, first: signal.Signals | None) -> None:
    """Wait until it has ended, by this signal or else by SIGKILL."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except OSError:
        return
    try:
        if start_time_of(identity.pid) == identity.start_time:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            if first is not None:
                signal.pidfd_send_signal(pidfd, first)
            if not poll.poll(_END_MS):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                poll.poll(_END_MS)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)
