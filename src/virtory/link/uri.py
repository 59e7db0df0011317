"""Connection URIs: which daemon, reached how; libvirt's grammar and two names of our own.

The rule kept here: pure. Text and an environment in, a value out; no file, socket or clock is
touched, and every text either becomes a value or raises `InvalidArgument` saying what is wrong.

    driver[+transport]://[user@][host][:port]/path[?parameter=value&…]

    qemu:///system                libvirt's system daemon on this host
    qemu:///session               libvirt's daemon of this user
    qemu+unix:///system?socket=P  whoever listens on the UNIX socket P
    qemu+ssh://user@host/system   the same on another host, through the system's ssh
    virtory:///system             virtoryd run by root, on this host
    virtory:///session            virtoryd run by this user
    virtory+ssh://host/session    a virtoryd on another host
    test:///default               a virtoryd of this user with pretended machines

A host without a transport means TLS, as with libvirt; TLS, TCP and libssh are not served yet and
say so. The parameters `socket name mode netcat keyfile no_verify no_tty command proxy
known_hosts_verify` are read here and never sent; any other parameter belongs to the driver and
stays in the name that `connect_open` carries.
"""

from __future__ import annotations

from virtory.errors import FROM_URI, ConfigUnsupported, InvalidArgument
from virtory.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_URI = 4096
PARAMETERS = frozenset(
    [
        "socket",
        "name",
        "mode",
        "netcat",
        "keyfile",
        "no_verify",
        "no_tty",
        "command",
        "proxy",
        "known_hosts_verify",
        "no_sanity",
        "pkipath",
        "tls_priority",
        "known_hosts",
        "sshauth",
    ]
)
TRANSPORTS = ("unix", "ssh")
OTHER_TRANSPORTS = ("tls", "tcp", "ext", "libssh", "libssh2")
DRIVERS_OF_VIRTORYD = ("virtory", "test")
_HEX = frozenset("0123456789abcdefABCDEF")
_DRIVER_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")
_OF_A_SHELL = frozenset("'`\";&<>|(){}")  # ssh hands a name to a shell where it is told to
_HOST_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")


class Uri(NamedTuple):
    """A connection URI taken apart; `params` holds only the parameters that we read."""

    text: str
    driver: str
    transport: str
    user: str | None
    host: str | None
    port: int | None
    path: str
    params: dict[str, str]
    name: str

    @property
    def local(self) -> bool:
        return self.transport == "unix"

    @property
    def instance(self) -> str:
        """`system` or `session`: the last word of the path, `session` when it is neither."""
        return "system" if self.path == "/system" else "session"


def parse(text: str) -> Uri:
    """The URI that `text` spells; raises `InvalidArgument` or `ConfigUnsupported`."""
    _refuse_strange_text(text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise _invalid(
            text, "it has no '://'", "write it like qemu:///system or virtory:///session"
        )
    driver, plus, transport = scheme.lower().partition("+")
    if not driver or not set(driver) <= _DRIVER_LETTERS:
        raise _invalid(text, f"'{driver}' can not be a driver's name")
    rest, _, _fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    user, host, port = _authority(text, authority)
    transport = _transport(text, transport, bool(plus), host)
    params, foreign = _parameters(text, query)
    path = _decoded(text, slash + path)
    name = params.get("name") or _name(driver, path, foreign)
    return Uri(text, driver, transport, user, host, port, path, params, name)


def default_text(environment: Mapping[str, str], effective_uid: int) -> str:
    """The URI when none is given: VIRTORY_URI, LIBVIRT_DEFAULT_URI, else this user's virtoryd.

    Root's own virtoryd is the system instance; anybody else's is the session instance.
    """
    if named := variable(environment):
        return environment[named]
    return "virtory:///system" if effective_uid == 0 else "virtory:///session"


def variable(environment: Mapping[str, str]) -> str | None:
    """The variable of the environment that names a daemon, the more particular one first."""
    names = ("VIRTORY_URI", "LIBVIRT_DEFAULT_URI")
    return next((name for name in names if environment.get(name)), None)


def socket_paths(
    uri: Uri, *, readonly: bool, environment: Mapping[str, str], effective_uid: int
) -> list[str]:
    """Sockets to try for a local URI, best first: the first that exists is the one to use.

    `?socket=` overrides everything. `qemu:` and other drivers follow libvirt: the modular daemon's
    socket, then libvirtd's. `virtory:` names virtoryd's own socket, `test:` that of a virtoryd with
    pretended machines beside it; root has only the system's, no session of its own.
    """
    if socket := uri.params.get("socket"):
        return [socket]
    ending = "-sock-ro" if readonly and uri.instance == "system" else "-sock"
    if uri.driver in DRIVERS_OF_VIRTORYD:
        system = uri.instance == "system" or effective_uid == 0
        suffix = "-sock-ro" if readonly and system else "-sock"
        return [f"{runtime_directory(system, environment)}/{uri.driver}{suffix}"]
    if uri.instance == "system":
        directory = "/var/run/libvirt"
    else:
        directory = f"{_user_runtime(environment)}/libvirt"
    return [f"{directory}/virt{uri.driver}d{ending}", f"{directory}/libvirt{ending}"]


def runtime_directory(system: bool, environment: Mapping[str, str]) -> str:
    """Where virtoryd keeps its sockets: /run/virtory, or the user's XDG runtime directory."""
    return "/run/virtory" if system else f"{_user_runtime(environment)}/virtory"


def _user_runtime(environment: Mapping[str, str]) -> str:
    """$XDG_RUNTIME_DIR, else the cache directory, as libvirt does without a login session."""
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return runtime.rstrip("/")
    if cache := environment.get("XDG_CACHE_HOME"):
        return cache.rstrip("/")
    if home := environment.get("HOME"):
        return f"{home.rstrip('/')}/.cache"
    raise ConfigUnsupported(
        "none of XDG_RUNTIME_DIR, XDG_CACHE_HOME and HOME is set, so there is no place for this "
        "user's sockets",
        cure="set HOME",
    )


def _refuse_strange_text(text: str) -> None:
    if not text:
        raise InvalidArgument("the connection URI is empty", domain=FROM_URI)
    if len(text) > LONGEST_URI:
        raise InvalidArgument(
            f"the connection URI has {len(text)} characters, more than {LONGEST_URI}",
            domain=FROM_URI,
        )
    if any(not character.isprintable() or character == " " for character in text):
        raise _invalid(text, "it holds a blank or a control character", "write it percent-encoded")


def _authority(text: str, authority: str) -> tuple[str | None, str | None, int | None]:
    login, at, place = authority.rpartition("@")
    user = _decoded(text, login) if at else None
    if user and (set(user) & _OF_A_SHELL or not user.isprintable()):
        raise _invalid(text, f"{user!r} can not be a user's name")
    if at and not user:
        raise _invalid(text, "the user's name before '@' is empty")
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or ":" not in host or not set(host) <= _HEX | set(":.%") | _HOST_LETTERS:
            raise _invalid(text, f"'{place}' is no IPv6 address in brackets")
        colon, port = rest[:1], rest[1:]
        if colon not in ("", ":"):
            raise _invalid(text, f"'{rest}' follows the address in brackets")
    else:
        host, colon, port = place.partition(":")
        if not set(host) <= _HOST_LETTERS:
            raise _invalid(text, f"'{host}' can not be a host's name")
    for what, word in (("user's", user), ("host's", host)):
        if word and word.startswith("-"):
            raise _invalid(text, f"a {what} name can not begin with '-' ({word})")
    if (user or colon) and not host:
        raise _invalid(text, "it names a user or a port, but no host")
    return user, host or None, _port(text, port) if colon else None


def _port(text: str, port: str) -> int:
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or not 0 < int(port) < 65536:
        raise _invalid(text, f"'{port}' is no port number (1 to 65535)")
    return int(port)


def _transport(text: str, transport: str, given: bool, host: str | None) -> str:
    if not given:
        transport = "tls" if host else "unix"
    if transport in OTHER_TRANSPORTS:
        raise ConfigUnsupported(
            f"the transport '{transport}' of the connection URI '{text}'",
            cure="use ssh, for example qemu+ssh://user@host/system",
            domain=FROM_URI,
        )
    if transport not in TRANSPORTS:
        raise _invalid(text, f"'{transport}' is no transport", "use +unix or +ssh")
    if transport == "ssh" and not host:
        raise _invalid(text, "ssh needs a host", "write qemu+ssh://user@host/system")
    if transport == "unix" and host:
        raise _invalid(text, f"a UNIX socket has no host ('{host}')", "write qemu+unix:///system")
    return transport


def _parameters(text: str, query: str) -> tuple[dict[str, str], list[str]]:
    """The parameters that we read, and the text of those that the driver reads."""
    ours: dict[str, str] = {}
    foreign: list[str] = []
    for pair in query.replace(";", "&").split("&"):
        if not pair:
            continue
        key, _, value = pair.partition("=")
        key = _decoded(text, key)
        if key not in PARAMETERS:
            foreign.append(pair)
            continue
        ours[key] = _decoded(text, value)
    if ours.get("mode", "auto") not in ("auto", "legacy", "direct"):
        raise _invalid(text, f"mode is '{ours['mode']}'", "use auto, legacy or direct")
    if ours.get("proxy", "auto") not in ("auto", "netcat", "native"):
        raise _invalid(text, f"proxy is '{ours['proxy']}'", "use auto, netcat or native")
    return ours, foreign


def _name(driver: str, path: str, foreign: list[str]) -> str:
    """What `connect_open` carries: the URI without host, transport and our parameters."""
    scheme = "qemu" if driver == "virtory" else driver
    return f"{scheme}://{path}{'?' if foreign else ''}{'&'.join(foreign)}"


def _decoded(text: str, word: str) -> str:
    if "%" not in word:
        return word
    head, *pieces = word.split("%")
    raw = bytearray(head.encode())
    for piece in pieces:
        if len(piece) < 2 or not set(piece[:2]) <= _HEX:
            raise _invalid(text, f"'%{piece[:2]}' is no percent-encoded byte")
        raw.append(int(piece[:2], 16))
        raw += piece[2:].encode()
    if 0 in raw:
        raise _invalid(text, "it holds a NUL byte")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _invalid(text, f"'{word}' is not UTF-8 when decoded") from None


def _invalid(text: str, why: str, cure: str | None = None) -> InvalidArgument:
    shown = text if len(text) <= 200 else f"{text[:200]}…"
    return InvalidArgument(f"the connection URI {shown!r}: {why}", cure=cure, domain=FROM_URI)
