"""Servers for tests of <tocsin-inbox>: one speaks the contract of `/v1/inbox` and `/v1/me`, one gives out a shop's page on another origin."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.browser.inbox_state import InboxService

from tocsin.dev.inbox_component import COMPONENT

TYPES: Final = {".js": "text/javascript", ".html": "text/html; charset=utf-8", ".css": "text/css"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src *; img-src *; worker-src 'self'"
)
"""The page's: the element needs no inline script or style, and gives no text to what parses markup."""
TRUSTED_TYPES: Final = "; require-trusted-types-for 'script'; trusted-types 'none'"
"""Part of it, but on a page with a service worker: it holds for the worker's address, too."""

PASSED_ON: Final = {
    "authorization", "content-type", "origin", "access-control-request-method", "access-control-request-headers",
}  # fmt: skip


class _Answers(BaseHTTPRequestHandler):
    service: InboxService
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/v1/inbox/events":
            self._stream()
        else:
            self._call()

    def _call(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        service = self.service
        if service.is_down:
            self.close_connection = True
            return
        if self._is_the_routers():
            self._pass_on(json.dumps(body).encode() if length else None)
            return
        service.asked.append((self.command, self.path, body))
        if self.headers.get("authorization", "").removeprefix("Bearer ") not in service.good_tokens:
            self._send(401, {"code": "token_expired"})
            return
        answer = service.answer(self.command, self.path, body)
        self._send(404 if answer is None else 200, answer or {"code": "not_found"})

    def do_POST(self) -> None:
        self._call()

    def do_PUT(self) -> None:
        self._call()

    def do_PATCH(self) -> None:
        self._call()

    def do_DELETE(self) -> None:
        self._call()

    def _is_the_routers(self) -> bool:
        return bool(self.service.router) and self.path.startswith("/v1/me/")

    def _pass_on(self, body: bytes | None) -> None:
        """To a real router, and its answer back, as a proxy does that leads each path to its owner."""
        address = urlsplit(self.service.router)
        connection = HTTPConnection(str(address.hostname), address.port)
        given = {name: value for name, value in self.headers.items() if name.lower() in PASSED_ON}
        connection.request(self.command, self.path, body, given)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"content-length", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_OPTIONS(self) -> None:
        if self._is_the_routers():
            self._pass_on(None)
            return
        self.send_response(204)
        self._send_origin()
        self.send_header("Access-Control-Allow-Methods", "DELETE, GET, PATCH, POST, PUT")
        self.send_header("Access-Control-Allow-Headers", "authorization, content-type, last-event-id")
        self.end_headers()

    def _stream(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        service = self.service
        if service.is_down or not service.streams_work or not service.takes_ticket(query.get("ticket", "")):
            self._send(503, {"code": "not_ready"})
            return
        after = int(self.headers.get("last-event-id") or query.get("after", "0"))
        service.opened.append(after)
        mine: queue.Queue[bytes | None] = queue.Queue()
        for item in service.items[after:]:
            mine.put(f"event: item\nid: {item['seq']}\ndata: {json.dumps(item)}\n\n".encode())
        service.streams.append(mine)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self._send_origin()
        self.end_headers()
        self.close_connection = True
        try:
            self.wfile.write(b": open\n\n")
            while (text := mine.get()) is not None:
                self.wfile.write(text)
        except OSError:
            pass  # the page is gone
        finally:
            service.streams.remove(mine)

    def _send_origin(self) -> None:
        self.send_header("Access-Control-Allow-Origin", self.service.origin)
        self.send_header("Vary", "origin")

    def _send(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self._send_origin()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


class _Page(BaseHTTPRequestHandler):
    files: dict[str, str]
    policy: str

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.removeprefix("/")
        file = COMPONENT / name
        if name in self.files:
            text = self.files[name].encode()
        elif file.suffix == ".js" and file.is_file():
            text = file.read_bytes()
        else:
            text = b""
        self.send_response(200 if text else 404)
        self.send_header("Content-Type", TYPES.get(Path(name).suffix, "text/plain"))
        self.send_header("Content-Security-Policy", self.policy)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@contextmanager
def inbox_service(files: dict[str, str], *, trusted_types: bool = True) -> Iterator[InboxService]:
    """The service, and the page's server, which gives out `files` and the component's own; `{api}` in a file is the service's address."""
    service = InboxService()
    api = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"service": service}))
    service.url = f"http://127.0.0.1:{api.server_port}"
    filled = {name: text.replace("{api}", service.url) for name, text in files.items()}
    policy = POLICY + (TRUSTED_TYPES if trusted_types else "")
    shop = ThreadingHTTPServer(("127.0.0.1", 0), type("Page", (_Page,), {"files": filled, "policy": policy}))
    service.origin = f"http://127.0.0.1:{shop.server_port}"
    threads = [threading.Thread(target=server.serve_forever) for server in (api, shop)]
    for thread in threads:
        thread.start()
    yield service
    service.end_streams()
    for server, thread in zip((api, shop), threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()
