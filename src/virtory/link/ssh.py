"""Links through the system's ssh: what to run here, what to run there, and why it failed.

The rule kept here: `command` is pure; the far side's shell sees every word of the user's quoted.
The parameters are those of libvirt's URI documentation (`command keyfile netcat no_tty no_verify
proxy socket`). On the far side libvirt's `virt-ssh-helper` is used where it is installed, else
`nc`; a virtoryd is reached by `virtory proxy`.

    `keyfile`    the private key                 `netcat`   the program to use instead of nc
    `no_verify`  1: accept any host key          `socket`   the far daemon's socket (implies nc)
    `no_tty`     1: never ask for a password     `command`  the program to use instead of ssh
    `proxy`      auto, netcat or native (virt-ssh-helper only)
"""

from __future__ import annotations

import os
import socket
import subprocess

from virtory.errors import FROM_RPC, OpenFailed
from virtory.lean import TYPE_CHECKING
from virtory.link.uri import DRIVERS_OF_VIRTORYD

if TYPE_CHECKING:
    from virtory.link.uri import Uri

MOST_QUOTED = 2000
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,")


def command(uri: Uri, *, readonly: bool) -> list[str]:
    """The words to run on this host."""
    params = uri.params
    words = [params.get("command", "ssh"), "-T", "-e", "none"]
    if uri.port:
        words += ["-p", str(uri.port)]
    if uri.user:
        words += ["-l", uri.user]
    if keyfile := params.get("keyfile"):
        words += ["-i", keyfile]
    if params.get("no_tty", "0") not in ("", "0"):
        words += ["-o", "BatchMode=yes"]
    if params.get("no_verify", "0") not in ("", "0"):
        words += ["-o", "StrictHostKeyChecking=no"]
    return [*words, "--", uri.host or "", f"sh -c {quoted(far_script(uri, readonly=readonly))}"]


def far_script(uri: Uri, *, readonly: bool) -> str:
    """What the far host's `sh` runs: a program that joins its stdin and stdout to the daemon."""
    if uri.driver in DRIVERS_OF_VIRTORYD:
        option = " --readonly" if readonly else ""
        return f"exec virtory proxy{option} {quoted(uri.params.get('socket') or uri.instance)}"
    proxy = uri.params.get("proxy", "auto")
    native = f"virt-ssh-helper{' -r' if readonly else ''} {quoted(uri.name)}"
    if proxy == "native":
        return f"exec {native}"
    netcat = _netcat_script(uri, readonly=readonly)
    if proxy == "netcat" or "socket" in uri.params or "netcat" in uri.params:
        return netcat
    return f"if command -v virt-ssh-helper >/dev/null 2>&1; then exec {native}; fi; {netcat}"


def _netcat_script(uri: Uri, *, readonly: bool) -> str:
    program = quoted(uri.params.get("netcat", "nc"))
    ending = "-sock-ro" if readonly and uri.instance == "system" else "-sock"
    if given := uri.params.get("socket"):
        sockets = quoted(given)
    else:
        root = (
            "/var/run/libvirt"
            if uri.instance == "system"
            else '"${XDG_RUNTIME_DIR:-$HOME/.cache}"/libvirt'
        )
        sockets = f"{root}/virt{uri.driver}d{ending} {root}/libvirt{ending}"
    return (
        f"q=; {program} -h 2>&1 | grep -q -e '-q ' && q=-q0; "
        f'for s in {sockets}; do if [ -S "$s" ]; then exec {program} $q -U "$s"; fi; done; '
        f"echo no daemon listens on {sockets} >&2; exit 1"
    )


def quoted(word: str) -> str:
    """`word` as one word of a POSIX shell."""
    if word and set(word) <= _SAFE:
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


class SshProcess:
    """A running ssh whose stdin and stdout are the far end of `sock`."""

    def __init__(self, uri: Uri, *, readonly: bool) -> None:
        self.host = uri.host or ""
        words = command(uri, readonly=readonly)
        self.sock, far = socket.socketpair()
        self._stderr = os.memfd_create("ssh-stderr")
        try:
            self._process = subprocess.Popen(
                words, stdin=far.fileno(), stdout=far.fileno(), stderr=self._stderr, close_fds=True
            )
        except OSError as error:
            os.close(self._stderr)
            self.sock.close()
            raise OpenFailed(
                f"cannot run '{words[0]}' to reach {self.host}: {error.strerror}",
                cure="install the OpenSSH client",
                domain=FROM_RPC,
            ) from None
        finally:
            far.close()

    def explain(self) -> str | None:
        """What ssh said on its standard error so far; None when it said nothing."""
        size = os.fstat(self._stderr).st_size
        said = os.pread(self._stderr, MOST_QUOTED, max(0, size - MOST_QUOTED))
        text = said.decode(errors="replace").strip()
        return f"ssh to {self.host} said: {text}" if text else None

    def close(self) -> None:
        """End ssh and reap it; call it after the link is closed."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        os.close(self._stderr)
