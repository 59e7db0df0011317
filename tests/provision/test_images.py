"""The image store: whole or not at all, one maker at a time, never from under a machine."""

from __future__ import annotations

import json
import multiprocessing
from typing import TYPE_CHECKING

import pytest
from tests.provision.conftest import add, machine_on, qcow2

from virtory.provision.errors import BadImage, ImageInUse, ImageNotFound
from virtory.provision.images import DISK, ENTRY, Image, ImageStore

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event
    from pathlib import Path


def test_an_added_image_is_found_by_name_and_by_alias(store: ImageStore) -> None:
    add(store, "debian-12", aliases=("debian", "bookworm"), user="debian")
    assert store.find("debian-12") == store.find("bookworm")
    assert store.find("debian").user == "debian"
    assert [image.name for image in store.list()] == ["debian-12"]


def test_the_catalogue_holds_size_and_checksum_of_the_disk(store: ImageStore) -> None:
    import hashlib

    image = add(store, "one")
    assert image.virtual_size == 1 << 20
    assert image.file_size == len(qcow2())
    assert image.checksum == f"sha256:{hashlib.sha256(qcow2()).hexdigest()}"


def test_an_unknown_image_is_answered_with_those_there_are(store: ImageStore) -> None:
    add(store, "tiny")
    with pytest.raises(ImageNotFound, match=r"no image is called 'tinny'.*tiny.*image pull URL"):
        store.find("tinny")
    with pytest.raises(ImageNotFound, match="build it: virtory image build debian-12"):
        store.find("debian-12")


def test_a_failed_build_leaves_no_trace_but_its_lock(store: ImageStore) -> None:
    with pytest.raises(ZeroDivisionError), store.adding("one") as place:
        (place / DISK).write_bytes(b"half")
        raise ZeroDivisionError
    assert store.list() == []
    assert [path.name for path in store.directory.iterdir()] == [".one.lock"]


def test_what_a_killed_build_left_is_swept_by_the_next(store: ImageStore) -> None:
    store.directory.mkdir()
    (store.directory / ".new-one-dead").mkdir()
    add(store, "one")
    assert sorted(path.name for path in store.directory.iterdir()) == [".one.lock", "one"]


def test_an_existing_image_is_not_replaced_unless_asked(store: ImageStore) -> None:
    add(store, "one", user="first")
    with pytest.raises(ImageInUse, match="exists already"):
        add(store, "one")
    with store.adding("one", replace=True) as place:
        (place / DISK).write_bytes(qcow2(size=2 << 20))
        store.publish(place, Image(name="one", directory=place, user="second"))
    assert (store.find("one").user, store.find("one").virtual_size) == ("second", 2 << 20)


def _hold(directory: Path, ready: Event, go: Event) -> None:
    with ImageStore(directory, directory / "none").adding("one"):
        ready.set()
        go.wait()


def test_two_processes_do_not_make_the_same_image(store: ImageStore) -> None:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(store.directory, ready, go))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(ImageInUse, match="another process is making"), store.adding("one"):
            pytest.fail("the lock was given twice")
    finally:
        go.set()
        other.join()
    assert add(store, "one").name == "one"


def test_an_image_under_a_machines_disk_is_not_removed(store: ImageStore) -> None:
    image = add(store, "one")
    machine_on(store, image, "web")
    machine_on(store, image, "db")
    with pytest.raises(ImageInUse, match="db, web"):
        store.remove("one")
    with pytest.raises(ImageInUse, match="db, web"), store.adding("one", replace=True):
        pytest.fail("a base image was about to be replaced")
    assert store.find("one") == image


def test_an_image_without_machines_is_removed_whole(store: ImageStore) -> None:
    image = add(store, "one", aliases=("uno",))
    machine_on(store, add(store, "two"), "other")
    assert store.remove("uno") == image
    assert not image.directory.exists()
    assert [left.name for left in store.list()] == ["two"]


def test_a_damaged_entry_hides_only_itself(store: ImageStore) -> None:
    add(store, "good")
    bad = add(store, "bad")
    (bad.directory / ENTRY).write_text("{")
    assert [image.name for image in store.list()] == ["good"]
    with pytest.raises(BadImage, match="can not be read"):
        store.find("bad")


def test_an_entry_of_a_later_version_is_read(store: ImageStore) -> None:
    image = add(store, "one")
    entry = json.loads((image.directory / ENTRY).read_text())
    (image.directory / ENTRY).write_text(json.dumps(entry | {"colour": "blue"}))
    assert store.find("one").name == "one"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b", "-x"])
def test_names_that_are_no_directory_names_are_refused(store: ImageStore, name: str) -> None:
    with pytest.raises(BadImage, match="can not name an image"), store.adding(name):
        pytest.fail("the name was taken")
    with pytest.raises(ImageNotFound):
        store.find(name)
