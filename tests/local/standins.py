"""``facesearch`` whose worker, beat and web are tiny programs: what is tested is who runs them.

The real ones take seconds to load and are started by test_whole_system.py.
"""

import sys

from core.local import processes
from core.local.process import Command
from core.settings import Settings
from web.cli import main

WORKER = """
import os, redis, time
from core.workers_seen import WorkerSeen, announce
client = redis.Redis.from_url(os.environ["FACESEARCH_BROKER_URL"])
if os.environ.get("FACESEARCH_TEST_WORKER") == "crashes":
    raise SystemExit("the worker's last words")
while True:
    announce(client, WorkerSeen("standin", os.getpid(), True, (), "cpu", 0))
    time.sleep(1)
"""

BEAT = "import time\nwhile True: time.sleep(1)"

WEB = """
import http.server, os

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

address = (os.environ["FACESEARCH_HOST"], int(os.environ["FACESEARCH_PORT"]))
http.server.ThreadingHTTPServer(address, Health).serve_forever()
"""


def standin(name: str, program: str, settings: Settings) -> Command:
    return Command(name, (sys.executable, "-c", program), environment=settings.environment())


processes.worker = lambda settings: standin("worker", WORKER, settings)
processes.beat = lambda settings: standin("beat", BEAT, settings)
processes.web = lambda settings: standin("web", WEB, settings)

main(prog_name="facesearch")
