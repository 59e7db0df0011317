"""`virtory clone`: another machine with the disks of one, and an identity of its own.

The rule kept here: what `create` made gets a seed, keys, port and directory of its own, so that
neither's removal touches the other; of any other machine the description and the disks are cloned,
and what the guest itself keeps of its identity is said.
"""

from __future__ import annotations

import asyncio
import os
import uuid as uuids
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from virtory.errors import (
    AlreadyExists,
    ConnectionLost,
    DomainNotFound,
    MetadataNotFound,
    VirtoryError,
)
from virtory.model.flags import DomainClone
from virtory.provision import ports
from virtory.provision.clone_description import described, own_disks, path_beside
from virtory.provision.clone_record import recorded
from virtory.provision.clone_removal import volume_path
from virtory.provision.describe import DISK_FILE, SEED_FILE
from virtory.provision.images import ImageStore
from virtory.provision.keys import new_host_key, user_key
from virtory.provision.machine import SSH, remove, take_back
from virtory.provision.manifest import NAMESPACE, PREFIX, Manifest
from virtory.provision.order import Order
from virtory.provision.seed import Seed, user_data_of
from virtory.provision.ssh import known_hosts_line
from virtory.provision.steps import Report, Step, silent, step
from virtory.provision.unfinished import making, sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from virtory.client.connect import Host
    from virtory.client.domain import Domain as Handle
    from virtory.model.domain import Domain

_ASK_S = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a clone is to be. `files`: target → path; `flags`: `DomainClone`."""

    name: str
    hostname: str | None = None
    files: Mapping[str, str] | None = None
    macs: Sequence[str] = ()
    flags: int = 0

    @property
    def guest_hostname(self) -> str:
        """What it calls itself; raises InvalidArgument where it or the name can not be."""
        return Order(name=self.name, hostname=self.hostname).checked().guest_hostname

    @property
    def linked(self) -> bool:
        return bool(self.flags & DomainClone.LINKED)


@dataclass(frozen=True, slots=True)
class Cloned:
    """The clone, its disks by target, and what it still has in common with the original."""

    domain: Handle
    files: dict[str, str]
    kept: tuple[str, ...]


async def clone(
    host: Host,
    name: str,
    wanted: Wanted,
    *,
    store: ImageStore | None = None,
    report: Report = silent,
) -> Cloned:
    """Make the clone of machine `name`; when it raises nothing of it is left."""
    from virtory.model.domain import parse_domain

    hostname = wanted.guest_hostname
    handle = await host.domain(name)
    with suppress(DomainNotFound):
        await host.domain(wanted.name)
        raise AlreadyExists(
            f"a domain called '{wanted.name}' exists", cure="choose another name for the clone"
        )
    original = parse_domain(await handle.xml(inactive=True, secure=True))
    try:
        manifest = Manifest.from_xml(await handle.metadata(NAMESPACE), name)
    except MetadataNotFound:
        return await _plain(host, handle, original, wanted, report)
    machines = (store or ImageStore()).machines
    wanted = replace(wanted, hostname=hostname)
    return await _machine(host, handle, original, manifest, machines, wanted, report)


async def _plain(
    host: Host, handle: Handle, original: Domain, wanted: Wanted, report: Report
) -> Cloned:
    from virtory.model.domain import format_domain

    located, pools = await _located(host, original, wanted)
    files = _places(located, wanted, None, local=host.address.local)
    fresh = described(original, wanted.name, str(uuids.uuid4()), files, wanted.macs)
    own = [files[disk.target.dev] for disk in own_disks(original)]
    domain = await _made(host, handle, format_domain(recorded(fresh, own)), wanted, report)
    for pool in pools:  # which may be busy: then the next refresh finds the new volume
        with suppress(VirtoryError):
            await (await host.storage_pool(pool)).refresh()
    kept = (
        "the guest's own hostname, machine-id and SSH host keys: change them inside it, for "
        "example by virt-sysprep, or with its agent",
    )
    return Cloned(domain, files, kept)


async def _located(host: Host, original: Domain, wanted: Wanted) -> tuple[Domain, list[str]]:
    """The description with the files of volumes, and the pools that get new ones beside them."""
    from virtory.model.domain.devices.disk import Source

    pools, disks = [], []
    for disk in original.devices.disks:
        source = disk.source
        if source is not None and source.pool and source.volume:
            path = await volume_path(host, source.pool, source.volume)
            if path is not None:
                disk = replace(disk, type="file", source=Source(file=path))
            if path is not None and disk.target.dev not in (wanted.files or {}):
                pools.append(source.pool)
        disks.append(disk)
    devices = replace(original.devices, disks=tuple(disks))
    return replace(original, devices=devices), sorted(set(pools))


async def _machine(
    host: Host,
    handle: Handle,
    original: Domain,
    manifest: Manifest,
    machines: Path,
    wanted: Wanted,
    report: Report,
) -> Cloned:
    """A machine that `create` made: the clone is one as well."""
    await sweep(host, machines)
    instance = str(uuids.uuid4())
    plain = machines / wanted.name
    directory = machines / f"{wanted.name}-{instance[:8]}" if plain.exists() else plain
    hostname = wanted.guest_hostname
    fresh = replace(
        manifest,
        directory=directory,
        port=ports.choose(wanted.name, 0, ports.taken(machines)) if manifest.host else SSH,
        instance=instance,
        host_key="",
    )
    files = _places(original, wanted, directory, local=host.address.local)
    domain = described(original, wanted.name, instance, files, wanted.macs)
    try:
        with making(directory, host.address.text, instance):
            with step("seed and keys", report):
                fresh = await asyncio.to_thread(_identity, manifest, fresh, domain, hostname)
            text = _text(domain, manifest, fresh, hostname)
            made = await _made(host, handle, text, wanted, report)
    except BaseException as error:
        if not isinstance(error, ConnectionLost):  # else the daemon may be at it still
            await take_back(host, fresh)
        raise
    return Cloned(made, files, ())


def _identity(old: Manifest, new: Manifest, domain: Domain, hostname: str) -> Manifest:
    """The clone's own seed, host key and known-hosts line, in its own directory."""
    directory = new.directory
    host_key = new_host_key(directory, comment=hostname)
    new = replace(new, host_key=host_key.public)
    card = domain.devices.interfaces[0].mac
    seed = Seed(
        instance=new.instance,
        hostname=hostname,
        authorized_keys=(user_key(old.key).public,),
        mac=str(card.address) if card is not None else "",
        host_key=host_key,
        user_data=user_data_of(old.directory / SEED_FILE),
        is_clone=True,
    )
    seed.write_disc(directory / SEED_FILE)
    (directory / "known_hosts").write_text(known_hosts_line(new))
    (directory / "machine.xml").write_text(new.to_xml())
    return new


def _text(domain: Domain, old: Manifest, new: Manifest, hostname: str) -> str:
    """The clone's XML: its seed, serial number, forwarded port and manifest are its own."""
    from virtory.model.domain import format_domain
    from virtory.model.domain.metadata import with_metadata

    devices = domain.devices
    seed = str(old.directory / SEED_FILE)
    disks = tuple(
        replace(disk, source=replace(disk.source, file=str(new.directory / SEED_FILE)))
        if disk.source is not None and disk.source.file == seed
        else disk
        for disk in devices.disks
    )
    cards = tuple(_forwarded(card, old.port, new.port) for card in devices.interfaces)
    serial = f"ds=nocloud;i={new.instance};h={hostname}"
    sysinfos = tuple(_with_serial(each, serial) for each in domain.sysinfos)
    changed = replace(
        domain, sysinfos=sysinfos, devices=replace(devices, disks=disks, interfaces=cards)
    )
    return format_domain(with_metadata(changed, NAMESPACE, PREFIX, new.to_xml()))


def _with_serial(sysinfo: Any, serial: str) -> Any:
    if sysinfo.system is None:
        return sysinfo
    entries = tuple(
        replace(each, value=serial) if each.name == "serial" else each
        for each in sysinfo.system.entries
    )
    return replace(sysinfo, system=replace(sysinfo.system, entries=entries))


def _forwarded(card: Any, old: int, new: int) -> Any:
    """SSH by the clone's own port; other forwarded ports stay with the original."""
    forwards = []
    for forward in card.port_forwards:
        ranges = tuple(replace(each, start=new) for each in forward.ranges if each.start == old)
        if ranges:
            forwards.append(replace(forward, ranges=ranges))
    return replace(card, port_forwards=tuple(forwards))


def _places(
    original: Domain, wanted: Wanted, directory: Path | None, *, local: bool
) -> dict[str, str]:
    """The file of each disk that the clone gets: as said, else in its directory, else beside.

    Beside the original it is a name that is free, as far as that can be seen from here.
    """
    said = dict(wanted.files or {})
    places: dict[str, str] = dict(said)
    for disk in own_disks(original):
        target = disk.target.dev
        if target in said:
            continue
        if directory is not None:
            name = DISK_FILE if target == "vda" else f"{target}.qcow2"
            places[target] = str(directory / name)
        else:
            path = path_beside(disk, original.name, wanted.name, linked=wanted.linked)
            places[target] = free(path, places.values(), local=local)
    return {target: os.path.abspath(path) for target, path in places.items()}


def free(path: str, taken: Collection[str], *, local: bool) -> str:
    """The path, or the first with a number at its stem that nothing is called."""
    stem, extension = os.path.splitext(path)
    found, number = path, 1
    while found in taken or (local and os.path.lexists(found)):
        found, number = f"{stem}-{number}{extension}", number + 1
    return found


async def _made(host: Host, handle: Handle, text: str, wanted: Wanted, report: Report) -> Handle:
    """The daemon's clone; meanwhile `report` hears how far it is."""
    what = "linked disks" if wanted.linked else "copy the disks"
    with step(what, report):
        work = asyncio.ensure_future(host.clone_domain(handle, text, flags=wanted.flags))
        try:
            while not (await asyncio.wait([work], timeout=_ASK_S))[0]:
                done, total = await host.clone_progress(wanted.name)
                if total:
                    report(Step(what, done=done, total=total))
        except BaseException:
            await _given_up(host, wanted.name, work)
            raise
        return await work


async def _given_up(host: Host, name: str, work: asyncio.Future[Handle]) -> None:
    """Nobody wants the clone any longer: the daemon stops making it, or it is removed again."""
    while not work.done():
        with suppress(VirtoryError):
            await host.give_clone_up(name)
        await asyncio.wait([work], timeout=_ASK_S)
    with suppress(VirtoryError):
        work.result()
        await remove(host, name, force=True)
