"""Queries of reviews.sql whose plans matter."""

from typing import Any

import pytest

from core.db import reviews
from core.db.pool import Connection


@pytest.mark.parametrize("state", ["open", "decided"])
def test_a_page_of_a_large_inbox_is_read_in_order_from_the_index(
    conn: Connection, make: Any, state: str
) -> None:
    home = make.collection()
    conn.execute(
        "INSERT INTO review_items (collection_id, source, key, kind, score, sides, state, decision)"
        " SELECT %s, 'arrival', n::text, 'suggested', random(), '[]', 'decided', 'same'"
        "   FROM generate_series(1, 5000) AS n",
        [home],
    )
    conn.execute("ANALYZE review_items")
    params = {
        "collection_id": home,
        "state": state,
        "source": None,
        "after_score": 0.5,
        "after_id": home,
        "limit": 50,
    }

    plan = "\n".join(row[0] for row in conn.execute(f"EXPLAIN {reviews.SQL['page']}", params))

    assert "using review_items_in_order" in plan
    assert "Sort" not in plan
