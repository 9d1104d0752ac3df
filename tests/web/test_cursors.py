"""Lists are read in pages, each exactly once, and a cursor works for its own list only."""

import pytest

from core.services import Services
from web.app import create_app


@pytest.fixture
def team(client) -> str:
    made: str = client.collection()["id"]
    for number in range(5):
        client.name(made, f"Person {number}")
    return made


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6, 500])
def test_every_item_comes_exactly_once(client, team: str, limit: int) -> None:
    names, cursor = [], None
    for _ in range(10):
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"/v1/collections/{team}/people", query_string=query).json
        assert len(page["items"]) <= limit
        names += [person["name"] for person in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert names == [f"Person {number}" for number in range(5)]


def test_a_page_may_change_its_size_on_the_way(client, team: str) -> None:
    path = f"/v1/collections/{team}/people"
    cursor = client.get(f"{path}?limit=2").json["next_cursor"]

    rest = client.get(path, query_string={"cursor": cursor, "limit": "3"}).json

    assert [person["name"] for person in rest["items"]] == ["Person 2", "Person 3", "Person 4"]
    assert rest["next_cursor"] is None


def test_a_cursor_works_for_its_own_list_and_filters_only(client, problem, team: str) -> None:
    path = f"/v1/collections/{team}/people"
    cursor = client.get(f"{path}?limit=2").json["next_cursor"]
    other = client.collection("other")["id"]

    for wrong, query in [
        (f"/v1/collections/{other}/people", {}),
        (f"/v1/collections/{team}/faces", {}),
        ("/v1/collections", {}),
        (path, {"name": "Person 3"}),
        (path, {"external_id": "1"}),
    ]:
        response = client.get(wrong, query_string={"cursor": cursor, **query})
        problem(response, 400, "invalid_request")


@pytest.mark.parametrize(
    "change", ["first", "last", "cut", "longer", "empty", "other", "huge", "nul"]
)
def test_a_cursor_that_was_changed_is_refused(client, problem, team: str, change: str) -> None:
    path = f"/v1/collections/{team}/people"
    cursor = client.get(f"{path}?limit=2").json["next_cursor"]
    changed = {
        "first": ("a" if cursor[0] != "a" else "b") + cursor[1:],
        # Not the very last digit: some of its bits mean nothing.
        "last": cursor[:-2] + ("a" if cursor[-2] != "a" else "b") + cursor[-1],
        "cut": cursor[:-4],
        "longer": cursor + "aaaa",
        "empty": "",
        "other": "01a20cb7-189f-74ac-9927-7f7cea50a24d",
        "huge": "x" * 3000,
        "nul": "\0",
    }[change]

    response = client.get(path, query_string={"cursor": changed})

    faults = problem(response, 400, "invalid_request")["details"]["errors"]
    assert faults[0]["field"] == "cursor"


def test_a_cursor_works_on_every_process_of_the_installation(
    services: Services, bell, client, key: str, team: str
) -> None:
    path = f"/v1/collections/{team}/people"
    cursor = client.get(f"{path}?limit=2").json["next_cursor"]
    another = create_app(services, bell).test_client()

    response = another.get(
        path, query_string={"cursor": cursor}, headers={"Authorization": f"Bearer {key}"}
    )

    assert response.json["items"][0]["name"] == "Person 2"


def test_what_was_added_meanwhile_moves_no_page(client, team: str) -> None:
    for number in range(1, 5):
        client.add(team, (number, 0))
    path = f"/v1/collections/{team}/images"
    first = client.get(f"{path}?limit=2").json

    client.add(team, (9, 0))
    second = client.get(path, query_string={"cursor": first["next_cursor"]}).json

    ids = [image["id"] for image in (*first["items"], *second["items"])]
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize("limit", ["0", "-1", "501", "1.5", "many", "", "9" * 5000])
def test_a_limit_out_of_range_is_refused(client, problem, team: str, limit: str) -> None:
    response = client.get(f"/v1/collections/{team}/people", query_string={"limit": limit})

    problem(response, 400, "invalid_request")
