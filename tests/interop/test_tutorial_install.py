"""The tutorial's first part: virt-install in all its ways; systems boot from their disks."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import media
import tutorial

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

SMALL = ("--memory", "256", "--vcpus", "1", "--network", "none", "--graphics", "none")


@pytest.fixture(scope="module")
def host() -> Iterator[tutorial.Host]:
    if reason := tutorial.missing():
        pytest.skip(reason)
    with tutorial.hosted() as made:
        yield made


@pytest.fixture(scope="module")
def medium(host: tutorial.Host) -> media.Media:
    """An installation medium in a directory, as after a download."""
    if lacking := media.missing():
        pytest.skip(f"missing: {lacking}")
    made = media.build(host.places)
    for path in made:
        path.chmod(0o644)
    return made


@pytest.fixture
def cleared(host: tutorial.Host) -> Iterator[tutorial.Host]:
    yield host
    host.clear()


def installed(host: tutorial.Host, name: str, *words: str) -> str:
    """Install on a terminal; all that is said until the installed system is up."""
    command = host.install_words("--name", name, *SMALL, "--autoconsole", "text", *words)
    with host.terminal("virt-install", *command) as terminal:
        said = terminal.until(media.INSTALLED)
        said += terminal.until(media.UP)
        terminal.type("\x1d")
        status, rest = terminal.end()
        assert status == 0, said.decode() + rest
    return said.decode()


def test_a_system_is_installed_from_a_location_and_boots_from_its_disk(
    cleared: tutorial.Host, medium: media.Media
) -> None:
    disk = cleared.places / "located.qcow2"
    preseed = cleared.places / "preseed.cfg"
    preseed.write_text("d-i some/answer boolean true\n")
    said = installed(
        cleared,
        "located",
        *("--disk", f"path={disk},size=1,format=qcow2", "--location", str(medium.iso)),
        *("--extra-args", "console=ttyS0 mine=1", "--initrd-inject", str(preseed)),
    )
    assert "mine=1" in said
    assert "PRESEED d-i some/answer boolean true" in said
    assert cleared.state("located") == "running"
    assert "<kernel>" not in cleared.virsh("dumpxml", "located", "--inactive")
    assert "<on_reboot>restart</on_reboot>" in cleared.virsh("dumpxml", "located")
    assert cleared.virsh("list", "--persistent", "--name").split() == ["located"]
    cleared.virsh("destroy", "located")
    cleared.start("located", media.UP)
    cleared.virsh("destroy", "located")
    cleared.virsh("undefine", "located", "--remove-all-storage")
    assert not disk.exists()


def test_a_system_is_installed_from_a_cd(cleared: tutorial.Host, medium: media.Media) -> None:
    disk = cleared.places / "cd.qcow2"
    installed(
        cleared,
        "cd",
        *("--disk", f"path={disk},size=1,format=qcow2", "--cdrom", str(medium.iso)),
    )
    listed = cleared.virsh("domblklist", "cd", "--details")
    assert "cdrom" in listed and str(medium.iso) not in listed
    assert str(disk) in listed


def test_the_tutorials_own_words_install_without_a_terminal(
    cleared: tutorial.Host, medium: media.Media
) -> None:
    """With `--wait`, virt-install itself starts the system that was installed."""
    disk = cleared.places / "words.qcow2"
    said = cleared.virt_install(
        *("--name", "words", "--ram", "512", "--vcpus", "1", "--os-variant", "debian11"),
        *("--disk", f"path={disk},size=1,format=qcow2", "--network", "network=default"),
        *("--graphics", "vnc", "--noautoconsole", "--wait", "3", "--location", str(medium.iso)),
        *("--extra-args", "console=ttyS0"),
    )
    assert "Domain creation completed" in said, said
    assert cleared.state("words") == "running"
    assert "default" in cleared.virsh("domiflist", "words")
    assert cleared.virsh("vncdisplay", "words").startswith("127.0.0.1:")


def test_an_image_is_imported(cleared: tutorial.Host, medium: media.Media) -> None:
    disk = cleared.places / "import.img"
    shutil.copy(medium.system, disk)
    disk.chmod(0o666)
    cleared.virt_install(
        *("--name", "imported", *SMALL, "--import", "--disk", f"{disk},format=raw"),
        *("--noautoconsole",),
    )
    assert cleared.state("imported") == "running"
    cleared.virsh("destroy", "imported")
    cleared.start("imported", media.UP)


def test_xml_is_printed_and_nothing_made(cleared: tutorial.Host, medium: media.Media) -> None:
    disk = cleared.places / "printed.qcow2"
    printed = cleared.virt_install(
        *("--name", "printed", *SMALL, "--disk", f"{disk},size=1", "--location", str(medium.iso)),
        *("--print-xml", "--dry-run"),
    )
    assert printed.count("<domain type=") == 2
    assert "<on_reboot>destroy</on_reboot>" in printed
    assert not disk.exists()
    assert cleared.virsh("list", "--all", "--name").split() == []
    only = cleared.virt_install(
        *("--name", "printed", *SMALL, "--import", "--disk", "none", "--dry-run", "--print-xml")
    )
    (cleared.places / "printed.xml").write_text(only)
    cleared.virsh("define", str(cleared.places / "printed.xml"))
    assert cleared.state("printed") == "shut off"


def test_a_disk_is_made_in_a_pool(cleared: tutorial.Host) -> None:
    directory = cleared.places / "pool"
    cleared.virsh("pool-define-as", "tank", "dir", "--target", str(directory))
    cleared.virsh("pool-build", "tank")
    cleared.virsh("pool-start", "tank")
    cleared.virsh("pool-autostart", "tank")
    cleared.virt_install(
        *("--name", "pooled", *SMALL, "--import", "--disk", "pool=tank,size=1,format=qcow2"),
        *("--disk", "pool=tank,size=2", "--noautoconsole"),
    )
    listed = cleared.virsh("vol-list", "tank")
    assert "pooled.qcow2" in listed and "pooled-1.qcow2" in listed
    cleared.virsh("destroy", "pooled")
    cleared.virsh("vol-create-as", "tank", "third.qcow2", "16M", "--format", "qcow2")
    cleared.virt_xml("pooled", "--add-device", "--disk", "vol=tank/third.qcow2")
    cleared.virsh("start", "pooled")
    assert "third.qcow2" in cleared.virsh("domblklist", "pooled")
    cleared.virsh("destroy", "pooled")
    said = cleared.virsh("undefine", "pooled", "--remove-all-storage")
    assert said.count("removed") == 3, said
    assert cleared.virsh("vol-list", "tank").count("qcow2") == 0
    cleared.virsh("pool-destroy", "tank")
    cleared.virsh("pool-undefine", "tank")


def test_a_machine_boots_by_uefi(cleared: tutorial.Host) -> None:
    cleared.virt_install(
        *(
            "--name",
            "uefi",
            *SMALL,
            "--import",
            "--disk",
            "size=1,path=" + str(cleared.places / "u.qcow2"),
        ),
        *("--boot", "uefi", "--noautoconsole"),
    )
    assert "OVMF" in cleared.virsh("dumpxml", "uefi")
    nvram = Path(cleared.find("<nvram[^>]*>([^<]*)<", "dumpxml", "uefi"))
    assert nvram.exists() or nvram.parts[1] == "var"
    cleared.virsh("destroy", "uefi")
    assert "nvram" in cleared.virsh("undefine", "uefi", fails=True)
    cleared.virsh("undefine", "uefi", "--nvram")
    assert not nvram.exists()


def test_cloud_init_data_is_given_once(cleared: tutorial.Host, medium: media.Media) -> None:
    disk = cleared.places / "cloudy.img"
    shutil.copy(medium.system, disk)
    disk.chmod(0o666)
    key = cleared.places / "key.pub"
    key.write_text("ssh-ed25519 AAAA tutorial\n")
    cleared.virt_install(
        *("--name", "cloudy", *SMALL, "--import", "--disk", f"{disk},format=raw"),
        *("--cloud-init", f"ssh-key={key},disable=on", "--noautoconsole"),
    )
    live = cleared.virsh("domblklist", "cloudy", "--details")
    assert "cloudinit" in live, live
    assert "cloudinit" not in cleared.virsh("domblklist", "cloudy", "--details", "--inactive")


def test_debians_own_installer_begins(cleared: tutorial.Host) -> None:
    images = Path("/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64")
    if not (images / "linux").exists():
        pytest.skip("debian-installer-12-netboot-amd64 is not installed")
    preseed = cleared.places / "preseed.cfg"
    preseed.write_text("d-i debian-installer/locale string en_US\n")
    command = cleared.install_words(
        *("--name", "di", *SMALL, "--memory", "512", "--disk", "none", "--autoconsole", "text"),
        *("--install", f"kernel={images}/linux,initrd={images}/initrd.gz,kernel_args_overwrite=yes,"
          "kernel_args=console=ttyS0 priority=critical"),
        *("--initrd-inject", str(preseed)),
    )  # fmt: skip
    with cleared.terminal("virt-install", *command) as terminal:
        terminal.until(b"Starting system log daemon")
        terminal.type("\x1d")
