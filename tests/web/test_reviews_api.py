"""The review inbox through the API: listed, decided, put off, undone."""

from typing import Any
from uuid import uuid4

import pytest

from tests.casts import Cast


@pytest.fixture
def root(inbox: Cast) -> str:
    return f"/v1/collections/{inbox.collection.id}/reviews"


def items(client, root: str, **query: Any) -> list[dict[str, Any]]:
    response = client.get(root, query_string=query)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json["items"]
    return found


def names(item: dict[str, Any]) -> set[str]:
    return {side["person"]["name"] for side in item["sides"]}


def test_questions_are_listed_the_surest_first_in_pages(client, root: str) -> None:
    everything = items(client, root)
    page = client.get(root, query_string={"limit": 2}).json
    rest = client.get(root, query_string={"limit": 2, "cursor": page["next_cursor"]}).json

    assert [each["id"] for each in page["items"] + rest["items"]] == [
        each["id"] for each in everything
    ]
    scores = [each["score"] for each in everything]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert rest["next_cursor"] is None


def test_questions_are_counted_and_filtered_by_source(client, root: str) -> None:
    counts = client.get(f"{root}/counts").json["items"]
    found = items(client, root, source="wrong-labels")

    assert [(each["source"], each["state"], each["count"]) for each in counts] == [
        ("two-names", "open", 2),
        ("wrong-labels", "open", 1),
    ]
    assert [each["kind"] for each in found] == ["somebody_else"]
    assert found[0]["question"] == "This face is called Bob. Is it Ann?"
    assert found[0]["answers"] == ["same", "different", "wrong_label", "not_a_face"]


def test_a_decision_does_what_follows_and_can_be_undone(client, root: str, inbox: Cast) -> None:
    eve = next(each for each in items(client, root) if names(each) == {"Eve", "Eva"})

    decided = client.post(f"/v1/reviews/{eve['id']}/decide", json={"decision": "same"})
    merged = client.get(f"/v1/collections/{inbox.collection.id}/people").json["items"]
    undone = client.post(f"/v1/changes/{decided.json['change_id']}/undo")

    assert decided.status_code == 200
    assert (decided.json["state"], decided.json["decision"]) == ("decided", "same")
    assert decided.json["decided_by"] == "key:tests"
    assert len({"Eve", "Eva"} & {each["name"] for each in merged}) == 1
    assert undone.status_code == 200
    back = client.get(f"/v1/collections/{inbox.collection.id}/people").json["items"]
    assert {"Eve", "Eva"} <= {each["name"] for each in back}


def test_what_is_decided_is_not_decided_again(client, problem, root: str) -> None:
    item = items(client, root)[0]
    path = f"/v1/reviews/{item['id']}/decide"
    client.post(path, json={"decision": "different"})

    problem(client.post(path, json={"decision": "same"}), 409, "wrong_state")
    problem(client.post(f"/v1/reviews/{item['id']}/later"), 409, "wrong_state")

    assert client.get(f"/v1/reviews/{item['id']}").json["decision"] == "different"


def test_a_question_about_what_was_changed_since_is_settled(
    client, problem, root: str, inbox: Cast
) -> None:
    [item] = items(client, root, source="wrong-labels")
    client.post(
        f"/v1/people/{inbox.people['Ann']}/faces",
        json={"face_ids": [item["sides"][0]["faces"][0]["id"]]},
    )

    refused = client.post(f"/v1/reviews/{item['id']}/decide", json={"decision": "same"})

    problem(refused, 409, "wrong_state")
    assert client.get(f"/v1/reviews/{item['id']}").json["state"] == "settled"


def test_a_question_that_is_put_off_waits_apart(client, root: str) -> None:
    item = items(client, root)[0]

    later = client.post(f"/v1/reviews/{item['id']}/later")

    assert (later.status_code, later.json["state"]) == (200, "later")
    assert item["id"] not in {each["id"] for each in items(client, root)}
    assert [each["id"] for each in items(client, root, state="later")] == [item["id"]]


def test_several_are_decided_at_once_each_by_itself(client, root: str, inbox: Cast) -> None:
    found = items(client, root, source="two-names")
    client.post(f"/v1/reviews/{found[0]['id']}/decide", json={"decision": "different"})
    nowhere = str(uuid4())
    ids = [found[0]["id"], nowhere, found[1]["id"], found[1]["id"]]

    answer = client.post(f"{root}/decide", json={"ids": ids, "decision": "same"})

    assert answer.status_code == 200
    assert (answer.json["decided"], answer.json["refused"]) == (1, 2)
    before, missing, done = answer.json["items"]
    assert before["refusal"] == {"code": "wrong_state", "detail": "This was decided already."}
    assert missing["refusal"]["code"] == "review_item_not_found"
    assert (done["decided"], done["refusal"]) == (True, None)
    assert client.get(f"/v1/changes/{done['change_id']}").json["kind"] == "decide"


def test_items_of_another_collection_are_not_decided(client, root: str, team: str) -> None:
    item = items(client, root)[0]

    answer = client.post(
        f"/v1/collections/{team}/reviews/decide", json={"ids": [item["id"]], "decision": "same"}
    )

    assert answer.json["items"][0]["refusal"]["code"] == "review_item_not_found"
    assert client.get(f"/v1/reviews/{item['id']}").json["state"] == "open"


def test_unknown_items_decisions_and_sources_are_problems(
    client, problem, root: str, inbox: Cast
) -> None:
    [item] = items(client, root, source="wrong-labels")
    path = f"/v1/reviews/{item['id']}/decide"

    problem(client.post(path, json={"decision": "perhaps"}), 400, "invalid_request")
    problem(client.get(root, query_string={"source": "gossip"}), 400, "invalid_request")
    problem(client.get(root, query_string={"state": "lost"}), 400, "invalid_request")
    problem(client.get(f"/v1/reviews/{uuid4()}"), 404, "review_item_not_found")
    problem(client.post(f"/v1/reviews/{uuid4()}/later"), 404, "review_item_not_found")
    problem(
        client.post(f"/v1/reviews/{uuid4()}/decide", json={"decision": "same"}),
        *(404, "review_item_not_found"),
    )
    problem(client.get(f"/v1/collections/{uuid4()}/reviews"), 404, "collection_not_found")
    problem(client.get(f"/v1/collections/{uuid4()}/reviews/counts"), 404, "collection_not_found")


def test_the_same_key_decides_once(client, root: str) -> None:
    item = items(client, root)[0]
    path = f"/v1/reviews/{item['id']}/decide"
    key = {"Idempotency-Key": "decide-1"}

    first = client.post(path, json={"decision": "same"}, headers=key)
    again = client.post(path, json={"decision": "same"}, headers=key)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json["change_id"] == first.json["change_id"]
