"""SCRFD on real weights, against what the reference implementation finds."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from core.errors import ModelError
from core.faces import Pixels
from core.inference import boxes
from core.inference.graphs import batched_scrfd
from core.inference.packs import ScrfdSpec
from core.inference.scrfd import Scrfd
from core.inference.session import open_session
from core.settings import Device

pytestmark = pytest.mark.shared_data

Photo = Callable[[str], Pixels]

# What insightface 2.1 finds in t1.jpg with these weights at 640 x 640
# (benchmarks/peer_insightface.py compares everything; the landmarks are of the first face).
PEER_BOXES = {
    "det_500m.onnx": [
        (745.332, 342.197, 847.276, 480.128),
        (463.502, 266.486, 572.723, 415.430),
        (55.597, 260.834, 168.555, 397.949),
        (906.038, 59.477, 1011.103, 206.277),
        (1130.301, 272.819, 1227.261, 400.621),
        (270.029, 144.916, 371.905, 270.280),
    ],
    "det_2.5g.onnx": [
        (745.815, 339.186, 845.652, 480.635),
        (465.389, 265.369, 573.375, 416.111),
        (58.547, 262.946, 168.830, 395.558),
        (1131.392, 271.122, 1225.685, 398.856),
        (904.848, 54.155, 1013.210, 204.180),
        (269.042, 147.258, 371.160, 265.099),
    ],
}
PEER_LANDMARKS = {
    "det_500m.onnx": [
        (761.089, 400.093), (803.824, 399.771), (774.585, 428.968),
        (767.156, 444.450), (804.994, 443.540),
    ],
    "det_2.5g.onnx": [
        (760.168, 395.723), (801.919, 401.127), (770.845, 430.721),
        (763.378, 437.664), (805.557, 441.842),
    ],
}  # fmt: skip


def square(image: Pixels) -> Pixels:
    """Fill a photo up to what the reference fills its input up to."""
    return boxes.padded(image, *(max(image.shape[:2]),) * 2)


def load(weights: Path, name: str) -> Scrfd:
    session = open_session((weights / name).read_bytes(), Device.CPU, 2, shapes_lie=True)
    return Scrfd(session, ScrfdSpec("scrfd", name))


@pytest.fixture(scope="module")
def detector(weights: Path) -> Scrfd:
    return load(weights, "det_500m.onnx")


@pytest.mark.parametrize("name", PEER_BOXES)
def test_boxes_and_landmarks_are_those_of_the_reference(
    weights: Path, photo: Photo, name: str
) -> None:
    faces = load(weights, name).detect_at(square(photo("scenes/insightface_t1.jpg")), [640])

    assert np.array([face.box for face in faces]) == pytest.approx(
        np.array(PEER_BOXES[name]), abs=0.01
    )
    assert faces[0].landmarks == pytest.approx(np.array(PEER_LANDMARKS[name]), abs=0.01)


def test_six_people_are_found_best_first(detector: Scrfd, photo: Photo) -> None:
    (faces,) = detector.detect([photo("scenes/insightface_t1.jpg")])

    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert scores == pytest.approx([0.879, 0.873, 0.872, 0.865, 0.859, 0.823], abs=2e-3)


def test_each_photo_gets_its_own_faces(detector: Scrfd, photo: Photo) -> None:
    names = [
        "scenes/insightface_t1.jpg",
        "scenes/compreface_017_0.jpg",
        "scenes/deepface_couple.jpg",
    ]

    found = detector.detect([photo(name) for name in names])

    assert [len(faces) for faces in found] == [6, 0, 2]


def test_a_face_that_fills_the_photo_is_found(detector: Scrfd, photo: Photo) -> None:
    whole = photo("scenes/insightface_t1.jpg")
    left, top, right, bottom = map(int, detector.detect([whole])[0][0].box)
    closeup = cv2.resize(whole[top:bottom, left:right], None, fx=10, fy=10)

    (faces,) = detector.detect([closeup])

    assert detector.detect_at(closeup, [640]) == []
    assert len(faces) == 1
    assert faces[0].area > closeup.shape[0] * closeup.shape[1] / 2


def test_small_photos_are_enlarged_a_little(detector: Scrfd, photo: Photo) -> None:
    small = cv2.resize(photo("scenes/insightface_t1.jpg"), (250, 173), interpolation=cv2.INTER_AREA)

    (faces,) = detector.detect([small])

    expected = detector.detect_at(small, [128, 320])
    assert [face.box for face in faces] == [face.box for face in expected]
    assert len(faces) >= 5


def test_what_a_fitted_input_leaves_out_holds_no_face(detector: Scrfd, photo: Photo) -> None:
    names = ["insightface_t1", "compreface_012_4", "office4", "deepface_couple"]
    for name in names:
        image = photo(f"scenes/{name}.jpg")

        fitted = detector.detect_at(image, [640])

        whole = detector.detect_at(square(image), [640])
        assert len(fitted) == len(whole)
        for one in fitted:
            best = min(np.abs(one.landmarks - other.landmarks).max() for other in whole)
            assert best < 0.06 * one.shorter_side


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (4000, 3), (1, 700), (31, 33), (640, 640)])
def test_every_size_is_taken(detector: Scrfd, shape: tuple[int, int]) -> None:
    assert detector.detect([np.zeros((*shape, 3), np.uint8)]) == [[]]


def test_no_photos_are_no_faces(detector: Scrfd) -> None:
    assert detector.detect([]) == []


@pytest.mark.parametrize("name", PEER_BOXES)
def test_photos_of_a_batch_get_what_they_get_alone(weights: Path, photo: Photo, name: str) -> None:
    alone = load(weights, name)
    graph = batched_scrfd((weights / name).read_bytes())
    session = open_session(graph, Device.CPU, 2, shapes_lie=True)
    batched = Scrfd(session, ScrfdSpec("scrfd", name))
    portraits = [
        photo(f"lfw/{person}/{person}_0001.jpg")
        for person in (
            "Aaron_Eckhart",
            "Abdullah_Gul",
            "Al_Gore",
            "Al_Pacino",
            "Ai_Sugiyama",
        )
    ]
    images = [*portraits, photo("scenes/insightface_t1.jpg"), photo("scenes/compreface_017_0.jpg")]

    found = batched.detect(images)

    for image, faces in zip(images, found, strict=True):
        (expected,) = alone.detect([image])
        assert [face.box for face in faces] == [face.box for face in expected]
        assert [face.score for face in faces] == [face.score for face in expected]
        assert all((a.landmarks == b.landmarks).all() for a, b in zip(faces, expected, strict=True))
    assert [len(faces) for faces in found][-2:] == [6, 0]


def test_a_batch_is_what_really_runs(weights: Path) -> None:
    session = open_session(
        batched_scrfd((weights / "det_500m.onnx").read_bytes()), Device.CPU, 1, shapes_lie=True
    )

    outputs = session.run(None, {"input.1": np.zeros((3, 3, 64, 32), np.float32)})

    assert [output.shape for output in outputs] == [
        (3, anchors, numbers) for numbers in (1, 4, 10) for anchors in (64, 16, 4)
    ]


def test_a_graph_whose_heads_are_unknown_stays_as_it_is(weights: Path) -> None:
    data = (weights / "mobilefacenet_ms1m_512.onnx").read_bytes()

    assert batched_scrfd(data) == data


def test_names_and_order_of_the_outputs_do_not_matter(
    weights: Path, detector: Scrfd, photo: Photo
) -> None:
    model = onnx.load(weights / "det_500m.onnx")
    shuffled = list(model.graph.output)[::-1]
    del model.graph.output[:]
    model.graph.output.extend(shuffled)
    session = open_session(model.SerializeToString(), Device.CPU, 2, shapes_lie=True)
    image = photo("scenes/insightface_t1.jpg")

    found = Scrfd(session, ScrfdSpec("scrfd", "x.onnx")).detect_at(image, [640])

    expected = detector.detect_at(image, [640])
    assert [face.box for face in found] == [face.box for face in expected]


def test_a_graph_that_is_no_scrfd_is_refused(weights: Path) -> None:
    data = (weights / "mobilefacenet_ms1m_512.onnx").read_bytes()
    session = open_session(data, Device.CPU, 1)

    with pytest.raises(ModelError, match="not an SCRFD with five points"):
        Scrfd(session, ScrfdSpec("scrfd", "x.onnx"))


def test_a_graph_of_one_size_is_refused(weights: Path) -> None:
    model = onnx.load(weights / "det_500m.onnx")
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = 640
    session = open_session(model.SerializeToString(), Device.CPU, 1, shapes_lie=True)

    with pytest.raises(ModelError, match="only one input size"):
        Scrfd(session, ScrfdSpec("scrfd", "x.onnx"))
