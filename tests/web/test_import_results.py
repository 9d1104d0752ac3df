"""What became of the items of an import: in pages, as NDJSON and as CSV."""

import csv
import io
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from core.errors import ImportNotFound
from core.services import Services
from web.api import import_results

FIELDS = ["position", "key", "state", "reason", "detail", "image_id", "attempts", "faces"]


@pytest.fixture
def imported(client, team: str, picture) -> Callable[..., dict[str, Any]]:
    """Send photos in a form and return the import."""

    def send(**photos: bytes) -> dict[str, Any]:
        files = [(BytesIO(data), name) for name, data in photos.items()]
        response = client.post(f"/v1/collections/{team}/imports", data={"photos": files})
        assert response.status_code == 202, response.text
        made: dict[str, Any] = response.json
        return made

    return send


@pytest.fixture
def mixed(imported, picture) -> dict[str, Any]:
    """An import of which every item ends otherwise."""
    two, none = picture((10, 0), (20, 0)), picture((0, 0))
    made: dict[str, Any] = imported(two=two, again=two, none=none, bad=b"no photo")
    return made


def rows_of(made: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        ("two", "indexed", None, 2),
        ("again", "skipped", "duplicate_image", None),
        ("none", "indexed", "no_face_found", 0),
        ("bad", "rejected", "unsupported_format", None),
    ]


def told(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(item["key"], item["state"], item["reason"], item["faces"]) for item in items]


def test_every_item_has_its_end(client, mixed) -> None:
    items = client.get(mixed["urls"]["results"]).json["items"]

    assert told(items) == rows_of(mixed)
    assert [item["position"] for item in items] == [0, 1, 2, 3]
    assert items[0]["image_id"] == items[1]["image_id"]
    assert (items[0]["attempts"], items[3]["attempts"], items[3]["image_id"]) == (1, 0, None)
    assert items[3]["detail"]


def test_results_come_in_pages(client, mixed) -> None:
    path = f"{mixed['urls']['results']}?limit=3"
    first = client.get(path).json

    second = client.get(f"{path}&cursor={first['next_cursor']}").json

    assert told(first["items"] + second["items"]) == rows_of(mixed)
    assert (len(first["items"]), second["next_cursor"]) == (3, None)


@pytest.mark.parametrize("name", ["state", "status"])
def test_results_in_one_state(client, problem, mixed, name: str) -> None:
    path = mixed["urls"]["results"]

    assert [i["key"] for i in client.get(f"{path}?{name}=indexed").json["items"]] == ["two", "none"]
    assert [i["key"] for i in client.get(f"{path}?{name}=skipped").json["items"]] == ["again"]
    csv_ = client.get(f"{path}?{name}=rejected&format=csv").text
    assert [row["key"] for row in csv.DictReader(io.StringIO(csv_))] == ["bad"]
    problem(client.get(f"{path}?{name}=lost"), 400, "invalid_request")
    problem(client.get(f"{path}?state=indexed&status=dead"), 400, "invalid_request")


@pytest.mark.parametrize(
    "asked",
    [{"query_string": "format=ndjson"}, {"headers": {"Accept": "application/x-ndjson"}}],
)
def test_all_results_as_ndjson(client, mixed, asked) -> None:
    path = mixed["urls"]["results"]

    response = client.get(path, **asked)

    assert response.mimetype == "application/x-ndjson"
    assert f"import-{mixed['id']}.ndjson" in response.headers["Content-Disposition"]
    items = [json.loads(line) for line in response.text.splitlines()]
    assert items == client.get(path).json["items"]


@pytest.mark.parametrize(
    "asked", [{"query_string": "format=csv"}, {"headers": {"Accept": "text/csv, */*;q=0.1"}}]
)
def test_all_results_as_csv(client, mixed, asked) -> None:
    response = client.get(mixed["urls"]["results"], **asked)

    assert response.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(response.text)))
    assert rows[0] == FIELDS
    assert [(row[1], row[2], row[3] or None, row[7]) for row in rows[1:]] == [
        (key, state, reason, "" if faces is None else str(faces))
        for key, state, reason, faces in rows_of(mixed)
    ]


def test_json_is_what_others_get(client, mixed) -> None:
    path = mixed["urls"]["results"]
    for accept in ("*/*", "application/json", "text/html"):
        assert client.get(path, headers={"Accept": accept}).mimetype == "application/json"
    assert client.get(f"{path}?format=json", headers={"Accept": "text/csv"}).json["items"]


def test_a_file_has_no_pages(client, problem, mixed) -> None:
    path = mixed["urls"]["results"]

    problem(client.get(f"{path}?format=csv&limit=2"), 400, "invalid_request")
    problem(client.get(f"{path}?limit=2", headers={"Accept": "text/csv"}), 400, "invalid_request")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_a_cell_that_a_spreadsheet_would_compute_is_defused(client, imported, name: str) -> None:
    made = imported(**{name: b"no photo"})
    path = made["urls"]["results"]

    [row] = csv.DictReader(io.StringIO(client.get(f"{path}?format=csv").text))

    assert row["key"] == f"'{name}"
    assert row["position"] == "0"
    assert json.loads(client.get(f"{path}?format=ndjson").text)["key"] == name


def test_an_import_without_items_is_an_empty_file(client, team: str) -> None:
    made = client.post(f"/v1/collections/{team}/imports", json={"source": "files"}).json
    path = made["urls"]["results"]

    assert client.get(f"{path}?format=ndjson").data == b""
    assert client.get(f"{path}?format=csv").text == ",".join(FIELDS) + "\r\n"


@pytest.fixture
def many(client, team: str, services: Services) -> dict[str, Any]:
    """An import of 2,500 items."""
    made: dict[str, Any] = client.post(
        f"/v1/collections/{team}/imports", json={"source": "files"}
    ).json
    with services.pool.connection() as conn:
        conn.execute(
            "INSERT INTO items (job_id, collection_id, position, key, state, reason) "
            "SELECT %s, %s, n, 'k' || n, 'rejected', 'image_empty' FROM generate_series(0, 2499) AS n",
            [made["id"], team],
        )
    return made


@pytest.mark.parametrize("state", ["", "&state=rejected"])
def test_a_long_file_has_each_item_once(client, many, state: str) -> None:
    text = client.get(f"{many['urls']['results']}?format=ndjson{state}").text

    assert [json.loads(line)["position"] for line in text.splitlines()] == list(range(2500))


def test_a_long_file_is_written_while_it_is_sent(client, services: Services, many) -> None:
    response = client.get(f"{many['urls']['results']}?format=csv", buffered=False)
    parts = response.iter_encoded()

    assert next(parts).count(b"\r\n") == 1001
    with services.pool.connection() as conn:  # nobody holds a lock or a transaction meanwhile
        conn.execute("UPDATE items SET key = 'later' WHERE position = 2499")
    assert b"later" in b"".join(parts)


def test_a_file_that_cannot_be_whole_breaks_off(client, services: Services, many) -> None:
    response = client.get(f"{many['urls']['results']}?format=csv", buffered=False)
    parts = response.iter_encoded()
    next(parts)
    with services.pool.connection() as conn:
        conn.execute("DELETE FROM jobs WHERE id = %s", [many["id"]])

    with pytest.raises(ImportNotFound):
        list(parts)


def test_a_file_of_exactly_one_part_ends(client, many, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_results, "PART", 2500)

    assert client.get(f"{many['urls']['results']}?format=ndjson").text.count("\n") == 2500
