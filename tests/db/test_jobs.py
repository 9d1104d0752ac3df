"""Every query of jobs.sql: the rules of claims, leases and attempts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.db import images, jobs
from core.db.jobs import Claimed
from core.db.pool import Connection
from core.stages import Timings, Work

NOBODY = UUID(int=7)
ATTEMPTS = 3


def claim(
    conn: Connection, make: Any, *, limit: int = 16, dimension: int = 4, lease: UUID | None = None
) -> list[Claimed]:
    return jobs.claim(
        conn,
        space_ids=[make.space(dimension).id],
        lease=lease or uuid4(),
        lease_s=60,
        limit=limit,
        max_attempts=ATTEMPTS,
    )


def ids(claims: list[Claimed]) -> list[UUID]:
    return [claimed.item_id for claimed in claims]


def expire(conn: Connection) -> None:
    conn.execute("UPDATE items SET lease_until = now() - interval '1 s'")


def test_a_job_counts_its_items_by_state_and_reason(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    waiting, indexed, rejected, *_ = make.items(collection_id, 4)
    make.items(collection_id)
    job_id = conn.execute("SELECT job_id FROM items WHERE id = %s", [waiting]).fetchone()[0]
    jobs.finish(conn, indexed, state="indexed")
    jobs.finish(conn, rejected, state="rejected", reason="image_corrupt", detail="Damaged.")

    job = jobs.get(conn, job_id)

    assert job is not None
    assert (job.total, job.waiting, job.indexed, job.rejected) == (4, 2, 1, 1)
    assert (job.running, job.skipped, job.dead) == (0, 0, 0)
    assert job.reasons == {"image_corrupt": 1}
    assert job.last_finished_at is not None
    assert not job.done


def test_a_job_keeps_its_earliest_start_and_the_sum_of_its_work(
    conn: Connection, make: Any
) -> None:
    (item_id,) = make.items(make.collection(), 1)
    (job_id,) = conn.execute("SELECT job_id FROM items WHERE id = %s", [item_id]).fetchone()
    work = Work.of([(Timings(1, 2, 3, 4), 5)], {})

    for seconds in (2, 10, 1):
        jobs.add_work(conn, job_id, work, seconds=seconds)
    jobs.finish(conn, item_id, state="indexed")

    job = jobs.get(conn, job_id)
    assert job is not None
    assert Work.from_json(job.work) == work + work + work
    assert job.seconds == pytest.approx(10, abs=1)


def test_work_of_a_deleted_job_is_forgotten(conn: Connection, make: Any) -> None:
    jobs.add_work(conn, NOBODY, Work(), seconds=1)

    assert jobs.get(conn, NOBODY) is None


def test_a_job_without_items_is_done(conn: Connection, make: Any) -> None:
    job = jobs.get(conn, jobs.insert(conn, collection_id=make.collection(), kind="upload"))

    assert job is not None
    assert job.done
    assert (job.total, job.reasons) == (0, {})
    assert jobs.get(conn, NOBODY) is None


def test_items_come_in_the_senders_order_page_by_page(conn: Connection, make: Any) -> None:
    made = make.items(make.collection(), 5)
    job_id = conn.execute("SELECT job_id FROM items WHERE id = %s", [made[0]]).fetchone()[0]
    jobs.finish(conn, made[4], state="indexed")

    first = jobs.items(conn, job_id, limit=3)
    second = jobs.items(conn, job_id, limit=3, after=first[-1].position)

    assert [item.id for item in first + second] == made
    assert [item.key for item in first] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [item.id for item in jobs.items(conn, job_id, limit=9, state="indexed")] == [made[4]]


def test_first_tries_are_claimed_together_oldest_first(conn: Connection, make: Any) -> None:
    made = make.items(make.collection(), 5)

    claims = claim(conn, make, limit=3)

    assert ids(claims) == made[:3]
    assert {claimed.attempts for claimed in claims} == {1}
    assert ids(claim(conn, make)) == made[3:]
    assert claim(conn, make) == []


def test_a_claim_holds_what_a_worker_needs(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    (item_id,) = make.items(collection_id)

    (claimed,) = claim(conn, make)

    (image,) = images.page(conn, collection_id, limit=9)
    (job_id,) = conn.execute("SELECT job_id FROM items WHERE id = %s", [item_id]).fetchone()
    assert claimed == Claimed(
        item_id,
        job_id,
        collection_id,
        image.id,
        1,
        make.space().id,
        "off",
        "originals",
        image.sha256,
    )


def lane_of(conn: Connection, items: Sequence[UUID], collection_id: UUID) -> UUID:
    """Give items a lane of their own, as those of an import have."""
    lane = uuid4()
    jobs.open_lane(conn, lane, collection_id=collection_id)
    conn.execute("UPDATE items SET lane = %s WHERE id = ANY(%s)", [lane, items])
    return lane


def test_collections_take_turns_however_much_one_of_them_has(conn: Connection, make: Any) -> None:
    many = make.items(make.collection(), 9)
    few = make.items(make.collection(), 2)

    taken = [ids(claim(conn, make, limit=2)) for _ in range(4)]

    assert sorted(taken[:2]) == [many[:2], few]
    assert taken[2:] == [many[2:4], many[4:6]]


def test_imports_of_one_collection_share_its_turns_with_its_uploads(
    conn: Connection, make: Any
) -> None:
    home = make.collection()
    first, second = make.items(home, 4), make.items(home, 4)
    uploads, others = make.items(home, 2), make.items(make.collection(), 6)
    for each in (first, second):
        lane_of(conn, each, home)

    taken = [ids(claim(conn, make, limit=1))[0] for _ in range(12)]

    assert [each in others for each in taken] in ([True, False] * 6, [False, True] * 6)
    mine = [each for each in taken if each not in others]
    of = [next(n for n, each in enumerate((first, second, uploads)) if i in each) for i in mine]
    assert sorted(of[:3]) == sorted(of[3:]) == [0, 1, 2]


def test_a_batch_is_filled_from_other_lanes(conn: Connection, make: Any) -> None:
    one, three = make.items(make.collection(), 1), make.items(make.collection(), 3)
    conn.execute("UPDATE lanes SET served_at = now() WHERE id <> "
                 "(SELECT lane FROM items WHERE id = %s)", one)  # fmt: skip

    assert sorted(ids(claim(conn, make, limit=3))) == sorted([*one, *three[:2]])


def test_a_lane_that_pauses_has_no_turn(conn: Connection, make: Any) -> None:
    home = make.collection()
    paused, other = make.items(home, 2), make.items(home, 1)
    lane = lane_of(conn, paused, home)
    jobs.pause_lane(conn, lane, paused=True)
    space = [make.space().id]

    assert ids(claim(conn, make, limit=5)) == other
    assert not jobs.work_waits(conn, space_ids=space, max_attempts=3)

    jobs.pause_lane(conn, lane, paused=False)
    assert jobs.work_waits(conn, space_ids=space, max_attempts=3)
    assert ids(claim(conn, make, limit=5)) == paused


def test_an_item_whose_photo_is_still_to_come_is_not_claimed(conn: Connection, make: Any) -> None:
    made = make.items(make.collection(), 2)
    conn.execute("UPDATE items SET lane = NULL, image_id = NULL WHERE id = %s", [made[0]])

    assert ids(claim(conn, make, limit=5)) == made[1:]


def test_what_was_given_back_fails_and_what_was_not_is_dead(conn: Connection, make: Any) -> None:
    returned, lost = make.items(make.collection(), 2)
    conn.execute(
        "UPDATE items SET attempts = 3, detail = 'Out of paper.' WHERE id = %s", [returned]
    )
    conn.execute("UPDATE items SET attempts = 3, state = 'running', lease_until = now() - "
                 "interval '1 s', detail = 'Out of ink.' WHERE id = %s", [lost])  # fmt: skip

    given_up = jobs.give_up(conn, max_attempts=3, detail="Its worker died.")

    assert {(each.state, each.reason, each.detail) for each in given_up} == {
        ("failed", "processing_failed", "Out of paper."),
        ("dead", "worker_lost", "Its worker died."),
    }


def test_a_batch_is_of_one_space(conn: Connection, make: Any) -> None:
    of_four = make.items(make.collection(dimension=4), 2)
    of_eight = make.items(make.collection(dimension=8), 2)
    both = [make.space(4).id, make.space(8).id]

    first = jobs.claim(
        conn, space_ids=both, lease=uuid4(), lease_s=60, limit=9, max_attempts=ATTEMPTS
    )
    second = jobs.claim(
        conn, space_ids=both, lease=uuid4(), lease_s=60, limit=9, max_attempts=ATTEMPTS
    )

    assert (ids(first), ids(second)) == (of_four, of_eight)


def test_collections_of_one_space_share_a_batch(conn: Connection, make: Any) -> None:
    made = make.items(make.collection()) + make.items(make.collection())

    assert ids(claim(conn, make)) == made


def test_spaces_that_a_worker_lacks_are_left_alone(conn: Connection, make: Any) -> None:
    make.items(make.collection(dimension=8))

    assert claim(conn, make, dimension=4) == []
    assert not jobs.work_waits(conn, space_ids=[make.space(4).id], max_attempts=ATTEMPTS)
    assert jobs.work_waits(conn, space_ids=[make.space(8).id], max_attempts=ATTEMPTS)


def test_second_tries_are_claimed_alone(conn: Connection, make: Any) -> None:
    made = make.items(make.collection(), 4)
    lease = uuid4()
    claim(conn, make, limit=2, lease=lease)
    jobs.release(conn, lease, detail="It failed.")

    assert ids(claim(conn, make)) == [made[0]]
    assert ids(claim(conn, make)) == [made[1]]
    assert ids(claim(conn, make)) == made[2:]


def test_first_tries_take_no_second_try_along(conn: Connection, make: Any) -> None:
    made = make.items(make.collection(), 3)
    conn.execute("UPDATE items SET attempts = 1 WHERE id = %s", [made[1]])

    assert ids(claim(conn, make)) == [made[0], made[2]]
    assert ids(claim(conn, make)) == [made[1]]


def test_a_released_claim_counts_unless_it_is_forgiven(conn: Connection, make: Any) -> None:
    make.items(make.collection(), 2)
    lease = uuid4()

    claim(conn, make, lease=lease)
    assert jobs.release(conn, lease, detail="The disk is full.", forgiven=True) == 2
    assert (
        conn.execute("SELECT attempts, detail FROM items").fetchall()
        == [(0, "The disk is full.")] * 2
    )

    claim(conn, make, lease=lease)
    assert jobs.release(conn, lease, detail="It failed.") == 2
    assert conn.execute("SELECT attempts, state FROM items").fetchall() == [(1, "waiting")] * 2


def test_an_expired_lease_frees_its_photos(conn: Connection, make: Any) -> None:
    made = make.items(make.collection(), 2)
    claim(conn, make)
    assert claim(conn, make) == []

    expire(conn)

    again = claim(conn, make)
    assert ids(again) == [made[0]], "alone: it may be what silenced the worker"
    assert again[0].attempts == 2


def test_a_photo_without_attempts_left_is_not_claimed(conn: Connection, make: Any) -> None:
    (item_id,) = make.items(make.collection())
    for attempt in range(ATTEMPTS):
        assert [c.attempts for c in claim(conn, make)] == [attempt + 1]
        expire(conn)

    assert claim(conn, make) == []
    assert not jobs.work_waits(conn, space_ids=[make.space().id], max_attempts=ATTEMPTS)
    (lost,) = jobs.give_up(conn, max_attempts=ATTEMPTS, detail="Lost.")
    assert lost.detail == "Lost."
    found = conn.execute("SELECT state, reason FROM items WHERE id = %s", [item_id]).fetchone()
    assert found == ("dead", "worker_lost")
    image = images.get(conn, lost.image_id)
    assert image is not None
    assert (image.state, image.reason, image.detail) == ("dead", "worker_lost", "Lost.")
    assert jobs.give_up(conn, max_attempts=ATTEMPTS, detail="Lost.") == []


def test_giving_up_keeps_the_last_error_and_leaves_running_photos_alone(
    conn: Connection, make: Any
) -> None:
    failed, running = make.items(make.collection(), 2)
    conn.execute(
        "UPDATE items SET attempts = 3, detail = 'The last error.' WHERE id = %s", [failed]
    )
    conn.execute(
        "UPDATE items SET attempts = 3, state = 'running', lease_until = now() + interval '1 min'"
        " WHERE id = %s",
        [running],
    )

    (lost,) = jobs.give_up(conn, max_attempts=ATTEMPTS, detail="Lost.")

    assert lost.detail == "The last error."


def test_a_photo_that_was_indexed_meanwhile_does_not_die_with_its_item(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    make.items(collection_id)
    (image,) = images.page(conn, collection_id, limit=9)
    images.finish(conn, image.id, state="indexed")
    conn.execute("UPDATE items SET attempts = 3")

    jobs.give_up(conn, max_attempts=ATTEMPTS, detail="Lost.")

    after = images.get(conn, image.id)
    assert after is not None
    assert after.state == "indexed"


def test_a_renewed_lease_does_not_expire(conn: Connection, make: Any) -> None:
    make.items(make.collection(), 2)
    lease = uuid4()
    claim(conn, make, lease=lease)
    expire(conn)

    assert jobs.renew(conn, lease, lease_s=60) == 2
    assert claim(conn, make) == []
    assert jobs.renew(conn, uuid4(), lease_s=60) == 0


def test_only_what_is_still_ours_is_locked_for_finishing(conn: Connection, make: Any) -> None:
    made = make.items(make.collection(), 2)
    lease = uuid4()
    claim(conn, make, lease=lease)
    conn.execute("UPDATE items SET lease = %s WHERE id = %s", [uuid4(), made[0]])

    assert jobs.lock_leased(conn, lease) == {made[1]: None}


def test_a_finished_item_holds_no_lease(conn: Connection, make: Any) -> None:
    (item_id,) = make.items(make.collection())
    lease = uuid4()
    claim(conn, make, lease=lease)

    jobs.finish(conn, item_id, state="rejected", reason="image_corrupt", detail="Damaged.")

    assert jobs.lock_leased(conn, lease) == {}
    row = conn.execute("SELECT state, reason, detail, lease, lease_until FROM items").fetchone()
    assert row == ("rejected", "image_corrupt", "Damaged.", None, None)


def test_an_item_whose_image_was_deleted_is_claimed_without_bytes(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    make.items(collection_id)
    (image,) = images.page(conn, collection_id, limit=9)
    images.delete(conn, image.id)

    (claimed,) = claim(conn, make)

    assert (claimed.image_id, claimed.sha256) == (None, None)


def test_the_backlog_counts_what_waits_and_what_runs(conn: Connection, make: Any) -> None:
    before = jobs.backlog(conn)
    first, *_ = make.items(make.collection(), 5)
    claim(conn, make, limit=2)
    jobs.finish(conn, first, state="indexed")

    after = jobs.backlog(conn)

    assert (after.waiting - before.waiting, after.running - before.running) == (3, 1)


def test_two_workers_that_claim_at_once_get_different_photos(
    fresh_database: Any, connect: Any
) -> None:
    url = fresh_database()
    with connect(url) as setup:
        made = setup.make.items(setup.make.collection(), 6)
        space_id = setup.make.space().id

    def take(session: Any) -> list[UUID]:
        session.conn.execute("SET LOCAL lock_timeout = '1 s'")
        return ids(
            jobs.claim(
                session.conn,
                space_ids=[space_id],
                lease=uuid4(),
                lease_s=60,
                limit=3,
                max_attempts=ATTEMPTS,
            )
        )

    with connect(url) as first, connect(url) as second, connect(url) as third:
        assert take(first) == made[:3]
        assert take(second) == made[3:]
        assert take(third) == []


@pytest.mark.parametrize("state", ["done", "", "queued"])
def test_an_item_has_one_of_the_known_states(conn: Connection, make: Any, state: str) -> None:
    (item_id,) = make.items(make.collection())

    with pytest.raises(Exception, match="items_state_check"):
        jobs.finish(conn, item_id, state=state)


def test_what_a_sweep_and_a_claim_ask_never_reads_all_items(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    make.items(collection_id, 20)
    conn.execute("UPDATE items SET attempts = 1 WHERE position = 5")
    conn.execute(
        "INSERT INTO items (job_id, collection_id, position, key, state) "
        "SELECT job_id, collection_id, more, key, 'indexed' FROM items, generate_series(100, 10000) more "
        "WHERE position = 0"
    )
    conn.execute("ANALYZE items")
    # Whether an index serves is asked, and not what a table that other tests filled is thought to cost.
    conn.execute("SET LOCAL enable_seqscan = off")
    asked = {
        "space_ids": [make.space().id],
        "lease": uuid4(),
        "lease_s": 60,
        "others": 15,
        "max_attempts": 3,
        "least_attempts": 0,
        "image_ids": [],
        "detail": "lost",
    }

    for name, index in {
        "claim": "items_by_lane",
        "work_waits": "items_to_do",
        "lock_hopeless": "items_tried",
    }.items():
        explain = f"EXPLAIN {jobs.SQL[name]}"
        plan = "\n".join(row[0] for row in conn.execute(explain, asked))
        assert index in plan, plan
        assert "Seq Scan on items" not in plan, plan
