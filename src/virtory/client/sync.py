"""The client without `await`, for scripts: `with virtory.open_sync() as host: host.list_domains()`.

The rule kept here: nothing is written twice. A proxy calls the very coroutines of the client over a
blocking link and runs each to its end; objects that come back are wrapped in turn, values are not.
"""

from __future__ import annotations

from types import CoroutineType

from virtory.client.connect import Connecting, connect
from virtory.client.handle import Handle
from virtory.lean import TYPE_CHECKING, Any
from virtory.link.blocking import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self


def open_sync(uri: str | None = None, *, readonly: bool = False) -> Sync:
    """A connection used without `await`; arguments and errors are those of `connect`.

    It is open when this returns; `close()` or leaving its `with` ends it.
    """
    return Sync(run(_opened(connect(uri, readonly=readonly, blocking=True))))


async def _opened(connecting: Connecting) -> Any:
    return await connecting


class Sync:
    """An object of the client whose coroutines are run when they are called.

    It has the attributes and methods of what it wraps, and is iterable, or a context manager, where
    that is an asynchronous one.
    """

    __slots__ = ("_wrapped",)

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __repr__(self) -> str:
        return repr(self._wrapped)

    def __eq__(self, other: object) -> bool:
        return bool(self._wrapped == _unwrapped(other))

    def __hash__(self) -> int:
        return hash(self._wrapped)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if not callable(value):
            return _wrapped(value)

        def call(*args: Any, **kwargs: Any) -> Any:
            plain = [_unwrapped(argument) for argument in args]
            named = {key: _unwrapped(argument) for key, argument in kwargs.items()}
            answer = value(*plain, **named)
            return _wrapped(run(answer) if isinstance(answer, CoroutineType) else answer)

        call.__name__, call.__doc__ = name, value.__doc__
        return call

    def __dir__(self) -> list[str]:
        return dir(self._wrapped)

    def __enter__(self) -> Self:
        self._wrapped = run(self._wrapped.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        run(self._wrapped.__aexit__(kind, error, trace))

    def __iter__(self) -> Iterator[Any]:
        iterator = self._wrapped.__aiter__()
        while True:
            try:
                yield _wrapped(run(iterator.__anext__()))
            except StopAsyncIteration:
                return


def _wrapped(value: Any) -> Any:
    """Objects of the client as proxies, also within lists and named tuples."""
    if isinstance(value, Handle) or hasattr(value, "__aenter__"):
        return Sync(value)
    if type(value) is list:
        return [_wrapped(item) for item in value]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_wrapped(item) for item in value])
    return value


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Sync):
        return value._wrapped
    if type(value) is list:
        return [_unwrapped(item) for item in value]
    return value
