"""The journal: what is begun is found again until it is done, and one bad work hides no other."""

from contextlib import closing

from virtory.driver.journal import Journal, recover
from virtory.driver.store import ForgetObject, ObjectRow, Store

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

        await recover(Journal(store), loaded.intents, {"clone": mend})
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

        await recover(Journal(store), loaded.intents, {"bad": mend, "good": mend})
    store, loaded = reopened(directory)
    with closing(store):
        assert {intent.kind for intent in loaded.intents} == {"bad", "unknown"}
        assert len(caplog.records) == 2


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
