"""The QEMU driver: opens the store, finds running domains again, starts what starts by itself.

The rule kept here: stopping the daemon never stops a guest.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.boot import boot_id
from virtory.driver.bus import Bus
from virtory.driver.interfaces import Interfaces
from virtory.driver.journal import Journal, Mending
from virtory.driver.node_devices import NodeDevices
from virtory.driver.qemu.domains import Domains
from virtory.driver.qemu.logs import LogKeeper
from virtory.driver.qemu.preparation import Preparation
from virtory.driver.qemu.records import Records
from virtory.driver.qemu.runtime import Runtime
from virtory.driver.qemu.settings import settings_of
from virtory.driver.qemu.snapshot.snapshots import Snapshots
from virtory.driver.qemu.table import DomainTable, Entry
from virtory.driver.store import Store
from virtory.errors import OpenFailed, SystemCallFailed, VirtoryError
from virtory.model.events import StoragePoolLifecycle
from virtory.model.list_flags import StoragePoolEventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtory.driver.interface.connect import ConnectDriver
    from virtory.driver.interface.domain import DomainDriver
    from virtory.driver.interface.interface import InterfaceDriver
    from virtory.driver.interface.network import NetworkDriver
    from virtory.driver.interface.node_device import NodeDeviceDriver
    from virtory.driver.interface.secret import SecretDriver
    from virtory.driver.interface.snapshot import SnapshotDriver
    from virtory.driver.interface.storage import StorageDriver
    from virtory.driver.journal import Mender, Work
    from virtory.driver.network.networks import Networks
    from virtory.driver.secrets import Secrets
    from virtory.driver.storage.driver import Storage
    from virtory.driver.storage.usage import Use
    from virtory.driver.store import Intent, Loaded, ObjectRow
    from virtory.model.events import Event

_log = logging.getLogger(__name__)
_AUTOSTARTED = "autostarted"
_LEAVING_S = 5.0
"""How long works that nobody waits for may take to finish when the daemon ends."""
_WIPE = "storage-wipe"


class QemuDriver:
    """Domains for real, and this host.

    Args:
        state: the directory of the state file.
        privileged: whether guests run as other users than the daemon.
        settings: the `[qemu]` table of the configuration.
        checkpoint: called with the name of each step of a start; a test ends the daemon there.
    """

    connect: ConnectDriver
    domain: DomainDriver
    snapshot: SnapshotDriver | None = None
    network: NetworkDriver | None = None
    node_device: NodeDeviceDriver | None = None
    nwfilter: None = None
    interface: InterfaceDriver | None = None

    def __init__(
        self,
        state: str,
        privileged: bool,
        settings: dict[str, Any] | None = None,
        checkpoint: Callable[[str], None] | None = None,
    ) -> None:
        from virtory.driver.qemu.connect import Connect

        self.bus = Bus()
        self._settings = settings_of(state, privileged, settings or {})
        self._checkpoint = checkpoint
        self._preparation = Preparation(self._settings)
        self._store: Store | None = None
        self._storage: Storage | None = None
        self._kept_secrets: Secrets | None = None
        self._preparation.volumes = self._volume_path
        self._menders: dict[str, Mender] = {
            "storage-file": _mend_storage_file,
            "storage-logical": _mend_storage_logical,
        }
        self._runtime: Runtime | None = None
        self._networks: Networks | None = None
        connect = self.connect = Connect(self._preparation, privileged=privileged)
        connect.unfinished = self._unfinished
        self.node_device = NodeDevices()
        self.interface = Interfaces()

    @property
    def secret(self) -> SecretDriver:
        """Passphrases and keys."""
        return self._secrets()

    def _secrets(self) -> Secrets:
        """Loaded when they are first asked for: most daemons never have one."""
        if self._kept_secrets is None:
            from virtory.driver.secrets import Secrets

            self._kept_secrets = Secrets(self._store, self.bus)
        return self._kept_secrets

    @property
    def storage(self) -> StorageDriver:
        """Pools and volumes."""
        return self._pools()

    def _pools(self) -> Storage:
        """Loaded when it is first asked for: many daemons never have a pool."""
        if self._storage is None:
            from virtory.driver.storage.driver import Storage

            assert self._store is not None
            self._storage = Storage(self._store, self.bus, self._users_of)
        return self._storage

    def _volume_path(self, pool: str, volume: str) -> str:
        return self._pools().disk_path(pool, volume)

    def _users_of(self, path: str) -> Sequence[Use]:
        from virtory.driver.qemu.disks.shared_images import uses

        assert self._runtime is not None
        return uses(self._runtime.table, path)

    async def start(self) -> None:
        settings = self._settings
        self._store = Store(settings.state_directory)
        loaded = self._store.load()
        _make_run_directory(settings.run_directory)
        table = DomainTable()
        mending = Mending(Journal(self._store), self._menders, table.awaits_answer)
        self._runtime = Runtime(
            table, Records(self._store), self.bus, LogKeeper(), mending, self._checkpoint
        )
        self._preparation.given_ports = table.display_ports
        self.domain = Domains(self._runtime, self._preparation)
        for row in loaded.domains:
            entry = Entry(row.name, row.uuid, row)
            entry.saved_row = row
            table.add(entry)
        if loaded.running:
            from virtory.driver.qemu.reconnect import reconnect

            await reconnect(self._runtime, loaded.running)
        if any(row.kind == "snapshot" for row in loaded.objects):
            await self._recall_snapshots(loaded)
        self.snapshot = Snapshots(self._runtime, self._preparation)
        works = _by_need(loaded.intents)
        if loaded.intents:
            self._learn_mending()
        await mending.recover(works.of_files)
        if pools := [row for row in loaded.objects if row.kind == "pool"]:
            self._pools().load(pools)
        first = _first_since_boot(os.path.join(settings.run_directory, _AUTOSTARTED))
        if pools:
            await self._pools().resume(autostart=first)
        await mending.recover(works.of_domains)
        known = [entry.guest.plan.directory for entry in table if entry.guest is not None]
        await asyncio.to_thread(self._runtime.strays.sweep, settings.run_directory, known, table)
        if settings.privileged:
            await self._open_networks(loaded.objects, first)
        if secrets := [row for row in loaded.objects if row.kind == "secret"]:
            self._secrets().load(secrets)
        await asyncio.gather(*(mending.recover([work]) for work in works.of_starts))
        if works.wipes:
            self._pools().go_on_wiping(works.wipes)
        self.bus.listen(self._on_pool, StoragePoolLifecycle)
        if first:
            for entry in table:
                if entry.autostart and entry.guest is None:
                    self._runtime.run(self._autostart(entry), f"autostart of '{entry.name}'")

    def _unfinished(self) -> list[str]:
        """Works that were cut off and can not be ended, each with its machine."""
        told: list[str] = []
        if self._runtime is None:
            return told
        for left in self._runtime.mending.left:
            entry = self._runtime.table.find(bytes.fromhex(left.owner or ""))
            told.append(f"of domain '{entry.name}': {left.told}" if entry else left.told)
        return told

    def _on_pool(self, event: Event) -> None:
        """What could not be mended may have lacked what is in this pool."""
        runtime = self._runtime
        if runtime is None or not runtime.mending.left:
            return
        if isinstance(event, StoragePoolLifecycle) and event.event == StoragePoolEventKind.STARTED:
            runtime.run(runtime.mending.again(), "mending works that were cut off")

    def _learn_mending(self) -> None:
        """Who takes up which work of a former daemon."""
        from functools import partial

        from virtory.driver.qemu import domain_jobs, domain_saves
        from virtory.driver.qemu.snapshot import mending, taking

        assert self._runtime is not None
        once_met, runtime = self._once_met, self._runtime
        self._menders[domain_saves.WORK] = once_met(partial(domain_saves.mend, runtime))
        self._menders[domain_jobs.WORK] = once_met(partial(domain_jobs.mend, runtime))
        self._menders["clone"] = once_met(partial(_mend_clone, runtime))
        self._menders[taking.WORK] = once_met(partial(mending.mend, runtime, self._preparation))

    def _once_met(self, mender: Mender) -> Mender:
        """The mender, for a machine whose QEMU may not answer yet: `reconnect` tries again then."""
        assert self._runtime is not None
        table = self._runtime.table

        async def mend(work: Work, step: dict[str, Any]) -> None:
            entry = table.find(bytes.fromhex(step.get("domain") or step["original"]))
            if entry is not None and entry.guest is not None:
                entry.guest.met()
            await mender(work, step)

        return mend

    async def _recall_snapshots(self, loaded: Loaded) -> None:
        """Give every domain its snapshots; those of a domain that is no more are forgotten.

        What stands in no readable row may be a domain still, whose definition can be given again.
        """
        from virtory.driver.snapshot_family import families

        assert self._runtime is not None
        found, problems = families(loaded.objects)
        for problem in problems:
            _log.error("%s", problem)
        for uuid, family in found.items():
            entry = self._runtime.table.find(uuid)
            if entry is not None:
                entry.snapshots = family
            elif uuid not in loaded.aside and not loaded.damaged:
                await self._runtime.records.store.save(*family.forget())

    async def _open_networks(self, rows: list[ObjectRow], first: bool) -> None:
        from virtory.driver.network.networks import Networks
        from virtory.driver.network.places import networks_directory
        from virtory.driver.qemu.network_ports import guest_ports

        assert self._runtime is not None and self._store is not None
        runtime = self._runtime
        networks = Networks(
            self._store,
            self.bus,
            networks_directory(self._settings.run_directory),
            lambda: guest_ports(runtime.table),
            runtime.checkpoint,
        )
        self._networks = self.network = self._preparation.networks = networks
        await networks.open(rows, first=first)

    async def _autostart(self, entry: Entry) -> None:
        try:
            await self.domain.create(entry.uuid, 0, None)
        except VirtoryError as error:
            _log.error("domain '%s' could not be started by itself: %s", entry.name, error)

    async def stop(self) -> bool:
        """As the protocol says; a QEMU that does not answer is not waited for."""
        if self._runtime is not None:
            if not await self._runtime.idle(_LEAVING_S):
                _log.warning("works under way have not ended and are left to the next daemon")
                self.leave()
                return False
            for entry in self._runtime.table:
                if entry.guest is not None:
                    entry.guest.let_go()
                    if entry.guest.process is not None:
                        entry.guest.process.release()
            self._runtime.logs.close()
            self._runtime = None
        if self._networks is not None:
            self._networks.close()
        if self._storage is not None:
            await self._storage.end()
        if self._store is not None:
            store, self._store = self._store, None
            await asyncio.to_thread(store.close)
        self.bus.close()
        return True

    def leave(self) -> None:
        """As at a crash: guests, monitors and journal stay as they are."""
        if self._store is not None:
            store, self._store = self._store, None
            store.close()


async def _mend_storage_file(work: Work, step: dict[str, Any]) -> None:
    from virtory.driver.storage.unnamed import mend

    await mend(work, step)


async def _mend_storage_logical(work: Work, step: dict[str, Any]) -> None:
    from virtory.driver.storage.logical import mend

    await mend(work, step)


async def _mend_clone(runtime: Runtime, work: Work, step: dict[str, Any]) -> None:
    from virtory.driver.qemu import clone

    await clone.mend(runtime, work, step)


class _Works(NamedTuple):
    """Works that an earlier daemon left, by what must be there before they are taken up."""

    of_files: list[Intent]  # nothing: no pool has been looked at, and no half-made file is seen
    of_domains: list[Intent]  # pools
    of_starts: list[Intent]  # networks, too
    wipes: list[Intent]  # long work, done beside all else


def _by_need(intents: Sequence[Intent]) -> _Works:
    works = _Works([], [], [], [])
    for intent in intents:
        if intent.kind == _WIPE:
            works.wipes.append(intent)
        elif intent.kind.startswith("storage-"):
            works.of_files.append(intent)
        elif json.loads(intent.step).get("step") == "revert":
            works.of_starts.append(intent)
        else:
            works.of_domains.append(intent)
    return works


def _make_run_directory(path: str) -> None:
    """Ours alone: guests may pass through it, nobody else may put anything there."""
    try:
        os.makedirs(path, 0o711, exist_ok=True)
        status = os.lstat(path)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot make the run directory '{path}': {error.strerror}", errno=error.errno
        ) from None
    if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
        raise OpenFailed(
            f"the run directory '{path}' is a link, or belongs to somebody else (uid "
            f"{status.st_uid})",
            cure="remove it, or name another in the configuration ([qemu] run_directory)",
        )


def _first_since_boot(marker: str) -> bool:
    """Whether no daemon of this instance has run since the host booted; notes that one does now."""
    boot = boot_id()
    try:
        with open(marker) as file:
            if file.read().strip() == boot:
                return False
    except OSError:
        pass
    with open(marker, "w") as file:
        file.write(boot)
    return True
