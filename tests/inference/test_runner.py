"""Running a network with buffers gives what running it plainly gives."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.errors import DeviceUnavailable
from core.inference import runner
from core.inference.runner import Runner, device_of
from core.inference.session import open_session
from core.settings import Device
from tests.inference.topologies import vit


def blobs(*batches: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.normal(size=(n, 3, 112, 112)).astype(np.float32) for n in batches]


@pytest.fixture(scope="module")
def pair() -> tuple[Runner, Runner]:
    """The same network, plain and with buffers."""
    session = open_session(vit(16, blocks=1), Device.CPU, 1)
    return Runner(session), Runner(session, bound=True)


def test_buffers_change_nothing_whatever_the_shape(pair: tuple[Runner, Runner]) -> None:
    plain, bound = pair
    given = blobs(1, 8, 1, 3, 8)

    found = [bound.run(each) for each in given]

    # All results at the end: none may have been written over by a later run.
    for blob, (result,) in zip(given, found, strict=True):
        np.testing.assert_array_equal(result, plain.run(blob)[0])


@pytest.mark.shared_data
def test_buffers_change_nothing_for_a_graph_that_declares_wrong_shapes(weights: Path) -> None:
    data = (weights / "det_500m.onnx").read_bytes()
    session = open_session(data, Device.CPU, 1, shapes_lie=True)
    plain, bound = Runner(session), Runner(session, bound=True)
    photos = [
        np.random.default_rng(n).normal(size=(1, 3, side, 128)).astype(np.float32)
        for n, side in enumerate((128, 64, 128))
    ]

    found = [bound.run(each) for each in photos]

    for photo, outputs in zip(photos, found, strict=True):
        for mine, other in zip(outputs, plain.run(photo), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_what_is_not_contiguous_is_taken_as_it_reads(pair: tuple[Runner, Runner]) -> None:
    plain, bound = pair
    (blob,) = blobs(2)
    turned = blob.transpose(0, 1, 3, 2)

    np.testing.assert_array_equal(bound.run(turned)[0], plain.run(np.ascontiguousarray(turned))[0])


def test_threads_do_not_disturb_each_other(pair: tuple[Runner, Runner]) -> None:
    plain, bound = pair
    given = blobs(*[1, 2, 4] * 8)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(bound.run, given))

    for blob, (result,) in zip(given, found, strict=True):
        np.testing.assert_array_equal(result, plain.run(blob)[0])


def test_a_run_that_fails_is_an_error_and_the_next_one_works(pair: tuple[Runner, Runner]) -> None:
    plain, bound = pair
    (blob,) = blobs(1)

    with pytest.raises(Exception, match=r"(?i)invalid dimensions|shape"):
        bound.run(np.zeros((1, 3, 96, 112), np.float32))

    np.testing.assert_array_equal(bound.run(blob)[0], plain.run(blob)[0])


def test_a_run_that_fails_on_a_gpu_is_the_gpus_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shapes are fixed, and memory or a driver may be gone: that must count for no photo."""
    bound = Runner(open_session(vit(8, blocks=1), Device.CPU, 1), bound=True)
    monkeypatch.setattr(bound, "device", Device.CUDA)

    with pytest.raises(DeviceUnavailable, match=r"device cuda failed in a run: .*(?i:dimension)"):
        bound.run(np.zeros((1, 3, 96, 112), np.float32))


def test_buffers_of_many_shapes_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MOST_SHAPES", 2)
    bound = Runner(open_session(vit(8, blocks=1), Device.CPU, 1), bound=True)

    for blob in blobs(1, 2, 3, 2):
        bound.run(blob)

    assert [shape[0] for shape in bound._buffers] == [3, 2]


def test_the_cpu_needs_neither_buffers_nor_fixed_shapes(pair: tuple[Runner, Runner]) -> None:
    plain, _ = pair

    assert (plain.device, plain.fixed_shapes, plain._bound) == (Device.CPU, False, False)


def test_a_session_says_where_it_computes() -> None:
    assert device_of(open_session(vit(8, blocks=1), Device.CPU, 1)) is Device.CPU
