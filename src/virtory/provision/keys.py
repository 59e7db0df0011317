"""SSH keys: the user's own, one made for a user who has none, and a machine's host key.

The rule kept here: private keys are made by ssh-keygen into files that only their owner reads.
"""

from __future__ import annotations

import glob
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from virtory.provision import places
from virtory.provision.errors import SshFailed

_PREFERRED = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True)
class UserKey:
    """Public text for the guest, and the private file ssh is pointed at (None: ssh chooses)."""

    public: str
    private: Path | None


@dataclass(frozen=True, slots=True)
class HostKey:
    """A machine's ed25519 host key, both halves as OpenSSH writes them."""

    private: str
    public: str


def user_key(chosen: Path | None = None) -> UserKey:
    """The key that opens new machines.

    `chosen` (a public or private key file), else the user's ~/.ssh/id_*, else one made once and
    kept in virtory's own data directory.
    """
    if chosen is not None:
        return _from_file(chosen)
    for path in _own_keys():
        try:
            return _from_file(path)
        except SshFailed:
            continue
    made = places.keys_directory() / "id_ed25519"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        generate(made, comment="virtory")
    return _from_file(made)


def new_host_key(directory: Path, comment: str) -> HostKey:
    """Make a host key; its files do not outlive the call."""
    path = directory / ".host_key"
    public = path.with_name(".host_key.pub")
    try:
        generate(path, comment)
        return HostKey(path.read_text("ascii"), public.read_text("ascii").strip())
    finally:
        path.unlink(missing_ok=True)
        public.unlink(missing_ok=True)


def generate(path: Path, comment: str) -> None:
    """Make an ed25519 key pair without a passphrase at `path` and `path`.pub."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError:
        raise SshFailed(
            "ssh-keygen is not installed, so no key can be made",
            cure="install it: apt install openssh-client",
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise SshFailed(f"ssh-keygen could not make the key {path}: {said}")


def _own_keys() -> list[Path]:
    directory = os.path.expanduser("~/.ssh")
    found = glob.glob(f"{glob.escape(directory)}/id_*.pub")
    preferred = [f"{directory}/{name}.pub" for name in _PREFERRED]
    return [Path(path) for path in [*preferred, *sorted(set(found) - set(preferred))]]


def _from_file(path: Path) -> UserKey:
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    try:
        text = public.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SshFailed(
            f"the public SSH key {public} can not be read: {why}",
            cure="name an existing key (its .pub file is what is read), or leave it out and"
            " virtory makes one",
        ) from None
    if "\n" in text or len(text.split()) < 2:
        raise SshFailed(f"{public} is not one OpenSSH public key", cure="name a .pub file")
    private = public.with_suffix("")
    return UserKey(text, private if private.exists() else None)
