"""A machine as a whole: made of an image, a seed and a domain; removed with all that is its own.

The rule kept here: a machine is there with all its parts or not at all, and removal touches only
what its manifest lists.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from xml.sax.saxutils import escape

from virtory.errors import (
    AlreadyExists,
    ConfigUnsupported,
    ConnectionLost,
    DomainNotFound,
    InvalidArgument,
    MetadataNotFound,
    NetworkNotFound,
    OperationInvalid,
    VirtoryError,
)
from virtory.provision import ports
from virtory.provision.describe import DISK_FILE, SEED_FILE, Choice, describe
from virtory.provision.errors import NotOurMachine
from virtory.provision.images import Image, ImageStore
from virtory.provision.keys import UserKey, new_host_key, user_key
from virtory.provision.manifest import NAMESPACE, Manifest, not_ours
from virtory.provision.programs import run
from virtory.provision.seed import Seed
from virtory.provision.ssh import known_hosts_line
from virtory.provision.steps import Report, silent, step
from virtory.provision.unfinished import making, sweep

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from virtory.client.connect import Host
    from virtory.client.domain import Domain
    from virtory.provision.order import Order

T = TypeVar("T")

MANIFEST_FILE = "machine.xml"
KNOWN_HOSTS = "known_hosts"
FILES = (DISK_FILE, SEED_FILE, KNOWN_HOSTS, MANIFEST_FILE)
DEFAULT_DISK = 10 << 30
SSH = 22
_NAMES_OF_UUIDS = uuid.UUID("6f0c5a0e-6f5d-4b1b-9f65-1d6a5a9f1f0e")


@dataclass(frozen=True, slots=True)
class Machine:
    """A domain together with what virtory knows about it."""

    name: str
    domain: Domain
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Removal:
    """What `remove` did, as phrases for the user: each names one thing."""

    name: str
    removed: tuple[str, ...]
    kept: tuple[str, ...]


async def create(
    host: Host,
    order: Order,
    *,
    store: ImageStore | None = None,
    start: bool = True,
    report: Report = silent,
) -> Machine:
    """Make the machine and start it; what was made is taken back when a step fails.

    Raises:
        ImageNotFound, InvalidArgument, AlreadyExists, ResourceBusy (the SSH port is taken).
    """
    store, image, order = await _checked(host, order, store)
    await sweep(host, store.machines)
    choice, manifest, key = await _chosen(host, order, image, store)
    try:
        with making(manifest.directory, host.address.text, manifest.instance):
            with step("disk, seed and keys", report):
                manifest = _make_files(order, image, manifest, choice, key)
            with step(f"define the domain: {choice.spoken}", report):
                text = _text(order, image, manifest, choice)
                domain = await _to_its_end(host.define_domain(text))
        if start:
            with step("start", report):
                await _to_its_end(domain.start())
    except BaseException as error:
        if not isinstance(error, ConnectionLost):  # else the daemon may have made it
            await take_back(host, manifest)
        raise
    return Machine(order.name, domain, manifest)


async def preview(host: Host, order: Order, *, store: ImageStore | None = None) -> str:
    """The domain XML that `create` would define; nothing is made."""
    store, image, order = await _checked(host, order, store)
    choice, manifest, _ = await _chosen(host, order, image, store, make_keys=False)
    return _text(order, image, manifest, choice)


async def find(host: Host, name: str) -> Machine:
    """The machine with this name; raises `DomainNotFound` or `NotOurMachine`."""
    domain = await host.domain(name)
    try:
        xml = await domain.metadata(NAMESPACE)
    except MetadataNotFound:
        raise not_ours(name) from None
    return Machine(name, domain, Manifest.from_xml(xml, name))


async def remove(host: Host, name: str, *, force: bool = False, report: Report = silent) -> Removal:
    """Remove the domain and the files its manifest lists, nothing else.

    A running machine is refused with `OperationInvalid` unless `force`, which destroys it first.
    """
    domain = await host.domain(name)
    try:
        manifest = Manifest.from_xml(await domain.metadata(NAMESPACE), name)
    except MetadataNotFound:
        from virtory.provision import clone_removal

        return await clone_removal.remove(host, domain, force=force, report=report)
    if manifest.instance != str(domain.uuid):  # its description was copied, with our manifest
        raise NotOurMachine(
            f"domain '{name}' carries the manifest of another machine, from which it was copied",
            cure="use 'virtory destroy' and 'virtory undefine' for it; its disks are not virtory's"
            " to remove",
        )
    refuse_elsewhere(host, name)
    images = await _images(domain)
    await _refuse_shared(host, name, manifest, images)
    kept = await _foreign_disks(domain, manifest)  # asked now: destroyed, it may be known no more
    await end_and_forget(domain, force=force, report=report)
    removed = [f"the domain '{name}'"]
    if _is_its_own(manifest):
        with step("remove its files", report):
            for file in _remove_files(manifest, images):
                removed.append(str(file))
    if manifest.directory.exists():
        kept += [f"{path} (not virtory's)" for path in sorted(manifest.directory.iterdir())]
    kept.append(f"the image '{manifest.image}'")
    if manifest.key is not None:
        kept.append(f"your SSH key {manifest.key}")
    return Removal(name, tuple(removed), tuple(kept))


def refuse_elsewhere(host: Host, name: str) -> None:
    """`ConfigUnsupported` when the files that a description names are not those of this host."""
    if not host.address.local:
        raise ConfigUnsupported(
            f"the files of '{name}' are on another host, {host.address.text}",
            cure="log in there and run 'virtory rm' on that host",
        )


async def end_and_forget(domain: Domain, *, force: bool, report: Report) -> None:
    """Stop and undefine it; `OperationInvalid` when it runs and `force` does not say so."""
    name = domain.name
    if await domain.is_active():
        if not force:
            raise OperationInvalid(
                f"machine '{name}' is running",
                cure=f"shut it down first: virtory shutdown {name}; or remove it as it is:"
                f" virtory rm --force {name}",
            )
        with step("power off", report), suppress(OperationInvalid):
            await domain.destroy()
    with step("undefine", report), suppress(DomainNotFound):
        await domain.undefine(managed_save=True, snapshots_metadata=True, nvram=True)


async def _checked(
    host: Host, order: Order, store: ImageStore | None
) -> tuple[ImageStore, Image, Order]:
    order = order.checked()
    if not host.address.local:
        raise ConfigUnsupported(
            f"machine '{order.name}' can not be made on {host.address.text}: images and seeds are"
            " files of the host that the daemon runs on",
            cure="log in there and run 'virtory create' on that host",
        )
    store = store or ImageStore()
    image = store.find(order.image)
    with suppress(DomainNotFound):
        await host.domain(order.name)
        raise AlreadyExists(
            f"a domain called '{order.name}' exists",
            cure=f"choose another name, or remove it: virtory rm {order.name}",
        )
    if order.network is not None:
        await _network(host, order.network)
    if order.memory is not None and order.memory < image.min_memory:
        least = -(-image.min_memory >> 20)
        raise InvalidArgument(
            f"the image '{image.name}' does not boot with less than {least} MiB of memory",
            cure=f"ask for more: --memory {least}M; or leave it out",
        )
    size = order.disk_size
    if size is not None and size < image.virtual_size:
        raise InvalidArgument(
            f"a disk of {size} bytes is smaller than the image '{image.name}'"
            f" ({image.virtual_size} bytes)",
            cure="ask for at least the image's size with --disk, or leave it out",
        )
    return store, image, order


async def _network(host: Host, name: str) -> None:
    """Raises `NetworkNotFound`, before anything is made."""
    try:
        await host.network(name)
    except NetworkNotFound as error:
        listed = "'virtory net-list --all' shows what there is"
        if host.address.instance == "session":
            listed = "an ordinary user's daemon has no networks of its own"
        error.cure = error.cure or f"{listed}; without --network it reaches out in user mode"
        raise


async def _chosen(
    host: Host, order: Order, image: Image, store: ImageStore, *, make_keys: bool = True
) -> tuple[Choice, Manifest, UserKey]:
    kvm = await _has_kvm(host, image.arch)
    if order.virtualisation == "kvm" and not kvm:
        raise ConfigUnsupported(
            f"KVM can not run '{order.name}' on this host",
            cure="'virtory doctor' says why; or leave out --virtualisation kvm to emulate",
        )
    kvm = kvm and order.virtualisation != "qemu"
    instance = str(uuid.uuid4())
    key = user_key(order.ssh_key) if make_keys else UserKey("", order.ssh_key)
    manifest = Manifest(
        image=image.name,
        directory=_directory(store.machines, order.name, instance),
        files=FILES,
        user=image.user,
        host="" if order.network else ports.ADDRESS,
        port=SSH
        if order.network
        else ports.choose(order.name, order.ssh_port, ports.taken(store.machines)),
        key=key.private,
        host_key="",
        instance=instance,
        cloud_init=image.cloud_init,
        direct=_boots_directly(order, image, kvm),
    )
    choice = Choice(
        kvm=kvm,
        direct=manifest.direct,
        uuid=instance,
        mac=_mac(instance),
        serial=f"ds=nocloud;i={instance};h={order.guest_hostname}",
    )
    return choice, manifest, key


async def _has_kvm(host: Host, arch: str) -> bool:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.fromstring((await host.capabilities()).encode(), parser)
    return bool(root.xpath("guest/arch[@name=$arch]/domain[@type='kvm']", arch=arch))


def _boots_directly(order: Order, image: Image, kvm: bool) -> bool:
    if order.boot == "direct" and image.kernel is None:
        raise InvalidArgument(
            f"the image '{image.name}' has no kernel beside its disk", cure="use --boot disk"
        )
    if order.boot == "disk" and image.firmware == "none":
        raise InvalidArgument(
            f"the image '{image.name}' has no boot loader on its disk", cure="use --boot direct"
        )
    if order.boot != "auto" or image.kernel is None:
        return order.boot == "direct"
    return image.direct_boot == "always" or (image.direct_boot == "emulated" and not kvm)


def _directory(machines: Path, name: str, instance: str) -> Path:
    plain = machines / name
    return machines / f"{name}-{instance[:8]}" if plain.exists() else plain


def _mac(instance: str) -> str:
    tail = uuid.uuid5(_NAMES_OF_UUIDS, instance).bytes[:3]
    return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, 0x00, *tail))


def _make_files(
    order: Order, image: Image, manifest: Manifest, choice: Choice, key: UserKey
) -> Manifest:
    assert not isinstance(order.user_data, Path)  # it was read when the order was checked
    directory = manifest.directory
    host_key = new_host_key(directory, comment=order.guest_hostname)
    manifest = replace(manifest, host_key=host_key.public)
    seed = Seed(
        instance=manifest.instance,
        hostname=order.guest_hostname,
        authorized_keys=(key.public,),
        mac=choice.mac,
        host_key=host_key,
        user_data=order.user_data,
    )
    seed.write_disc(directory / SEED_FILE)
    size = order.disk_size or max(image.virtual_size, DEFAULT_DISK)
    run(
        [
            *("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2"),
            *("-b", str(image.disk.resolve()), str(directory / DISK_FILE), str(size)),
        ],
        doing=f"make the disk of '{order.name}'",
    )
    (directory / DISK_FILE).chmod(0o600)
    (directory / KNOWN_HOSTS).write_text(known_hosts_line(manifest))
    (directory / MANIFEST_FILE).write_text(manifest.to_xml())
    return manifest


def _text(order: Order, image: Image, manifest: Manifest, choice: Choice) -> str:
    from virtory.model.domain import format_domain

    return format_domain(describe(order, image, manifest, choice))


async def _to_its_end(call: Coroutine[Any, Any, T]) -> T:
    """The answer of a call that goes on when we are cancelled: until then nobody knows its end."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()
        raise


async def take_back(host: Host, manifest: Manifest) -> None:
    """Remove what was made of a machine that was not finished, its domain too."""
    with suppress(VirtoryError):
        domain = await host.domain_by_uuid(manifest.instance)
        with suppress(VirtoryError):
            if await domain.is_active():
                await domain.destroy()
        await domain.undefine(nvram=True)
    shutil.rmtree(manifest.directory, ignore_errors=True)


async def _images(domain: Domain) -> list[str]:
    """The files of its disks, those below them that its definition names included."""
    return _images_in(await domain.xml(inactive=True))


def _images_in(xml: str) -> list[str]:
    from virtory.model.domain import parse_domain

    paths = []
    for disk in parse_domain(xml).devices.disks:
        source, below = disk.source, disk.backing_store
        while source is not None:
            if source.file:
                paths.append(source.file)
            source, below = (below.source, below.backing_store) if below else (None, None)
    return paths


async def _refuse_shared(host: Host, name: str, manifest: Manifest, images: list[str]) -> None:
    """Linked clones stand on these images: whose they are goes last."""
    own = [path for path in images if Path(path).parent == manifest.directory]
    directory = escape(str(manifest.directory))
    for other in await host.list_domains():
        if other.name == name or not own:
            continue
        xml = await other.xml(inactive=True)
        used = set(own).intersection(_images_in(xml)) if directory in xml else ()
        if used:
            raise OperationInvalid(
                f"machine '{other.name}' is a linked clone: its disk stands on {min(used)}",
                cure=f"remove '{other.name}' first, or make it whole: virtory blockpull"
                f" {other.name} vda --wait",
            )


async def _foreign_disks(domain: Domain, manifest: Manifest) -> list[str]:
    """Disks of the domain that are not in the machine's own directory."""
    from virtory.model.domain import parse_domain

    disks = parse_domain(await domain.xml(inactive=True)).devices.disks
    paths = [disk.source.file for disk in disks if disk.source and disk.source.file]
    return [f"the disk {path}" for path in paths if Path(path).parent != manifest.directory]


def _is_its_own(manifest: Manifest) -> bool:
    """Whether the directory was made for this machine: a description can name any."""
    try:
        text = (manifest.directory / MANIFEST_FILE).read_text("utf-8")
        return Manifest.from_xml(text, "").instance == manifest.instance
    except (OSError, ValueError, NotOurMachine):
        return False


def _remove_files(manifest: Manifest, images: list[str]) -> list[Path]:
    """The files that the manifest lists, and the machine's own overlays in its directory.

    What proves that the directory is the machine's goes last, so that a removal can be repeated.
    """
    removed = []
    mine = [manifest.directory / name for name in manifest.files if name != MANIFEST_FILE]
    mine += [Path(path) for path in images if Path(path).parent == manifest.directory]
    for path in dict.fromkeys([*mine, manifest.directory / MANIFEST_FILE]):
        with suppress(FileNotFoundError):
            os.unlink(path)
            removed.append(path)
    with suppress(OSError):
        manifest.directory.rmdir()
        removed.append(manifest.directory)
    return removed
