"""`virtoryd`: reads its arguments, sets up log and loop, serves until TERM.

The rule kept here: nothing is imported before it is needed, for a daemon that is started by its
first client must answer at once.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    import asyncio
    import logging
    from collections.abc import Callable

    from virtory.daemon.config import Config
    from virtory.daemon.places import Places
    from virtory.daemon.server import Server
    from virtory.driver.interface import Driver

_DESCRIPTORS = 65536


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon in the foreground; the process's exit status."""
    options = _parser().parse_args(arguments)
    if options.version:
        from virtory import __version__

        print(f"virtoryd {__version__}")  # noqa: T201 (what --version is for)
        return 0
    from virtory.errors import VirtoryError

    try:
        return _run(options)
    except VirtoryError as error:
        sys.stderr.write(f"virtoryd: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    import argparse

    from virtory.daemon.config import LEVELS

    parser = argparse.ArgumentParser(
        prog="virtoryd",
        description="Serve virtual machines to virtory, virsh and every other client of libvirt. "
        "Run by root it is the system's daemon, run by a user that user's own.",
    )
    add = parser.add_argument
    add("--state", metavar="DIRECTORY", help="where machines are kept")
    add("--socket", metavar="PATH", help="where to listen; PATH-ro is the read-only socket")
    add("--config", metavar="FILE", help="read this configuration file")
    add(
        "--libvirt-sockets",
        action="store_true",
        help="listen also where libvirt's own clients look, so that a bare virsh works",
    )
    add(
        "--driver",
        choices=("qemu", "memory"),
        default="qemu",
        help="memory: pretended machines at test:///default, for trying things out",
    )
    add("--log-level", choices=LEVELS, help="what to log")
    add("--log-json", action="store_true", help="log one JSON object a line")
    add("--ready-fd", type=int, metavar="FD", help="write a line to FD when clients are served")
    add("--version", action="store_true", help="print the version and end")
    return parser


def _run(options: argparse.Namespace) -> int:
    gc.disable()  # what a start makes is there to stay; `_serve` turns it on again
    from virtory.daemon import config as configuration
    from virtory.daemon.log import set_up
    from virtory.daemon.places import places

    config = configuration.load(options.config)
    log = set_up(options.log_level or config.log.level, options.log_json or config.log.json)
    where = places(
        os.environ,
        os.geteuid(),
        state=options.state and os.path.abspath(options.state),
        socket=options.socket and os.path.abspath(options.socket),
        libvirt_sockets=options.libvirt_sockets or config.sockets.libvirt,
    )
    if where.privileged:
        os.umask(0o022)  # guests and dnsmasq, other users, pass through what is made for them
    _allow_descriptors()
    loop_factory = _loop_factory()
    import asyncio

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(options, config, where, log))
    return 0


def _allow_descriptors() -> None:
    """As many as the system lets us have: each client and guest takes some, and a shell's usual
    1024 are used up by whoever opens so many connections.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop's event loop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _driver(options: argparse.Namespace, config: Config, where: Places) -> Driver:
    if options.driver == "memory":
        from virtory.driver.memory.driver import MemoryDriver

        return MemoryDriver()
    from virtory.driver.qemu.driver import QemuDriver

    return QemuDriver(state=where.state, privileged=where.privileged, settings=config.qemu)


async def _serve(
    options: argparse.Namespace, config: Config, where: Places, log: logging.Logger
) -> None:
    import asyncio
    import signal

    from virtory.daemon import notify
    from virtory.daemon.server import Server

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = Server(
        _driver(options, config, where),
        config,
        log,
        state=where.state,
        private=not where.privileged,
    )
    loop.add_signal_handler(signal.SIGHUP, _reload, options, server, log)
    starting = asyncio.ensure_future(server.start(where, notify.passed_sockets()))
    stopping = asyncio.ensure_future(ended.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log.info("ended before it had begun")
        server.driver.leave()
        os._exit(0)  # the next daemon goes on with what this one has found
    starting.result()
    gc.freeze()  # later collections need not look through the program and all that it knows
    gc.enable()
    log.info("serving on %s, process %d", where.socket, os.getpid())
    notify.notify("READY=1")
    if options.ready_fd is not None:
        notify.ready_on(options.ready_fd)
    await stopping
    notify.notify("STOPPING=1")
    ended_whole = await server.stop()
    # Closing the loop would give TERM its deadly meaning back before the process has ended.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    log.info("ended")
    if not ended_whole:
        os._exit(0)  # nothing that is still under way may take a further step


def _reload(options: argparse.Namespace, server: Server, log: logging.Logger) -> None:
    from virtory.daemon import config as configuration
    from virtory.daemon.log import set_level
    from virtory.errors import VirtoryError

    try:
        config = configuration.load(options.config)
    except VirtoryError as error:
        log.error("the configuration stays as it was: %s", error)
        return
    set_level(options.log_level or config.log.level)
    server.reload(config)
    log.info("the configuration was read again")


if __name__ == "__main__":
    sys.exit(main())
