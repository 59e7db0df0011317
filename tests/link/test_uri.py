"""Connection URIs: libvirt's grammar, our names, hostile text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtory.errors import ConfigUnsupported, InvalidArgument
from virtory.link import uri as uris

ENVIRONMENT = {"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/u"}


@pytest.mark.parametrize(
    ("text", "transport", "name"),
    [
        ("qemu:///system", "unix", "qemu:///system"),
        ("QEMU:///session", "unix", "qemu:///session"),
        ("test:///default", "unix", "test:///default"),
        ("qemu+unix:///system?socket=/a%20b", "unix", "qemu:///system"),
        ("qemu+unix:///system?socket=/s&x=1;y=2", "unix", "qemu:///system?x=1&y=2"),
        ("qemu+ssh://u@h:22/system?keyfile=/k", "ssh", "qemu:///system"),
        ("qemu+ssh://h/system?name=qemu:///other", "ssh", "qemu:///other"),
        ("virtory:///session", "unix", "qemu:///session"),
        ("virtory+ssh://h/system", "ssh", "qemu:///system"),
        ("xen+unix:///", "unix", "xen:///"),
    ],
)
def test_a_uri_gives_a_transport_and_the_name_that_the_daemon_gets(
    text: str, transport: str, name: str
) -> None:
    uri = uris.parse(text)
    assert (uri.transport, uri.name) == (transport, name)


def test_every_part_is_taken_apart() -> None:
    uri = uris.parse("qemu+ssh://a%40b@[fe80::1]:2222/system?keyfile=/k%20e&no_verify=1#x")
    assert uri == uris.Uri(
        "qemu+ssh://a%40b@[fe80::1]:2222/system?keyfile=/k%20e&no_verify=1#x",
        "qemu",
        "ssh",
        "a@b",
        "fe80::1",
        2222,
        "/system",
        {"keyfile": "/k e", "no_verify": "1"},
        "qemu:///system",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("qemu", "no '://'"),
        ("://system", "can not be a driver"),
        ("qe mu:///system", "blank"),
        ("qemu:///sys\ntem", "control character"),
        ("qemu+smoke:///system", "'smoke' is no transport"),
        ("qemu+unix://host/system", "has no host"),
        ("qemu+ssh:///system", "needs a host"),
        ("qemu+ssh://-oProxyCommand=x/system", "can not be a host"),
        ("qemu+ssh://-oProxyCommand/system", "can not begin with '-'"),
        ("qemu+ssh://-l@host/system", "can not begin with '-'"),
        ("qemu+ssh://%2Dl@host/system", "can not begin with '-'"),
        ("qemu+ssh://h$(id)/system", "can not be a host"),
        ("qemu+ssh://a%60id%60@host/system", "can not be a user"),
        ("qemu+ssh://a%0aid@host/system", "can not be a user"),
        ("qemu+ssh://host:/system", "no port"),
        ("qemu+ssh://host:0/system", "no port"),
        ("qemu+ssh://host:65536/system", "no port"),
        ("qemu+ssh://host:٢٢/system", "no port"),
        ("qemu+ssh://@host/system", "before '@' is empty"),
        ("qemu+ssh://user@/system", "no host"),
        ("qemu+ssh://[::1/system", "no IPv6 address"),
        ("qemu+ssh://[::1]x/system", "follows the address"),
        ("qemu+unix:///system?socket=%zz", "no percent-encoded byte"),
        ("qemu+unix:///system?socket=%00", "NUL"),
        ("qemu+unix:///system?socket=%ff", "not UTF-8"),
        ("qemu:///system?mode=fast", "mode is 'fast'"),
        ("qemu+ssh://h/system?proxy=magic", "proxy is 'magic'"),
        ("q" * 5000, "more than 4096"),
    ],
)
def test_a_wrong_uri_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why.replace("(", r"\(")):
        uris.parse(text)


@pytest.mark.parametrize("text", ["qemu://host/system", "qemu+tls://h/system", "qemu+tcp://h/s"])
def test_transports_that_are_not_served_say_what_is(text: str) -> None:
    with pytest.raises(ConfigUnsupported, match="use ssh"):
        uris.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_an_error(text: str) -> None:
    for candidate in (text, f"qemu+ssh://{text}", f"qemu+unix:///system?{text}"):
        try:
            uri = uris.parse(candidate)
        except (InvalidArgument, ConfigUnsupported):
            continue
        assert not (uri.host or "").startswith("-")
        assert not (uri.user or "").startswith("-")
        assert "\0" not in "".join(uri.params.values()) + uri.path


def test_the_environment_chooses_when_no_uri_is_given() -> None:
    both = {"VIRTORY_URI": "a", "LIBVIRT_DEFAULT_URI": "b"}
    assert uris.default_text(both, 0) == "a"
    assert uris.default_text({"LIBVIRT_DEFAULT_URI": "b", "VIRTORY_URI": ""}, 0) == "b"
    assert uris.default_text({}, 0) == "virtory:///system"
    assert uris.default_text({}, 1000) == "virtory:///session"


@pytest.mark.parametrize(
    ("text", "readonly", "uid", "paths"),
    [
        ("virtory:///system", False, 0, ["/run/virtory/virtory-sock"]),
        ("virtory:///system", True, 7, ["/run/virtory/virtory-sock-ro"]),
        ("virtory:///session", True, 7, ["/run/user/7/virtory/virtory-sock"]),
        ("virtory:///session", False, 0, ["/run/virtory/virtory-sock"]),
        ("test:///default", False, 7, ["/run/user/7/virtory/test-sock"]),
        (
            "qemu:///system",
            False,
            7,
            ["/var/run/libvirt/virtqemud-sock", "/var/run/libvirt/libvirt-sock"],
        ),
        (
            "qemu:///system",
            True,
            7,
            ["/var/run/libvirt/virtqemud-sock-ro", "/var/run/libvirt/libvirt-sock-ro"],
        ),
        (
            "qemu:///session",
            True,
            7,
            ["/run/user/7/libvirt/virtqemud-sock", "/run/user/7/libvirt/libvirt-sock"],
        ),
        ("qemu+unix:///system?socket=/s", True, 7, ["/s"]),
    ],
)
def test_the_sockets_are_where_libvirts_and_our_rules_say(
    text: str, readonly: bool, uid: int, paths: list[str]
) -> None:
    found = uris.socket_paths(
        uris.parse(text), readonly=readonly, environment=ENVIRONMENT, effective_uid=uid
    )
    assert found == paths


def test_without_a_runtime_directory_the_cache_directory_serves() -> None:
    assert uris.runtime_directory(False, {"HOME": "/home/u"}) == "/home/u/.cache/virtory"
    assert uris.runtime_directory(False, {"XDG_CACHE_HOME": "/c/"}) == "/c/virtory"
    assert uris.runtime_directory(True, {}) == "/run/virtory"
    with pytest.raises(ConfigUnsupported, match="no place for this user's sockets; set HOME"):
        uris.runtime_directory(False, {})
