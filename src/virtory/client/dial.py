"""From a URI to a started link: which socket, through ssh or not, on asyncio or without.

The rule kept here: what can not be reached is said with its path, the reason and the cure; only the
user's own virtoryd is ever started.
"""

from __future__ import annotations

import _socket as socket  # its Python half takes longer to import than a call to make
import errno
import os

from virtory.errors import FROM_RPC, OpenFailed
from virtory.lean import TYPE_CHECKING, NamedTuple
from virtory.link import uri as uris
from virtory.wire.session import CLIENT, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.link.link import Link
    from virtory.link.uri import Uri

MOST_TRIES = 500
TRY_AGAIN_AFTER_S = 0.01


class Dialled(NamedTuple):
    """A link not yet started, and what to call when it has ended."""

    link: Link
    release: Callable[[], None] | None


async def dial(uri: Uri, *, readonly: bool, blocking: bool) -> Dialled:
    """Connect to what the URI names; starts the user's own virtoryd when it does not run."""
    if uri.transport == "ssh":
        from virtory.link.ssh import SshProcess

        process = SshProcess(uri, readonly=readonly)
        link = _link(process.sock, blocking, process.explain)
        return Dialled(link, process.close)
    sock = await socket_of(uri, readonly=readonly, blocking=blocking)
    return Dialled(_link(sock, blocking, None), None)


async def socket_of(uri: Uri, *, readonly: bool, blocking: bool) -> socket.socket:
    """A connected socket for a local URI; the caller's to close."""
    paths = uris.socket_paths(
        uri, readonly=readonly, environment=os.environ, effective_uid=os.geteuid()
    )
    path = next(filter(os.path.exists, paths), paths[-1])
    try:
        return await _connected(path, blocking)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        if not may_start(uri):
            raise _unreachable(uri, path, error) from None
    except OSError as error:
        raise _unreachable(uri, path, error) from None
    await _start(path.removesuffix("-ro"), uri, blocking)
    return await _connected(path, blocking)


def may_start(uri: Uri) -> bool:
    """Whether the URI names this user's own virtoryd, where nobody said which socket."""
    if uri.driver not in uris.DRIVERS_OF_VIRTORYD or "socket" in uri.params:
        return False
    return os.geteuid() == 0 or uri.path != "/system"


def _link(sock: socket.socket, blocking: bool, explain: Callable[[], str | None] | None) -> Link:
    session = Session(CLIENT)
    if blocking:
        from virtory.link.blocking import BlockingLink

        return BlockingLink(sock, session, explain)
    from virtory.link.unix import UnixLink

    return UnixLink(sock, session, explain)


async def _connected(path: str, blocking: bool) -> socket.socket:
    """A connected socket. A full backlog refuses with EAGAIN at once: then try again."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(blocking)
    try:
        for _ in range(MOST_TRIES):
            try:
                sock.connect(path)
            except BlockingIOError:
                import asyncio

                await asyncio.sleep(TRY_AGAIN_AFTER_S)
            else:
                return sock
        raise TimeoutError(errno.ETIMEDOUT, "nobody accepts the connection")
    except BaseException:
        sock.close()
        raise


async def _start(path: str, uri: Uri, blocking: bool) -> None:
    from virtory.client.autostart import start_daemon

    if blocking:
        start_daemon(path, uri.driver)
        return
    import asyncio

    await asyncio.to_thread(start_daemon, path, uri.driver)


def _unreachable(uri: Uri, path: str, error: OSError) -> OpenFailed:
    virtoryd = uri.driver in uris.DRIVERS_OF_VIRTORYD
    program = "virtoryd" if virtoryd else "libvirtd (or virtqemud)"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        cure = f"start {program}, or name another daemon with VIRTORY_URI or --connect"
    elif isinstance(error, PermissionError):
        group = "virtory" if virtoryd else "libvirt"
        cure = (
            f"become a member of the group '{group}', or use root, or your own virtory:///session"
        )
    else:
        cure = None
    return OpenFailed(
        f"failed to connect to {uri.text}: the socket '{path}': {error.strerror or error}",
        cure=cure,
        domain=FROM_RPC,
    )
