"""Jobs through the API."""


def test_a_job_says_how_far_it_is(client, bell, team: str, picture) -> None:
    bell.workers = False
    uploaded = client.upload(team, picture((10, 0)), b"no picture", picture((0, 0))).json
    path = uploaded["poll"]

    waiting = client.get(path).json

    assert (waiting["state"], waiting["total"]) == ("running", 3)
    assert waiting["counts"]["waiting"] == 2
    assert waiting["reasons"] == {"unsupported_format": 1}
    assert waiting["finished_at"] is None
    assert waiting["throughput"] is None

    bell.workers = True
    bell.ingest()
    done = client.get(path).json

    assert done["state"] == "done"
    assert (done["counts"]["indexed"], done["counts"]["rejected"]) == (2, 1)
    assert done["reasons"] == {"unsupported_format": 1, "no_face_found": 1}
    assert done["finished_at"] >= done["created_at"]


def test_a_job_says_what_its_photos_cost_and_what_limits_them(client, team: str, picture) -> None:
    path = client.upload(team, picture((10, 0), (20, 0)), picture((30, 0)), b"no picture").json[
        "poll"
    ]

    cost = client.get(path).json["throughput"]

    assert (cost["photos"], cost["faces"]) == (2, 3)
    assert cost["photos_per_second"] > 0
    assert 0 <= cost["batch_fill"] <= 1
    stages = {stage["name"]: stage for stage in cost["stages"]}
    assert list(stages) == ["decode", "copies", "detect", "align", "embed", "write"]
    assert stages["embed"]["busy_s"] == 0.008
    assert sum(stage["share"] for stage in cost["stages"]) > 0.99
    assert cost["limit"] in stages
    assert cost["advice"]


def test_a_job_that_nobody_began_waits(client, bell, team: str, picture) -> None:
    bell.workers = False

    path = client.upload(team, picture((10, 0))).json["poll"]

    assert client.get(path).json["state"] == "waiting"


def test_the_items_of_a_job_keep_the_order_of_the_sender(client, team: str, picture) -> None:
    uploaded = client.upload(team, picture((10, 0)), b"no picture", picture((20, 0)), b"x").json
    path = client.get(uploaded["poll"]).json["items_url"]

    items = client.get(path).json["items"]

    assert [item["key"] for item in items] == ["0.png", "1.png", "2.png", "3.png"]
    assert [item["state"] for item in items] == ["indexed", "rejected", "indexed", "rejected"]
    assert items[0]["attempts"] == 1
    rejected = client.get(f"{path}?state=rejected").json["items"]
    assert [item["position"] for item in rejected] == [1, 3]
    assert all(item["detail"] for item in rejected)


def test_the_items_of_a_job_come_in_pages(client, team: str, picture) -> None:
    photos = [picture((n, 0)) for n in range(10, 15)]
    path = client.upload(team, *photos).json["poll"] + "/items"

    pages, cursor = [], None
    while not pages or cursor:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = client.get(path, query_string=query).json
        pages.append([item["position"] for item in page["items"]])
        cursor = page["next_cursor"]

    assert pages == [[0, 1], [2, 3], [4]]


def test_a_state_that_is_none_is_refused(client, problem, team: str, picture) -> None:
    path = client.upload(team, picture((10, 0))).json["poll"] + "/items"

    problem(client.get(f"{path}?state=lost"), 400, "invalid_request")
