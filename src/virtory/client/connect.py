"""Connections to a daemon: `connect(uri)` gives a `Host`, on which everything else is done.

The rule kept here: which daemon is meant is decided in one place and in this order:

1. the `uri` given; 2. the environment's VIRTORY_URI; 3. LIBVIRT_DEFAULT_URI; 4. the user's own
   virtoryd: `virtory:///system` (/run/virtory) for root, `virtory:///session` (the XDG runtime
   directory) for everybody else.

A `virtory:` URI without `?socket=` starts that virtoryd when it does not run and is the user's own;
every other URI talks to whoever listens where libvirt's rules say (`virtory.link.uri`).

    async with virtory.connect() as host:              # asyncio
        for domain in await host.list_domains():
            print(domain.name, await domain.info())

    async def names() -> list[str]:                    # the same code, without an event loop
        async with virtory.connect(blocking=True) as host:
            return [domain.name for domain in await host.list_domains()]

    print(virtory.run_sync(names()))

    with virtory.open_sync() as host:                  # for scripts: no `await` at all
        print([domain.name for domain in host.list_domains()])

No call has a time limit of its own (`asyncio.timeout` sets one); when the connection ends, every
call, stream and subscription that still waits raises `ConnectionLost`.
"""

from __future__ import annotations

import os

from virtory.client.caller import Caller
from virtory.client.host_domains import HostDomains
from virtory.client.host_info import HostInfo
from virtory.client.host_objects import HostObjects
from virtory.client.later import Later
from virtory.errors import (
    FROM_AUTH,
    AuthenticationFailed,
    ConnectionLost,
    NotSupported,
    OpenFailed,
    RpcError,
    VirtoryError,
)
from virtory.lean import TYPE_CHECKING, Any
from virtory.link import uri as uris

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from types import TracebackType
    from typing import Self

    from virtory.client.domain import Domain
    from virtory.client.domain_handle import DomainHandle
    from virtory.client.handle import Handle
    from virtory.client.subscription import Subscription
    from virtory.link.link import Link
    from virtory.link.uri import Uri
    from virtory.wire import virtory as ours
    from virtory.wire.remote import auth as w_auth
    from virtory.wire.remote import connect as w
else:
    ours = Later("virtory.wire.virtory")
    w_auth = Later("virtory.wire.remote.auth")
    w = Later("virtory.wire.remote.connect")

READ_ONLY = 1
FEATURE_KEEPALIVE = 10
AUTH_NONE, AUTH_SASL, AUTH_POLKIT = range(3)


def connect(
    uri: str | None = None, *, readonly: bool = False, blocking: bool = False
) -> Connecting:
    """A connection to be awaited or entered: `async with virtory.connect() as host`.

    Args:
        uri: which daemon; see this module's docstring.
        readonly: ask for a connection that can change nothing.
        blocking: use a plain socket, for coroutines driven by `run_sync`.

    Raises:
        InvalidArgument, ConfigUnsupported: for a URI that says nothing or what is not served.
        OpenFailed: when nobody answers there. AuthenticationFailed: when we are not let in.
    """
    return Connecting(uri, readonly, blocking)


class Connecting:
    """What `connect` returns: nothing happens until it is awaited or entered."""

    def __init__(self, uri: str | None, readonly: bool, blocking: bool) -> None:
        self._uri = uri
        self._readonly = readonly
        self._blocking = blocking
        self._host: Host | None = None

    def __await__(self) -> Generator[Any, Any, Host]:
        return self._opened().__await__()

    async def __aenter__(self) -> Host:
        self._host = await self._opened()
        return self._host

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._host is not None:
            await self._host.close()

    async def _opened(self) -> Host:
        from virtory.client.dial import dial

        text = self._uri or uris.default_text(os.environ, os.geteuid())
        uri = uris.parse(text)
        try:
            dialled = await dial(uri, readonly=self._readonly, blocking=self._blocking)
        except OpenFailed as error:
            if not self._uri and error.cure and (named := uris.variable(os.environ)):
                error.cure = f"{named} names it; {error.cure}, such as virtory:///session"
            raise
        return await open_host(dialled.link, uri, readonly=self._readonly, release=dialled.release)


async def open_host(
    link: Link,
    uri: Uri | str = "qemu:///system",
    *,
    readonly: bool = False,
    release: Callable[[], None] | None = None,
) -> Host:
    """Open a connection over a link that is not yet started, in the order of libvirt's clients."""
    parsed = uris.parse(uri) if isinstance(uri, str) else uri
    host = Host(Caller(link), parsed, readonly=readonly, release=release)
    try:
        await host._open()
    except BaseException:
        host._drop()
        raise
    return host


class Host(HostDomains, HostObjects, HostInfo):
    """An open connection to a daemon, and the host that it looks after."""

    def __init__(
        self,
        caller: Caller,
        uri: Uri,
        *,
        readonly: bool = False,
        release: Callable[[], None] | None = None,
    ) -> None:
        self.caller = caller
        self.address = uri
        self.readonly = readonly
        self._release = release

    def __repr__(self) -> str:
        return f"<Host {self.address.text!r}{' closed' if self.is_closed else ''}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended, for whatever reason."""
        return self.caller.lost is not None

    # -- the connection --------------------------------------------------------------------------
    async def _open(self) -> None:
        """`AUTH_LIST`, `CONNECT_SUPPORTS_FEATURE` 10, `CONNECT_OPEN`."""
        await self._authenticate()
        if not self.caller.link.blocking and await self.supports(FEATURE_KEEPALIVE):
            self.caller.start_keepalive()
        args = w.ConnectOpenArgs(self.address.name, READ_ONLY if self.readonly else 0)
        await self.caller.call(w.CONNECT_OPEN, args)

    async def _authenticate(self) -> None:
        """`AUTH_LIST`, then `AUTH_POLKIT` when the daemon wants it."""
        kinds = (await self.caller.call(w_auth.AUTH_LIST)).types
        if not kinds or AUTH_NONE in kinds:
            return
        if AUTH_POLKIT in kinds:
            await self.caller.call(w_auth.AUTH_POLKIT)
            return
        raise AuthenticationFailed(
            f"{self.address.text} wants SASL, which is not served",
            cure="connect through ssh: qemu+ssh://user@host/system",
            domain=FROM_AUTH,
        )

    async def close(self) -> None:
        """`CONNECT_CLOSE`: end the connection; idempotent, and silent when it is lost already."""
        if self.is_closed:
            self._drop()
            return
        try:
            await self.caller.call(w.CONNECT_CLOSE)
        except VirtoryError:
            pass  # the peer may be gone before its answer; the connection ends either way
        finally:
            self._drop()

    def _drop(self) -> None:
        self.caller.close()
        release, self._release = self._release, None
        if release is not None:
            release()

    async def register_close_callback(self) -> None:
        """`CONNECT_REGISTER_CLOSE_CALLBACK`: have the daemon tell why it closes a connection."""
        await self.caller.call(w.CONNECT_REGISTER_CLOSE_CALLBACK)

    async def unregister_close_callback(self) -> None:
        """`CONNECT_UNREGISTER_CLOSE_CALLBACK`: no more."""
        await self.caller.call(w.CONNECT_UNREGISTER_CLOSE_CALLBACK)

    async def closed(self) -> ConnectionLost:
        """Wait until the connection has ended; why."""
        lost = self.caller.lost
        if lost is None:
            waiter = self.caller.link.waiter()

            def told(error: VirtoryError) -> None:
                if not waiter.done():
                    waiter.set_result(error)

            self.caller.on_closing.append(told)
            try:
                lost = await waiter
            finally:
                self.caller.on_closing.remove(told)
        return lost if isinstance(lost, ConnectionLost) else ConnectionLost(str(lost))

    # -- events ------------------------------------------------------------------------------------
    def events(
        self,
        *kinds: str,
        domain: Domain | None = None,
        subject: Handle | None = None,
        limit: int = 10_000,
    ) -> Subscription:
        """What happens, from the moment of entering it: `async with host.events() as events`.

        Args:
            kinds: names of `virtory.client.events.KINDS` such as "lifecycle", "network.lifecycle",
                "qemu"; without names, the lifecycle events of domains.
            domain, subject: only those of this object.
            limit: events that may wait to be read; beyond, the subscription ends with an error.
        """
        from virtory.client.subscription import Subscription

        return Subscription(self, kinds or ("lifecycle",), domain or subject, limit)

    # -- what only virtoryd answers ----------------------------------------------------------------
    async def daemon_info(self) -> ours.DaemonInfoRet:
        """`DAEMON_INFO` of virtory's own program: version, pid, uptime in seconds, directory.

        Against libvirtd this raises `NotSupported`.
        """
        found: ours.DaemonInfoRet = await self._own(ours.DAEMON_INFO)
        return found

    async def report(self) -> dict[str, Any]:
        """`HOST_REPORT` of virtory's own program: what this host has and lacks, with cures.

        Against libvirtd this raises `NotSupported`.
        """
        import json

        found: dict[str, Any] = json.loads((await self._own(ours.HOST_REPORT)).json)
        return found

    async def console_history(self, domain: DomainHandle, device: str | None, limit: int) -> bytes:
        """`DOMAIN_CONSOLE_HISTORY` of virtory's own program; see `Domain.console_history`."""
        args = ours.DomainConsoleHistoryArgs(domain.ref, device, limit)
        data: bytes = (await self._own(ours.DOMAIN_CONSOLE_HISTORY, args)).data
        return data

    async def inspect(self, domain: DomainHandle) -> dict[str, Any]:
        """`DOMAIN_INSPECT` of virtory's own program; see `Domain.inspect`."""
        import json

        told = await self._own(ours.DOMAIN_INSPECT, ours.DomainInspectArgs(domain.ref))
        found: dict[str, Any] = json.loads(told.json)
        return found

    async def publish(self, domain: DomainHandle, *what: Any) -> None:
        """`DOMAIN_PUBLISH` of virtory's own program; see `Domain.publish`."""
        await self._own(ours.DOMAIN_PUBLISH, ours.DomainPublishArgs(domain.ref, *what))

    async def clone_domain(self, original: DomainHandle, xml: str, *, flags: int = 0) -> Domain:
        """`DOMAIN_CLONE` of virtory's own program: the machine that `xml` describes.

        Its disks whose sources differ from the original's are made there, with the original's
        content of now; `flags` are `model.flags.DomainClone`.
        """
        from virtory.client.domain import Domain

        args = ours.DomainCloneArgs(original.ref, xml, flags)
        return Domain(self, (await self._own(ours.DOMAIN_CLONE, args)).dom)

    async def clone_progress(self, name: str) -> tuple[int, int]:
        """`DOMAIN_CLONE_PROGRESS` of virtory's own program: bytes done and in all, or zeros."""
        told = await self._own(ours.DOMAIN_CLONE_PROGRESS, ours.DomainCloneProgressArgs(name))
        return told.done, told.total

    async def give_clone_up(self, name: str) -> None:
        """`DOMAIN_CLONE_GIVE_UP` of virtory's own program: its `clone_domain` fails as aborted."""
        await self._own(ours.DOMAIN_CLONE_GIVE_UP, ours.DomainCloneGiveUpArgs(name))

    async def _own(self, procedure: Any, args: Any = None, fds: Sequence[int] = ()) -> Any:
        try:
            return await self.caller.call(procedure, args, fds)
        except RpcError as error:
            if self.is_closed or not str(error).startswith(("Cannot find program", "unknown proc")):
                raise
            raise NotSupported(
                f"{procedure.name} is known to virtoryd only, and {self.address.text} is "
                "another daemon",
                cure="connect to virtoryd: virtory:///system or virtory:///session",
            ) from None
