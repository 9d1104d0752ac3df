"""Every parameter and member of every operation gets every value that has ever broken a server.

What is tried comes from the document, so a new operation is tried without a new line here.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest

Document = dict[str, Any]

TEXTS = [
    "", " ", "\0", "a\0b", "0", "-1", "1e999", "NaN", "inf", "9" * 5000, "null", "[]", "{}", "true",
    "x" * 10_000, "' OR 1=1 --", "%s %(id)s {0}", "../../etc/passwd", "<script>", "\u202e\ufeff",
    "\ud7ff\U0010ffff", "01a20cb7-189f-74ac-9927-7f7cea50a24d", "0,1", "all", "a\r\nX: y",
]  # fmt: skip
JSON_VALUES = [
    None, True, 0, -1, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, -1e-308, "", " ", "text", "a\0b",
    "\U0001f600" * 300, [], [[]], [None], ["x"], [0.5] * 128, {}, {"a": None}, {"\0": 1},
    {"a": "\0"}, {"face_id": "x"}, [str(uuid4())], str(uuid4()),
]  # fmt: skip


@pytest.fixture
def document(client) -> Document:
    found: Document = client.get("/openapi.json").json
    return found


@pytest.fixture
def ids(client) -> dict[str, str]:
    """One of everything."""
    team = client.collection()["id"]
    uploaded = client.upload(team, b"no picture", b"no picture either").json
    image = client.add(team, (10, 0))
    face_id = image["faces"][0]["id"]
    person_id = client.name(team, "Ada", face_id)["id"]
    imported = client.post(f"/v1/collections/{team}/imports", json={"source": "files"}).json
    [change] = client.get(f"/v1/collections/{team}/changes").json["items"]
    [report] = client.post(f"/v1/collections/{team}/reports", json={"names": ["health"]}).json[
        "items"
    ]
    return {
        "collection_id": team,
        "job_id": uploaded["job_id"],
        "image_id": image["id"],
        "face_id": face_id,
        "person_id": person_id,
        "import_id": imported["id"],
        "change_id": change["id"],
        "report_id": report["id"],
        "item_id": str(uuid4()),
        "name": "a.jpg",
    }


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(document: Document, schema: Document) -> Document:
    if "$ref" not in schema:
        return schema
    found: Document = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def address(path: str, method: str, ids: dict[str, str]) -> str:
    """Fill in real ids, but let nothing be deleted that the next call needs."""
    given = ids if method != "DELETE" else dict.fromkeys(ids, str(uuid4()))
    return path.format(**given)


def test_a_hostile_parameter_is_refused_or_finds_nothing(
    client, document: Document, ids: dict[str, str]
) -> None:
    tried = 0
    for method, path, operation in operations(document):
        if method not in ("GET", "DELETE"):
            continue
        for parameter in operation["parameters"]:
            if parameter["in"] == "query":
                for text in TEXTS:
                    query = {parameter["name"]: text}
                    response = client.request(
                        method, address(path, method, ids), query_string=query
                    )
                    where = (method, path, query, response.text[:300])
                    assert response.status_code < 500, where
                    assert str(response.status_code) in operation["responses"], where
                    tried += 1
    assert tried > 500


def test_a_hostile_member_of_a_body_is_refused_or_stored_as_it_is(
    client, document: Document, ids: dict[str, str]
) -> None:
    tried = 0
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            continue
        schema = resolved(document, content["application/json"]["schema"])
        usual = {
            "name": "team", "face_ids": [ids["face_id"]], "query": {"face_id": ids["face_id"]},
            "action": "rebuild", "source": "files", "person_ids": [ids["person_id"]],
            "ids": [ids["item_id"]], "decision": "same",
        }  # fmt: skip
        good = {name: usual[name] for name in schema.get("required", [])}
        for member in schema["properties"]:
            for value in JSON_VALUES:
                response = client.request(
                    method, address(path, method, ids), json={**good, member: value}
                )
                where = (method, path, member, str(value)[:60], response.text[:300])
                assert response.status_code < 500, where
                assert str(response.status_code) in operation["responses"], where
                tried += 1
    assert tried > 300


def test_a_hostile_field_of_a_form_is_refused_or_stored_as_it_is(
    client, document: Document, ids: dict[str, str], picture
) -> None:
    tried = 0
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "multipart/form-data" not in content:
            continue
        schema = resolved(document, content["multipart/form-data"]["schema"])
        photo = "photo" if "photo" in schema["properties"] else "photos"
        for name in schema["properties"]:
            for text in TEXTS:
                if len(text) > 1000:
                    continue
                data = {photo: (BytesIO(picture((10, 9))), "a.png"), name: text}
                response = client.request(method, address(path, method, ids), data=data)
                where = (method, path, name, text, response.text[:300])
                assert response.status_code < 500, where
                assert str(response.status_code) in operation["responses"], where
                tried += 1
    assert tried > 150
