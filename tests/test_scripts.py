"""The scripts that make a machine ready, on a machine that is ready.

The rule kept here: a script is run as it stands, and changes nothing of the host.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "scripts" / "setup"
ORDINARY = 64321
"""An uid that nobody else has, and that sudo does not know."""

# In a mount namespace where /run has nothing of libvirt's, as after a start of the host.
_BARE = 'mount -t tmpfs tmpfs /run && exec setpriv --reuid=$0 --regid=$0 --clear-groups "$@"'


def test_an_ordinary_user_who_has_the_packages_needs_no_sudo() -> None:
    if not Path(sys.prefix, ".virtory-test").exists():
        pytest.skip("scripts/setup has not made the environment of these tests")
    become = []
    if os.geteuid() == 0:
        become = ["unshare", "--mount", "bash", "-c", _BARE, str(ORDINARY)]
        if (tried := run(*become, "wc", "-c", str(SETUP), sys.executable)).returncode:
            pytest.skip(f"no ordinary user with a /run of its own: {tried.stderr.strip()}")
    done = run(*become, "bash", str(SETUP), "test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "VIRTORY_VENV": sys.prefix}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
