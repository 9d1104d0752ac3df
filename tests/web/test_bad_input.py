"""Requests that nobody should send: each gets a clear answer, and none brings anything down."""

import json

import pytest

DEEP = 100_000
BODIES = {
    "empty": b"",
    "not json": b"{name: team}",
    "cut off": b'{"name": "te',
    "array": b"[]",
    "text": b'"team"',
    "null": b"null",
    "number": b"7",
    "two": b'{"name": "a"} {"name": "b"}',
    "latin 1": b'{"name": "Zo\xeb"}',
    "utf-16": '{"name": "team"}'.encode("utf-16"),
    "a lone surrogate": b'{"name": "\\ud800"}',
    "a NUL": b'{"name": "a\\u0000b"}',
    "a bare NUL": b'{"name": "a\0b"}',
    "deep lists": b'{"name": "team", "metadata": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "unclosed": b"[" * DEEP,
    "NaN": b'{"name": "team", "threshold": NaN}',
    "Infinity": b'{"name": "team", "threshold": Infinity}',
    "a huge number": b'{"name": "team", "threshold": 1e999}',
    "a long number": b'{"name": "team", "threshold": ' + b"9" * 10_000 + b"}",
    "a number as text": b'{"name": "team", "threshold": "0.5"}',
    "a number out of range": b'{"name": "team", "threshold": 1.01}',
    "no name": b"{}",
    "blank name": b'{"name": "  "}',
    "long name": json.dumps({"name": "x" * 201}).encode(),
    "null name": b'{"name": null}',
    "name is a list": b'{"name": ["team"]}',
    "unknown member": b'{"name": "team", "colour": "red"}',
    "metadata is a list": b'{"name": "team", "metadata": []}',
    "metadata with NaN": b'{"name": "team", "metadata": {"a": NaN}}',
    "metadata with a NUL": b'{"name": "team", "metadata": {"a": "\\u0000"}}',
    "metadata with a NUL key": b'{"name": "team", "metadata": {"\\u0000": 1}}',
    "metadata with a deep NUL": b'{"name": "team", "metadata": {"a": [[{"b": "\\u0000"}]]}}',
    "metadata with a surrogate": b'{"name": "team", "metadata": {"a": "\\udfff"}}',
    "metadata with a long number": b'{"name": "team", "metadata": {"a": ' + b"9" * 5000 + b"}}",
    "large metadata": json.dumps({"name": "team", "metadata": {"a": "x" * 66_000}}).encode(),
    "long external id": json.dumps({"name": "team", "external_id": "x" * 201}).encode(),
    "empty external id": b'{"name": "team", "external_id": ""}',
    "pack is a path": json.dumps({"name": "team", "pack": "../" * 30}).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_makes_no_sense_is_refused_and_changes_nothing(
    client, problem, body: bytes
) -> None:
    response = client.post("/v1/collections", data=body, content_type="application/json")

    document = problem(response, 400, "invalid_request")
    assert document["details"]["errors"][0]["message"]
    assert len(response.data) < 2000
    assert client.get("/v1/collections").json["items"] == []


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "text/json", "application/x-www-form-urlencoded"]
)
def test_json_must_call_itself_json(client, problem, content_type: str | None) -> None:
    response = client.post("/v1/collections", data=b'{"name": "team"}', content_type=content_type)

    problem(response, 415, "unsupported_media_type")


def test_json_may_name_its_encoding(client) -> None:
    response = client.post(
        "/v1/collections",
        data=b'{"name": "team"}',
        content_type="application/json; charset=utf-8",
    )

    assert response.status_code == 201


def test_a_json_body_may_be_a_mebibyte_and_no_more(client, problem) -> None:
    body = b'{"name": "team"' + b" " * 2**20 + b"}"

    response = client.post("/v1/collections", data=body, content_type="application/json")

    assert problem(response, 413, "request_too_large")["details"] == {"max_bytes": 2**20}


def test_metadata_comes_back_as_it_was_sent(client) -> None:
    metadata = {
        "text": 'Zoë 日本 \U0001f600 " \\ / \t',
        "numbers": [0, -1, 1.5, 1e-300, 10**30],
        "nested": {"a": {"b": [None, True, False, [], {}]}},
        "": "empty key",
    }

    assert client.collection(metadata=metadata)["metadata"] == metadata


@pytest.mark.parametrize(
    "query",
    [
        "external_id=%00",
        "external_id=a%00b",
        "external_id=",
        "limit=1e3",
        "limit=%00",
        "limit=٣٣٣",
        "unknown=1",
        "external_id=" + "x" * 201,
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(client, problem, query: str) -> None:
    problem(client.get(f"/v1/collections?{query}"), 400, "invalid_request")


@pytest.mark.parametrize(
    "query", ["external_id=%ff", "external_id=%ed%a0%80", "external_id=%F0%9F"]
)
def test_bytes_that_are_no_text_find_nothing(client, query: str) -> None:
    response = client.get(f"/v1/collections?{query}")

    assert (response.status_code, response.json["items"]) == (200, [])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/collections/..%2f..%2fetc%2fpasswd",
        "/v1/collections/%00",
        "/v1/collections/01A20CB7189F74AC99277F7CEA50A24D",
        "/v1/collections/" + "x" * 5000,
        "/v1/images/1/original",
        "/v1//collections",
        "/v1",
        "/v1/",
    ],
)
def test_an_address_that_makes_no_sense_is_not_found(client, path: str) -> None:
    response = client.get(path)

    if response.status_code != 308:  # two slashes become one
        assert response.status_code == 404
        assert response.mimetype == "application/problem+json"


def test_no_answer_repeats_what_was_sent_as_html(client) -> None:
    for path in ("/v1/<script>", "/nothing/<script>alert(1)</script>"):
        response = client.get(path)

        assert response.status_code == 404
        assert response.mimetype != "text/html" or "<script>alert" not in response.text
