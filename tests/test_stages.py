"""What photos cost: sums, shares, the stage that limits."""

import pytest

from core.stages import ADVICE, Cost, Stage, Timings, Work

TIMINGS = Timings(
    decode=1, detect=4, align=0.5, embed=2, copies=0.5, decode_wait=3, detect_wait=2, runs=0.25
)
CORES = dict.fromkeys(Stage, 2)


def test_the_cost_of_photos_is_summed_by_stage() -> None:
    work = Work.of([(TIMINGS, 3), (TIMINGS, 1)], CORES)

    assert (work.photos, work.faces, work.runs) == (2, 4, 0.5)
    assert work.stages[Stage.DETECT] == Cost(8, 4, 2)
    assert work.stages[Stage.DECODE] == Cost(2, 6, 2)
    assert work.faces_per_run == 8
    assert work.batch_fill == 0.25
    assert work.share(Stage.DETECT) == pytest.approx(0.5)


def test_adding_work_adds_every_stage() -> None:
    work = Work.of([(TIMINGS, 1)], CORES) + Work(stages={Stage.WRITE: Cost(0.5, 0, 3)})

    assert (work + work).stages[Stage.WRITE] == Cost(1, 0, 3)
    assert (work + work).photos == 2
    assert list(work.stages) == list(Stage)


def test_work_comes_back_from_json_as_it_was() -> None:
    work = Work.of([(TIMINGS, 1)], CORES)

    assert Work.from_json(work.to_json()) == work
    assert Work.from_json({}) == Work()


def test_a_stage_of_another_version_is_passed_over() -> None:
    stored = {"photos": 1, "stages": {"guess": {"busy": 1, "wait": 0, "places": 1}}}

    assert Work.from_json(stored) == Work(photos=1)


def test_on_shared_cores_the_stage_with_most_to_do_limits() -> None:
    work = Work.of([(TIMINGS, 1)], CORES)

    assert work.limit is Stage.DETECT
    assert work.advice == ADVICE[Stage.DETECT]


def test_a_stage_with_many_places_limits_less_than_one_with_a_single_place() -> None:
    work = Work.of([(TIMINGS, 1)], {Stage.DETECT: 8, Stage.EMBED: 1, Stage.DECODE: 8})

    assert work.limit is Stage.EMBED


def test_no_work_has_no_limit() -> None:
    assert Work().limit is None
    assert Work().advice is None
    assert Work().share(Stage.EMBED) == 0
    assert Work().faces_per_run == 0


def test_every_stage_has_its_advice() -> None:
    assert set(ADVICE) == set(Stage)
