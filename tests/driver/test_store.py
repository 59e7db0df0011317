"""The store: what is saved is there after any end, and what is damaged hides nothing."""

import asyncio
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from virtory.driver.store import (
    DomainRow,
    ForgetDomain,
    ForgetRunning,
    Intent,
    Job,
    Loaded,
    ObjectRow,
    RunningRow,
    ShutoffReason,
    State,
    Store,
)
from virtory.driver.store_file import FILE, LOCK, MIGRATIONS, open_database, take_lock
from virtory.errors import InternalError, OpenFailed, SystemCallFailed


def domain(name, **more):
    key = uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes
    return DomainRow(key, name, f"<domain type='kvm'>\n  <name>{name}</name>\n</domain>\n", **more)


def running(row, number, **more):
    plan = '{"uid": 64055}'
    return RunningRow(
        row.uuid, row.name, number, 4711, 99, 1, 1, plan, '{"qmp": "/x"}', row.xml, **more
    )


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "state")


@pytest.fixture
def store(directory):
    with closing(Store(directory)) as store:
        store.load()
        yield store


def again(store):
    """What the next daemon finds."""
    store.close()
    with closing(Store(store.directory)) as following:
        return following.load()


def edit(store, *statements):
    """Change the file behind the store's back, as a bad disk or a curious user does."""
    store.close()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(*statement)


async def test_what_is_saved_is_found_again(store):
    row = domain("a", autostart=True, title="Ä title", vcpus=2, max_vcpus=4, memory_kib=7)
    guest = running(row, 3, job='{"kind": "save"}')
    await store.save(row, guest)
    assert again(store) == Loaded([row], [guest], [], [], [])


async def test_saving_a_row_again_replaces_it(store):
    await store.save(domain("a", vcpus=1))
    changed = domain("a", vcpus=2, managed_save=True)
    await store.save(changed)
    assert again(store).domains == [changed]


async def test_a_domain_can_take_another_name(store):
    row = domain("a")
    await store.save(row)
    await store.save(row._replace(name="b"))
    assert [found.name for found in again(store).domains] == ["b"]


async def test_small_changes_change_nothing_else(store):
    row = domain("a")
    await store.save(row, running(row, 1))
    await store.save(State(row.uuid, 3, 5), Job(row.uuid, "{}"))
    await store.save(ShutoffReason(row.uuid, 2))
    loaded = again(store)
    assert loaded.domains == [row._replace(reason=2)]
    assert loaded.running == [running(row, 1, job="{}")._replace(state=3, reason=5)]


async def test_what_is_forgotten_is_gone(store):
    a, b = domain("a"), domain("b")
    await store.save(a, b, running(a, 1), running(b, 2))
    await store.save(ForgetDomain(a.uuid), ForgetRunning(b.uuid))
    loaded = again(store)
    assert [row.name for row in loaded.domains] == ["b"]
    assert [row.name for row in loaded.running] == ["a"]


async def test_what_is_waited_for_and_what_is_not_is_found_in_its_order(store):
    one, two = domain("a"), domain("b")
    for title in ("first", "second", "third"):
        await store.save(one._replace(title=title), two)
        await store.save(ForgetDomain(one.uuid))
        await store.save(one._replace(title=title))
        await store.save(ForgetDomain(two.uuid))
    loaded = again(store)
    assert loaded.domains == [one._replace(title="third")]
    assert sorted(os.listdir(store.directory)) == ["lock", FILE]  # nothing holds the file open


async def test_changes_of_one_save_are_made_together_or_not_at_all(store):
    await store.save(domain("a"))
    clash = domain("b")._replace(name="a")
    with pytest.raises(InternalError, match="UNIQUE"):
        await store.save(domain("c"), clash)
    assert [row.name for row in again(store).domains] == ["a"]


async def test_one_failing_save_does_not_fail_those_that_wait_beside_it(store):
    await store.save(domain("a"))
    clash = domain("b")._replace(name="a")
    saves = [store.save(domain(f"d{i}")) for i in range(20)]
    results = await asyncio.gather(*saves, store.save(clash), return_exceptions=True)
    assert [type(result) for result in results] == [type(None)] * 20 + [InternalError]
    assert len(again(store).domains) == 21


async def test_text_that_is_not_unicode_fails_only_its_own_save(store):
    with pytest.raises(InternalError, match="not Unicode"):
        await store.save(domain("a", title="\udcff"))
    await store.save(domain("b"))
    assert [row.name for row in again(store).domains] == ["b"]


async def test_a_number_that_is_too_large_fails_only_its_own_save(store):
    with pytest.raises(InternalError, match="too large"):
        await store.save(domain("a", memory_kib=1 << 63))
    await store.save(domain("b"))
    assert [row.name for row in again(store).domains] == ["b"]


def test_a_blocking_save_is_on_disk_when_it_returns(store):
    store.save_now(domain("a"))
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT name FROM domain").fetchall() == [("a",)]
    with pytest.raises(InternalError, match="UNIQUE"):
        store.save_now(domain("b")._replace(name="a"))


async def test_a_save_after_close_is_refused(store):
    store.close()
    store.close()
    with pytest.raises(InternalError, match="closed"):
        await store.save(domain("a"))


async def test_ids_go_on_where_the_last_daemon_stopped(store, directory):
    row = domain("a")
    assert [store.next_domain_id(), store.next_domain_id()] == [1, 2]
    await store.save(running(row, 2))
    await store.save(ForgetRunning(row.uuid))
    store.close()
    with closing(Store(directory)) as following:
        following.load()
        assert following.next_domain_id() == 3


async def test_descriptions_can_be_read_with_any_sqlite_tool(store):
    row = domain("a")
    await store.save(row)
    store.close()
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT xml FROM domain WHERE name = 'a'").fetchone() == (row.xml,)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE domain SET xml = x'3cff' WHERE name = 'bad'", "xml is not UTF-8 text"),
        ("UPDATE domain SET xml = '<domain' WHERE name = 'bad'", "not a domain's XML"),
        ("UPDATE domain SET vcpus = 'many' WHERE name = 'bad'", "vcpus is not a number"),
        ("UPDATE domain SET vcpus = 1.5 WHERE name = 'bad'", "vcpus is of the wrong type"),
        ("UPDATE domain SET name = '' WHERE name = 'bad'", "the name is empty"),
    ],
)
async def test_a_damaged_row_is_set_aside_and_hides_no_other(store, directory, statement, problem):
    await store.save(domain("bad"), *(domain(f"d{i}") for i in range(5)))
    edit(store, [statement])
    with closing(Store(directory)) as following:
        loaded = following.load()
        assert sorted(row.name for row in loaded.domains) == [f"d{i}" for i in range(5)]
        assert [damage.source for damage in loaded.damaged] == ["domain"]
        assert problem in loaded.damaged[0].problem
        await following.save(domain("bad"))  # the name is free again
    with closing(Store(directory)) as third:
        assert third.load().damaged == []
    with closing(sqlite3.connect(store.path)) as db:
        kept = db.execute("SELECT source, problem FROM damaged").fetchall()
        assert kept == [("domain", loaded.damaged[0].problem)]


async def test_a_damaged_running_row_hides_no_other(store, directory):
    a, b = domain("a"), domain("b")
    await store.save(running(a, 1), running(b, 2))
    edit(store, ["UPDATE running SET plan = x'ff' WHERE name = 'a'"])
    with closing(Store(directory)) as following:
        loaded = following.load()
    assert [row.name for row in loaded.running] == ["b"]
    assert loaded.damaged == [("running", "a", "plan is not UTF-8 text")]


def wreck(path, text):
    """The page that holds `text` is unreadable from now on."""
    with closing(sqlite3.connect(path)) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
    content = Path(path).read_bytes()
    page = content.index(text) // size
    wrecked = content[: page * size] + b"\xff" * size + content[(page + 1) * size :]
    Path(path).write_bytes(wrecked)


def test_a_destroyed_page_costs_only_what_was_on_it(store, directory):
    rows = [domain(f"d{i}") for i in range(200)]
    store.save_now(*(row._replace(xml=row.xml.rjust(1500)) for row in rows))
    store.close()
    wreck(store.path, b"<name>d77</name>")
    with closing(Store(directory)) as following:
        names = {row.name for row in following.load().domains}
    assert "d77" not in names
    assert len(names) > 150


async def test_a_damaged_object_hides_no_other_not_even_one_of_the_same_key(store, directory):
    key = b"k" * 16
    rows = [ObjectRow(kind, key, "same", "<a/>") for kind in ("network", "pool")]
    await store.save(*rows, Intent(b"i" * 16, "clone", "{}"), Intent(b"j" * 16, "clone", "{}"))
    edit(
        store,
        ["UPDATE object SET xml = x'ff' WHERE kind = 'pool'"],
        ["UPDATE intent SET step = x'ff' WHERE key = ?", [b"i" * 16]],
    )
    with closing(Store(directory)) as following:
        loaded = following.load()
    assert loaded.objects == rows[:1] and [each.key for each in loaded.intents] == [b"j" * 16]
    assert [damage.source for damage in loaded.damaged] == ["object", "intent"]
    with closing(Store(directory)) as third:
        assert third.load() == loaded._replace(damaged=[])


def test_a_destroyed_page_of_objects_costs_only_what_was_on_it(store, directory):
    rows = [ObjectRow("pool", b"%016d" % i, f"p{i}", f"<p{i}/>".rjust(1500)) for i in range(200)]
    store.save_now(*rows)
    store.close()
    wreck(store.path, b"<p77/>")
    with closing(Store(directory)) as following:
        names = {row.name for row in following.load().objects}
    assert "p77" not in names
    assert len(names) > 150


def test_nobody_else_can_read_what_is_stored(directory):
    former = os.umask(0)
    try:
        with closing(Store(directory)) as store:
            store.load()
            modes = {each.name: each.stat().st_mode & 0o777 for each in Path(directory).iterdir()}
    finally:
        os.umask(former)
    assert modes == dict.fromkeys(("lock", FILE, f"{FILE}-wal", f"{FILE}-shm"), 0o600)


def test_a_state_file_that_others_could_read_is_closed_to_them(store, directory):
    store.close()
    path = Path(directory, FILE)
    path.chmod(0o644)
    Path(f"{path}-wal").touch(0o644)
    with closing(Store(directory)) as following:
        following.load()
        assert path.stat().st_mode & 0o777 == 0o600
        assert Path(f"{path}-wal").stat().st_mode & 0o777 == 0o600


def test_a_child_that_a_killed_daemon_had_just_made_is_waited_for(directory):
    """It has the lock as its parent had it, until it becomes another program."""
    code = """
        import os, sys
        from virtory.driver.store_file import take_lock
        take_lock(sys.argv[1])
        if os.fork():
            os.kill(os.getpid(), 9)
        print("has it", flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), directory]
    taken = []
    taking = threading.Thread(target=lambda: taken.append(take_lock(directory)))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout.readline() == b"has it\n"
        assert daemon.wait(60) == -signal.SIGKILL
        taking.start()
        await_waiting(taking, directory)
        assert not taken
    taking.join(60)
    (lock,) = taken
    os.close(lock)


def await_waiting(taking, directory):
    """Until it waits for the directory's lock, or has ended."""
    place = f":{os.stat(Path(directory, LOCK)).st_ino} "
    while taking.is_alive() and not any(
        "->" in line and place in line for line in Path("/proc/locks").read_text().splitlines()
    ):
        pass


def test_a_daemon_of_which_threads_have_still_to_end_is_waited_for(directory):
    """As one that was killed: the first has ended, the others have the lock for a moment."""
    code = """
        import ctypes, sys, threading
        from virtory.driver.store_file import take_lock
        take_lock(sys.argv[1])
        threading.Thread(target=sys.stdin.read).start()
        print("has it", flush=True)
        ctypes.CDLL(None).syscall(60, 0)  # exit(2) of x86-64: this thread alone
    """
    command = [sys.executable, "-c", textwrap.dedent(code), directory]
    taken = []
    taking = threading.Thread(target=lambda: taken.append(take_lock(directory)))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout.readline() == b"has it\n"
        while b") Z " not in Path(f"/proc/{daemon.pid}/stat").read_bytes():
            pass
        taking.start()
        await_waiting(taking, directory)
        assert not taken
        daemon.kill()
    taking.join(60)
    (lock,) = taken
    os.close(lock)


async def test_a_second_daemon_is_told_who_has_the_directory(store, directory):
    with pytest.raises(OpenFailed, match=f"in use by another virtoryd, process {os.getpid()}") as e:
        Store(directory)
    assert "--state" in e.value.cure


def test_a_newer_schema_is_refused_and_left_alone(store, directory):
    store.save_now(domain("a"))
    edit(store, ["PRAGMA user_version = 999"])
    before = Path(store.path).read_bytes()
    with pytest.raises(OpenFailed, match="has schema 999") as caught:
        Store(directory)
    assert "newer virtoryd" in caught.value.cure
    assert Path(store.path).read_bytes() == before


async def test_an_older_schema_is_migrated_and_the_old_file_kept(store, directory):
    await store.save(domain("a"))
    store.close()

    def add_column(db):
        db.execute("ALTER TABLE damaged ADD COLUMN more TEXT")

    with closing(open_database(directory, [*MIGRATIONS, add_column])) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert db.execute("SELECT more FROM damaged").fetchall() == []
        assert db.execute("SELECT name FROM domain").fetchall() == [("a",)]
    with closing(sqlite3.connect(f"{store.path}.schema-{len(MIGRATIONS)}")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert db.execute("SELECT name FROM domain").fetchall() == [("a",)]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(store, directory):
    await store.save(domain("a"))
    store.close()

    def fail(db):
        db.execute("DROP TABLE damaged")
        db.execute("no such statement")

    with pytest.raises(InternalError, match="cannot open the state file"):
        open_database(directory, [*MIGRATIONS, fail])
    with closing(Store(directory)) as following:
        assert [row.name for row in following.load().domains] == ["a"]
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT * FROM damaged").fetchall() == []


def test_a_file_of_another_program_is_refused(directory):
    Path(directory).mkdir()
    with closing(sqlite3.connect(f"{directory}/{FILE}")) as db:
        db.execute("PRAGMA application_id = 1234")
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(OpenFailed, match="another program"):
        Store(directory)


def test_a_file_that_is_no_database_is_refused_with_a_cure(directory):
    Path(directory).mkdir()
    Path(directory, FILE).write_bytes(b"hello, I am a text file\n" * 100)
    with pytest.raises(OpenFailed, match="not a database") as caught:
        Store(directory)
    assert ".recover" in caught.value.cure
    # Neither the file nor the lock is held, though the error is.
    held = [os.readlink(fd) for fd in Path("/proc/self/fd").iterdir() if os.path.lexists(fd)]
    assert [path for path in held if path.startswith(directory)] == []
    Path(directory, FILE).unlink()
    Store(directory).close()


def test_a_state_directory_that_can_not_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemCallFailed, match="cannot use the state directory") as caught:
        Store(str(tmp_path / "file" / "state"))
    assert caught.value.errno == errno.ENOTDIR
    assert "--state" in caught.value.cure


FULL = textwrap.dedent("""
    import resource, signal, sys
    from virtory.driver.store import DomainRow, Store
    from virtory.errors import SystemCallFailed

    store = Store(sys.argv[1])
    store.load()
    store.save_now(DomainRow(b"a" * 16, "small", "<domain/></domain>"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    try:
        store.save_now(DomainRow(b"b" * 16, "big", "<domain>" + "x" * (4 << 20) + "</domain>"))
    except SystemCallFailed as error:
        print(error.errno, error.cure)
    store.save_now(DomainRow(b"c" * 16, "after", "<domain></domain>"))
    store.close()
""")


def test_a_file_that_can_not_grow_fails_that_save_with_a_cure_and_no_other(directory):
    done = subprocess.run(
        [sys.executable, "-c", FULL, directory], capture_output=True, text=True, check=True
    )
    number, cure = done.stdout.split(" ", 1)
    assert int(number) in (errno.ENOSPC, errno.EIO)
    assert cure.startswith(("Free some space", "Look at the kernel's log"))
    with closing(Store(directory)) as store:
        assert sorted(row.name for row in store.load().domains) == ["after", "small"]


KILLED = textwrap.dedent("""
    import sys
    from virtory.driver.store import DomainRow, Store

    store = Store(sys.argv[1])
    store.load()
    for number in range(10000):
        store.save_now(DomainRow(b"%016d" % number, f"d{number}", "<domain></domain>"))
        print(number, flush=True)
""")


def test_a_daemon_killed_while_saving_loses_nothing_it_confirmed(directory):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, directory], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    confirmed = -1
    for line in process.stdout:
        confirmed = int(line)
        if confirmed == 50:
            process.send_signal(signal.SIGKILL)
            break
    rest = process.stdout.read().split()
    process.stdout.close()
    process.wait()
    confirmed = max([confirmed, *(int(word) for word in rest if word.isdigit())])
    with closing(Store(directory)) as store:
        found = {row.name for row in store.load().domains}
    assert {f"d{number}" for number in range(confirmed + 1)} <= found
    assert len(found) <= confirmed + 2
