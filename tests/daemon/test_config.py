"""The configuration file, and where an instance lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtory.daemon import config
from virtory.daemon.places import places
from virtory.errors import ConfigUnsupported, SystemCallFailed


def test_the_documented_file_sets_every_key_to_its_default() -> None:
    import tomllib

    documented = tomllib.loads(Path(config.DEFAULT_FILE).read_text())
    assert config.load(config.DEFAULT_FILE) == config.Config()
    for table in ("sockets", "limits", "keepalive", "log"):
        assert set(documented[table]) == set(getattr(config.Config(), table)._fields)


def test_what_is_not_set_keeps_its_default(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[limits]\nclients = 7\n[qemu]\nuser = "somebody"\n')
    loaded = config.load(str(file))
    assert loaded.limits == config.Limits(clients=7)
    assert loaded.keepalive == config.Keepalive()
    assert loaded.qemu == {"user": "somebody"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits]\nclient = 7", "unknown entry 'limits.client'"),
        ("[limit]\nclients = 7", "unknown entry 'limit'"),
        ("limits = 7", "unknown entry 'limits'"),
        ("[limits]\nclients = '7'", "'limits.clients' to '7', which is not of type int"),
        ("[limits]\nclients = true", "not of type int"),
        ("[limits]\nclients = 0", "must be at least 1"),
        ("[log]\njson = 1", "not of type bool"),
        ("[log]\nlevel = 'loud'", "'log.level' to 'loud': use error, warning, info, debug"),
        ("[sockets]\nmode = 'rw'", "'sockets.mode' to 'rw', which is no mode"),
        ("[sockets]\nread_only_mode = '0888'", "'0888', which is no mode"),
        ("[limits", "is not TOML"),
        ("\udc80", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigUnsupported) as caught:
        config.load(str(file))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert config.DEFAULT_FILE in (caught.value.cure or "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemCallFailed, match="No such file"):
        config.load(str(tmp_path / "none"))


def test_root_runs_the_systems_instance() -> None:
    there = places({}, 0)
    assert there.state == "/var/lib/virtory"
    assert there.socket == "/run/virtory/virtory-sock"
    assert there.read_only_socket == "/run/virtory/virtory-sock-ro"
    assert there.privileged


def test_a_user_runs_a_private_instance_in_the_xdg_directories() -> None:
    there = places({"XDG_RUNTIME_DIR": "/run/user/5/", "XDG_STATE_HOME": "/s", "HOME": "/h"}, 5)
    assert (there.state, there.socket) == ("/s/virtory", "/run/user/5/virtory/virtory-sock")
    assert there.read_only_socket is None
    assert not there.privileged


def test_without_xdg_directories_the_home_directory_is_used() -> None:
    there = places({"HOME": "/h"}, 5)
    assert (there.state, there.socket) == (
        "/h/.local/state/virtory",
        "/h/.cache/virtory/virtory-sock",
    )


def test_without_any_home_the_state_must_be_given() -> None:
    with pytest.raises(ConfigUnsupported, match="--state"):
        places({}, 5)
    assert places({}, 5, state="/s", socket="/x").state == "/s"


def test_libvirts_own_places_are_those_its_clients_try() -> None:
    system = places({}, 0, libvirt_sockets=True).libvirt_sockets
    assert ("/var/run/libvirt/virtqemud-sock", False) in system
    assert ("/var/run/libvirt/libvirt-sock-ro", True) in system
    user = places({"XDG_RUNTIME_DIR": "/r", "HOME": "/h"}, 5, libvirt_sockets=True)
    assert user.libvirt_sockets == [
        ("/r/libvirt/virtqemud-sock", False),
        ("/r/libvirt/libvirt-sock", False),
    ]
