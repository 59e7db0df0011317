"""The journal: what is begun is found again until it is done, and one bad work hides no other."""

import asyncio
from contextlib import closing

import pytest

from virtory.driver.journal import Journal, Mending
from virtory.driver.store import ForgetObject, ObjectRow, Store
from virtory.errors import OperationInvalid

ROW = ObjectRow("pool", b"k" * 16, "images", "<pool/>\n", '{"a": 1}')


def reopened(directory):
    store = Store(directory)
    return store, store.load()


async def test_the_last_step_of_a_work_is_found_again(tmp_path):
    directory = str(tmp_path)
    with closing(Store(directory)) as store:
        store.load()
        work = await Journal(store).begin("clone", step="copy")
        await work.step(step="define", made=["/x"])
    store, loaded = reopened(directory)
    with closing(store):
        seen = []

        async def mend(work, step):
            seen.append(step)
            await work.done(ROW)

        await Mending(Journal(store), {"clone": mend}).recover(loaded.intents)
        assert seen == [{"step": "define", "made": ["/x"]}]
    store, loaded = reopened(directory)
    with closing(store):
        assert loaded.intents == []
        assert loaded.objects == [ROW]


async def test_a_work_that_can_not_be_mended_stays_and_hides_no_other(tmp_path, caplog):
    directory = str(tmp_path)
    with closing(Store(directory)) as store:
        store.load()
        await Journal(store).begin("bad", step=1)
        await Journal(store).begin("good", step=2)
        await Journal(store).begin("unknown", step=3)
    store, loaded = reopened(directory)
    with closing(store):

        async def mend(work, step):
            if work.kind == "bad":
                raise ValueError("no")
            await work.done()

        await Mending(Journal(store), {"bad": mend, "good": mend}).recover(loaded.intents)
    store, loaded = reopened(directory)
    with closing(store):
        assert {intent.kind for intent in loaded.intents} == {"bad", "unknown"}
        assert "no" in caplog.text and "this version of virtoryd can not" in caplog.text


async def test_what_can_not_be_mended_is_tried_again_for_its_domain_or_given_up(tmp_path):
    directory, one, two = str(tmp_path), b"1" * 16, b"2" * 16
    with closing(Store(directory)) as store:
        store.load()
        await Journal(store).begin("work", step="a", domain=one.hex())
        await Journal(store).begin("work", step="b", original=two.hex())
        await Journal(store).begin("work", step="c")
    store, loaded = reopened(directory)
    with closing(store):
        bad = {"a", "b", "c"}

        async def mend(work, step):
            await mending.again(one)  # what a mender does waits for no mender
            if step["step"] in bad:
                raise OperationInvalid("not yet")
            await work.done()

        mending = Mending(Journal(store), {"work": mend})
        await mending.recover(loaded.intents)
        assert len(mending.left) == 3
        with pytest.raises(OperationInvalid, match=r"'a' was cut off and can not be ended: .*not"):
            await mending.again(one)
        bad.remove("a")
        await mending.again(one)
        assert mending.of(one) == [] and len(mending.of(two)) == 1
        await mending.again()
        assert mending.give_up(two, "other") == []
        await store.save(*mending.give_up(two))
        assert [left.step["step"] for left in mending.left] == ["c"]
    store, loaded = reopened(directory)
    store.close()
    assert len(loaded.intents) == 1


async def test_what_is_left_of_one_domain_keeps_no_other_waiting_and_may_be_given_up_meanwhile(
    tmp_path,
):
    one, two = b"1" * 16, b"2" * 16
    with closing(Store(str(tmp_path))) as store:
        store.load()
        await Journal(store).begin("work", domain=one.hex())
        await Journal(store).begin("work", domain=two.hex())
        waiting, go_on = asyncio.Event(), asyncio.Event()

        async def mend(work, step):
            if step["domain"] == one.hex():
                waiting.set()
                await go_on.wait()
            raise OperationInvalid("not yet")

        mending = Mending(Journal(store), {"work": mend})
        go_on.set()
        await mending.recover(store.load().intents)
        go_on.clear(), waiting.clear()
        first = asyncio.ensure_future(mending.again(one))
        await waiting.wait()
        with pytest.raises(OperationInvalid, match="not yet"):
            await mending.again(two)
        await mending.again(b"3" * 16)
        await store.save(*mending.give_up(one))
        go_on.set()
        await first
        assert mending.of(one) == [] and len(mending.of(two)) == 1


async def test_an_object_is_kept_and_forgotten(tmp_path):
    directory = str(tmp_path)
    with closing(Store(directory)) as store:
        store.load()
        await store.save(ROW)
    store, loaded = reopened(directory)
    with closing(store):
        assert loaded.objects == [ROW]
        await store.save(ForgetObject("pool", ROW.key))
    store, loaded = reopened(directory)
    with closing(store):
        assert loaded.objects == []


async def test_a_damaged_object_is_set_aside(tmp_path):
    directory = str(tmp_path)
    other = ROW._replace(key=b"o" * 16, name="other")
    with closing(Store(directory)) as store:
        store.load()
        await store.save(ROW, other)
        store._db.execute("UPDATE object SET xml = x'ff' WHERE name = 'images'")
    store, loaded = reopened(directory)
    with closing(store):
        assert loaded.objects == [other]
        assert [one.source for one in loaded.damaged] == ["object"]


async def test_works_of_one_domain_are_mended_one_after_another(tmp_path):
    directory, one, two = str(tmp_path), b"1" * 16, b"2" * 16
    with closing(Store(directory)) as store:
        store.load()
        for domain in (one, one, two):
            await Journal(store).begin("work", step="revert", domain=domain.hex())
    store, loaded = reopened(directory)
    with closing(store):
        under_way, most = [], {}

        async def mend(work, step):
            domain = step["domain"]
            under_way.append(domain)
            most[domain] = max(most.get(domain, 0), under_way.count(domain))
            await asyncio.sleep(0)
            under_way.remove(domain)
            await work.done()

        mending = Mending(Journal(store), {"work": mend})
        await asyncio.gather(*(mending.recover([work]) for work in loaded.intents))
        assert most == {one.hex(): 1, two.hex(): 1} and mending.left == []
