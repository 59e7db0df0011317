"""Verdicts on KVM: of devices that are absent, wrong or real; kept until something changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from cases import KVM, NO_KVM

from virtory.driver.qemu.host import accelerator
from virtory.driver.qemu.host.accelerator import DEVICE, SLOWEST_NATIVE, Verdict, choose, verdict
from virtory.errors import ConfigUnsupported

has_device = pytest.mark.skipif(
    not os.access(DEVICE, os.R_OK | os.W_OK), reason="needs a /dev/kvm that may be opened"
)


def test_a_missing_device_has_a_cure(tmp_path: Path) -> None:
    found = verdict(device=str(tmp_path / "kvm"))
    assert found.state == "absent"
    assert found.cure


def test_a_file_is_no_device(tmp_path: Path) -> None:
    (tmp_path / "kvm").write_text("")
    assert verdict(device=str(tmp_path / "kvm")).state == "absent"


def test_a_device_of_something_else_fails_the_trial_with_the_kernels_words(tmp_path: Path) -> None:
    found = verdict(str(tmp_path / "kvm.json"), device="/dev/null")
    assert found.state == "failed"
    assert "/dev/null" in found.found
    assert os.strerror(25) in found.found  # ENOTTY: it knows none of KVM's requests
    assert not (tmp_path / "kvm.json").exists(), "it would be believed until the host starts anew"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a device that another user may not open")
def test_a_user_who_may_not_open_the_device_is_told_the_group() -> None:
    directory = tempfile.mkdtemp()
    os.chmod(directory, 0o755)
    device = Path(directory) / "kvm"
    os.mknod(device, 0o020660, os.makedev(10, 232))
    os.chmod(device, 0o660)
    os.chown(device, 0, 1)
    source = str(Path(accelerator.__file__).parents[4] / "src")
    program = (
        "import grp, os, pwd, sys; sys.path.insert(0, sys.argv[2]);"
        "from virtory.driver.qemu.host.accelerator import verdict;"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534);"
        "found = verdict(device=sys.argv[1]); print(found.state); print(found.cure)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(device), source],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    shutil.rmtree(directory)
    state, cure = done.stdout.splitlines()
    assert state == "no permission"
    assert "usermod -aG daemon nobody" in cure


@has_device
def test_the_trial_tells_virtualised_from_emulated() -> None:
    found = verdict()
    assert found.state in ("native", "emulated")
    assert found.instructions_per_s is not None
    assert (found.instructions_per_s >= SLOWEST_NATIVE) == found.usable
    assert found.max_vcpus >= 1
    assert found.usable or found.cure


INTERRUPTED = """
import signal, sys
from virtory.driver.qemu.host import kvm_trial
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
kvm_trial.main()
"""


@has_device
def test_signals_do_not_end_a_trial() -> None:
    """One that emulates is long enough to be met by some."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, DEVICE], capture_output=True)
    assert json.loads(done.stdout)["instructions_per_s"] > 0, done.stderr


@has_device
def test_a_verdict_is_kept_until_the_device_changes(tmp_path: Path) -> None:
    cache = tmp_path / "kvm.json"
    tried = verdict(str(cache))
    kept = json.loads(cache.read_text())
    kept["found"] = "from the cache"
    cache.write_text(json.dumps(kept))
    assert verdict(str(cache)) == replace(tried, found="from the cache")
    kept["key"] = "another boot"
    cache.write_text(json.dumps(kept))
    assert verdict(str(cache)).found != "from the cache"


@has_device
@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 1}', '{"format": 99, "key": ""}'])
def test_a_broken_cache_costs_only_another_trial(tmp_path: Path, content: str) -> None:
    cache = tmp_path / "kvm.json"
    cache.write_text(content)
    assert verdict(str(cache)).state in ("native", "emulated")
    assert json.loads(cache.read_text())["state"] in ("native", "emulated")


def test_type_kvm_is_given_only_where_it_works() -> None:
    assert choose("kvm", KVM) == "kvm"
    with pytest.raises(ConfigUnsupported, match="does not exist"):
        choose("kvm", NO_KVM)


def test_type_qemu_is_software_emulation_everywhere() -> None:
    assert choose("qemu", KVM) == choose("qemu", NO_KVM) == "tcg"


def test_without_a_type_what_works_is_taken() -> None:
    assert choose(None, KVM) == "kvm"
    assert choose(None, NO_KVM) == "tcg"


def test_other_types_are_refused() -> None:
    with pytest.raises(ConfigUnsupported, match="xen"):
        choose("xen", KVM)


def test_an_emulated_verdict_says_how_fast() -> None:
    slow = Verdict("emulated", "slow", instructions_per_s=1_500_000)
    assert str(slow) == "emulated (1.5 million instructions/s)"
    assert str(NO_KVM) == "absent"
