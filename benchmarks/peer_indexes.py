"""One library's nearest neighbours on a gallery of ours; started by `benchmarks.search_peers`.

    VENV/bin/python -m benchmarks.peer_indexes PEER FOLDER

Knows nothing of facesearch but its files: FOLDER holds vectors.npy, queries.npy and nearest.npy, as
`benchmarks.gallery` writes them. The graphs are built on all cores, with 16 links and 128 candidates
like ours; what was built is printed as a JSON object. Then each line "WIDTH QUERIES" of the input asks
so many queries one after the other, on one thread, and is answered by another: recall@10, queries a
second and compared vectors.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

Vectors: TypeAlias = Any
"""float32, shape ``(n, 512)``. Peers come without types, so nothing here has any."""

K = 10
LINKS = 16
CANDIDATES = 128
MOST_SECONDS = 15.0
"""For one line of the input; slow peers answer fewer queries."""


@dataclass(frozen=True)
class Peer:
    """A built index.

    Attributes:
        search: Takes a vector and a width, returns rows; without a graph the width says nothing.
        exact: It compares every vector.
        compared: Returns how many vectors the searches since the last call compared, None where
            nobody counts.
    """

    version: str
    search: Callable[[Vectors, int], Sequence[int]]
    bytes: int
    exact: bool = False
    compared: Callable[[], int] | None = None


def faiss_index(vectors: Vectors, kind: str) -> Peer:
    """Build one of FAISS's indexes."""
    faiss = import_module("faiss")
    dimension, ip = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    fp16 = faiss.ScalarQuantizer.QT_fp16
    index = {
        "hnsw": lambda: faiss.IndexHNSWFlat(dimension, LINKS, ip),
        "hnsw-fp16": lambda: faiss.IndexHNSWSQ(dimension, fp16, LINKS, ip),
        "flat": lambda: faiss.IndexFlatIP(dimension),
        "flat-fp16": lambda: faiss.IndexScalarQuantizer(dimension, fp16, ip),
    }[kind]()
    graph = kind.startswith("hnsw")
    if graph:
        index.hnsw.efConstruction = CANDIDATES
    if not index.is_trained:
        index.train(vectors[:10_000])
    for start in range(0, len(vectors), 50_000):
        index.add(np.ascontiguousarray(vectors[start : start + 50_000]))
    faiss.omp_set_num_threads(1)

    def search(query: Vectors, width: int) -> Sequence[int]:
        if graph:
            index.hnsw.efSearch = width
        rows: Sequence[int] = index.search(query[None], K)[1][0]
        return rows

    def compared() -> int:
        count: int = faiss.cvar.hnsw_stats.ndis
        faiss.cvar.hnsw_stats.reset()
        return count

    return Peer(
        f"FAISS {faiss.__version__}",
        search,
        len(faiss.serialize_index(index)),
        not graph,
        compared if graph else None,
    )


def hnswlib_index(vectors: Vectors) -> Peer:
    """Build hnswlib's graph."""
    hnswlib = import_module("hnswlib")
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=LINKS, ef_construction=CANDIDATES)
    for start in range(0, len(vectors), 50_000):
        part = vectors[start : start + 50_000]
        index.add_items(part, np.arange(start, start + len(part)))

    def search(query: Vectors, width: int) -> Sequence[int]:
        index.set_ef(width)
        rows: Sequence[int] = index.knn_query(query, k=K, num_threads=1)[0][0]
        return rows

    return Peer(f"hnswlib {version('hnswlib')}", search, index.index_file_size())


def usearch_index(vectors: Vectors) -> Peer:
    """Build usearch's graph of half-precision vectors."""
    index = import_module("usearch.index").Index(
        ndim=vectors.shape[1], metric="cos", dtype="f16", connectivity=LINKS,
        expansion_add=CANDIDATES, expansion_search=CANDIDATES,
    )  # fmt: skip
    for start in range(0, len(vectors), 50_000):
        part = np.ascontiguousarray(vectors[start : start + 50_000])
        index.add(np.arange(start, start + len(part)), part, threads=os.cpu_count())
    counted = [0]

    def search(query: Vectors, width: int) -> Sequence[int]:
        index.expansion_search = width
        found = index.search(query, K, threads=1)
        counted[0] += found.computed_distances
        rows: Sequence[int] = found.keys
        return rows

    def compared() -> int:
        count, counted[0] = counted[0], 0
        return count

    return Peer(f"usearch {version('usearch')}", search, index.serialized_length, compared=compared)


def milvus_lite(vectors: Vectors) -> Peer:
    """Fill Milvus Lite, which is FAISS and Parquet behind a socket."""
    pymilvus = import_module("pymilvus")
    folder = tempfile.mkdtemp(prefix="milvus-")
    client = pymilvus.MilvusClient(f"{folder}/lite.db")
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", pymilvus.DataType.INT64, is_primary=True)
    schema.add_field("vector", pymilvus.DataType.FLOAT_VECTOR, dim=vectors.shape[1])
    index = client.prepare_index_params()
    index.add_index(
        "vector", index_type="HNSW", metric_type="IP",
        params={"M": LINKS, "efConstruction": CANDIDATES},
    )  # fmt: skip
    client.create_collection("faces", schema=schema, index_params=index)
    for start in range(0, len(vectors), 2_000):
        part = vectors[start : start + 2_000]
        rows = [{"id": start + row, "vector": vector} for row, vector in enumerate(part)]
        client.insert("faces", rows)
    client.flush("faces")
    client.load_collection("faces")

    def search(query: Vectors, width: int) -> Sequence[int]:
        found = client.search(
            "faces", [query.tolist()], limit=K, search_params={"params": {"ef": width}}
        )
        return [hit["id"] for hit in found[0]]

    return Peer(f"Milvus Lite {version('milvus-lite')}", search, size_of(Path(folder)))


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def qdrant_local(vectors: Vectors) -> Peer:
    """Fill the local mode of Qdrant's client, which is numpy and compares everything."""
    qdrant = import_module("qdrant_client")
    models = qdrant.models
    client = qdrant.QdrantClient(":memory:")
    like = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    client.create_collection("faces", vectors_config=like)
    client.upload_collection("faces", vectors=vectors, ids=range(len(vectors)))

    def search(query: Vectors, width: int) -> Sequence[int]:
        return [point.id for point in client.query_points("faces", query=query, limit=K).points]

    return Peer(
        f"qdrant-client {version('qdrant-client')}, local mode", search, vectors.nbytes, exact=True
    )


PEERS: dict[str, Callable[[Vectors], Peer]] = {
    "faiss-hnsw": lambda vectors: faiss_index(vectors, "hnsw"),
    "faiss-hnsw-fp16": lambda vectors: faiss_index(vectors, "hnsw-fp16"),
    "faiss-flat": lambda vectors: faiss_index(vectors, "flat"),
    "faiss-flat-fp16": lambda vectors: faiss_index(vectors, "flat-fp16"),
    "hnswlib": hnswlib_index,
    "usearch": usearch_index,
    "milvus-lite": milvus_lite,
    "qdrant-local": qdrant_local,
}


def measure(
    peer: Peer, asked: Vectors, true: Vectors, width: int, size: int
) -> dict[str, float | None]:
    """Ask one query after the other."""
    peer.search(asked[0], width)
    if peer.compared:
        peer.compared()
    found = []
    begin = perf_counter()
    for query in asked:
        found.append(peer.search(query, width))
        if perf_counter() - begin > MOST_SECONDS:
            break
    seconds = perf_counter() - begin
    shares = [len({*map(int, rows)} & {*map(int, best[:K])}) / K
              for rows, best in zip(found, true, strict=False)]  # fmt: skip
    counted = peer.compared() / len(found) if peer.compared else None
    return {
        "width": width,
        "recall": float(np.mean(shares)),
        "qps": len(found) / seconds,
        "compared": size if peer.exact else counted,
    }


def main() -> None:
    """Build, then measure whatever is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    vectors = np.load(given.folder / "vectors.npy")
    begin = perf_counter()
    peer = PEERS[given.peer](vectors)
    built = {"version": peer.version, "bytes": peer.bytes, "build_s": perf_counter() - begin}
    print(json.dumps(built), flush=True)
    size = len(vectors)
    del vectors
    asked, true = np.load(given.folder / "queries.npy"), np.load(given.folder / "nearest.npy")
    for line in sys.stdin:
        width, queries = map(int, line.split())
        row = measure(peer, asked[:queries], true[:queries], width, size)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
