"""Fixture: imports of one collection, filled, read, run and looked at."""

import csv
import io
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from core import import_files, imports, indexing
from core.db.collections import Collection
from core.db.import_items import Result
from core.db.imports import Import
from core.import_reading import read_one
from core.import_wishes import Options, Source, Wish
from core.manifests import Format
from core.offers import Upload
from core.services import Services
from core.spool import Spool

USUAL = Options()
OF_LINES = Options(format=Format.NDJSON)


def archive(photos: Mapping[str, bytes]) -> bytes:
    """Pack photos into a ZIP."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in photos.items():
            file.writestr(name, data)
    return stream.getvalue()


class Importing:
    """The way of an import, step by step."""

    def __init__(self, services: Services, doorbell: Any, home: Collection, pipeline: Any) -> None:
        self.services = services
        self.doorbell = doorbell
        self.home = home
        self.pipeline = pipeline

    def create(self, source: Source, options: Options = USUAL, **more: Any) -> Import:
        wish = Wish(source, more.pop("name", "holiday"), options, **more)
        return imports.create(self.services, self.doorbell, self.home.id, wish, actor="test")[0]

    def of_archive(
        self, photos: Mapping[str, bytes] | bytes, options: Options = USUAL, **more: Any
    ) -> Import:
        """Send an archive and start; nothing is read yet."""
        made = self.create(Source.ARCHIVE, options, **more)
        return self.send(made, photos if isinstance(photos, bytes) else archive(photos))

    def of_manifest(
        self,
        lines: Sequence[Mapping[str, Any]],
        files: Mapping[str, bytes] | None = None,
        options: Options = OF_LINES,
    ) -> Import:
        """Send a manifest with the files that it names, and start; nothing is read yet."""
        made = self.create(Source.MANIFEST, options)
        for name, data in (files or {}).items():
            import_files.put_file(self.services, made.id, name, io.BytesIO(data), coming=None)
        if options.format is Format.NDJSON:
            return self.send(made, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
        text = io.StringIO()
        writer = csv.DictWriter(text, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
        return self.send(made, text.getvalue().encode())

    def send(self, made: Import, content: bytes) -> Import:
        Spool(self.services.settings, made.id).append(io.BytesIO(content), offset=0)
        imports.start(self.services, self.doorbell, made.id)
        return self.get(made)

    def add(self, made: Import, photos: Mapping[str, bytes], **said: Any) -> list[Result]:
        """Send photos one by one, in one request."""
        uploads = [Upload(key, data, **said) for key, data in photos.items()]
        return import_files.add(self.services, self.doorbell, made.id, uploads)

    def read(self, services: Services | None = None) -> bool:
        """Read one import as far as it goes now."""
        used = services or self.services
        analysers = {self.home.space_id: self.pipeline}
        return read_one(used, analysers, self.doorbell.ingest, threading.Event())

    def index(self, batches: int = 1_000) -> None:
        """Run batches until nothing waits."""
        while batches and indexing.index_batch(self.services, {self.home.space_id: self.pipeline}):
            batches -= 1
        imports.settle(self.services)

    def run(self) -> None:
        """Read and index all there is."""
        while self.read():
            self.index()
        self.index()

    def get(self, made: Import) -> Import:
        with self.services.pool.connection() as conn:
            return imports.get(conn, made.id)

    def results(self, made: Import) -> list[Result]:
        with self.services.pool.connection() as conn:
            return imports.results(conn, made.id, limit=10_000)

    def ends(self, made: Import) -> list[tuple[str, str, str | None]]:
        """Key, state and reason of each item, in order."""
        return [(item.key, item.state, item.reason) for item in self.results(made)]

    def sql(self, query: str, *params: Any) -> Any:
        with self.services.pool.connection() as conn:
            cursor = conn.execute(query, params)
            return cursor.fetchall() if cursor.description else None

    def named(self) -> list[tuple[str, str | None, str | None]]:
        """Photo, name and external id of each face that has a person."""
        return self.sql(
            """
            SELECT images.filename, people.name, people.external_id
              FROM faces JOIN images ON images.id = faces.image_id
              JOIN people ON people.id = faces.person_id
             ORDER BY 1, 2
            """
        )

    def spool(self, made: Import) -> Path:
        return Spool(self.services.settings, made.id).folder


def image_ids(items: Sequence[Result]) -> list[UUID]:
    """Return the images of items that have one."""
    return [item.image_id for item in items if item.image_id is not None]


@pytest.fixture
def importing(
    services: Services, doorbell: Any, collection: Collection, fake_pipeline: Any
) -> Importing:
    return Importing(services, doorbell, collection, fake_pipeline)
