"""The documentation is whole and true: it and the routes come from one place."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from web import api
from web.api.openapi import SAFE_METHODS, path_of

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"

OPERATION_IDS = {
    "health", "limits", "list_packs",
    "create_collection", "list_collections", "get_collection", "change_collection",
    "delete_collection",
    "list_indexes", "get_collection_index", "work_on_collection_index",
    "list_audits",
    "upload_images", "list_images", "get_image", "change_image", "delete_image", "get_original",
    "get_thumbnail",
    "list_faces", "get_face", "change_face", "delete_face", "get_crop",
    "create_person", "list_people", "get_person", "change_person", "delete_person",
    "assign_faces", "unassign_face", "merge_people", "split_person",
    "list_changes", "get_change", "undo_change",
    "search_collection", "search_collections", "search_images",
    "get_job", "list_job_items",
    "create_import", "list_imports", "get_import", "list_import_results", "follow_import",
    "start_import", "confirm_import", "pause_import", "resume_import", "cancel_import", "retry_import",
    "delete_import",
    "create_reports", "list_reports", "get_report", "list_findings", "list_gone_findings",
    "cancel_report", "delete_report", "get_report_file",
    "list_reviews", "count_reviews", "get_review", "decide_review", "postpone_review", "decide_reviews",
    "get_content_offset", "append_content", "put_content", "get_file_size", "put_file", "add_photos",
}  # fmt: skip
"""Generated clients have functions of these names: one that goes breaks somebody's program."""


@pytest.fixture
def document(client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def served(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, re.sub(r"<\w+:(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1")
        # What can be read can be asked for with HEAD, too; that says nothing new.
        for method in (rule.methods or set())
        - ({"HEAD", "OPTIONS"} if "GET" in (rule.methods or ()) else {"OPTIONS"})
    }


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_documented_and_nothing_else(app: Flask, document: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in operations(document)} == served(app)


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        answers = operation["responses"]
        assert any(status.startswith("2") for status in answers), where
        if operation["operationId"] != "health":
            assert {"401", "500", "503"} <= set(answers), where
        if "{" in path and method != "DELETE":
            assert "404" in answers, where
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= set(answers), where
        if method not in SAFE_METHODS:
            assert "403" in answers, where


def test_every_parameter_of_a_path_is_declared(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_every_failure_is_a_problem_document_with_an_example_that_fits(
    document: dict[str, Any],
) -> None:
    schema = document["components"]["schemas"]["Problem"]
    for _, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")) and operation["operationId"] != "health":
                media = answer["content"]["application/problem+json"]
                assert media["schema"] == {"$ref": "#/components/schemas/Problem"}, path
                for example in media["examples"].values():
                    jsonschema.validate(example["value"], schema)
                    assert example["value"]["status"] == int(status)


def test_operation_ids_are_stable(document: dict[str, Any]) -> None:
    found = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(found) == len(set(found))
    assert set(found) == OPERATION_IDS


def test_what_may_be_left_out_is_not_required(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["NewCollection"]["required"] == ["name"]
    assert "required" not in schemas["CollectionChange"]
    assert "default" not in schemas["CollectionChange"]["properties"]["name"]


def test_the_reference_shows_every_operation_and_model(client, document: dict[str, Any]) -> None:
    page = client.get("/docs").text

    for _, path, operation in operations(document):
        assert f'id="{operation["operationId"]}"' in page
        assert path in page
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page


def test_the_reference_needs_no_other_site_and_no_script_of_its_own(client) -> None:
    page = client.get("/docs").text

    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    assert "<script>" not in page
    assert "style=" not in page


def test_answers_look_as_documented(client, document: dict[str, Any]) -> None:
    team = client.collection(metadata={"site": "Lyon"})
    image = client.add(team["id"], (10, 0), (20, 0))
    ada = client.name(team["id"], "Ada", image["faces"][0]["id"])
    root = f"/v1/collections/{team['id']}"
    shown = {
        "Collection": team,
        "CollectionPage": client.get("/v1/collections").json,
        "ImagePage": client.get(f"{root}/images").json,
        "ImageWithFaces": image,
        "FacePage": client.get(f"{root}/faces").json,
        "Face": client.get(f"/v1/faces/{image['faces'][0]['id']}?include=embedding").json,
        "Person": ada,
        "PersonPage": client.get(f"{root}/people").json,
        "Health": client.get("/v1/health").json,
        "Limits": client.get("/v1/limits").json,
        "PackList": client.get("/v1/packs").json,
        "SearchAnswer": client.post(
            f"{root}/search",
            json={"query": {"face_id": image["faces"][0]["id"]}, "explain": True},
        ).json,
        "TogetherAnswer": client.post(
            f"{root}/images/search", json={"all_of": [{"person_id": ada["id"]}]}
        ).json,
    }
    for name, answer in shown.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.validate(answer, schema)


def test_the_guide_lists_every_operation_and_no_other() -> None:
    rows = [line for line in GUIDE.read_text().splitlines() if re.match(r"\| `[A-Z]+ /v1", line)]

    paths = [(each, path_of(each)) for each in api.operations()]
    assert rows == [f"| `{each.method} {path}` | {each.summary}. |" for each, path in paths]
