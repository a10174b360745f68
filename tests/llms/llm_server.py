"""A real HTTP server that answers, and misbehaves, as a test scripts it."""

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def reply(text="It is [ flu | disease ].", finish="stop", **message):
    return {
        "choices": [{"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}},
    }


@dataclass
class Answer:
    """What the server sends: a status, headers and a body; a body that is no text is sent as JSON."""

    body: object = field(default_factory=reply)
    status: int = 200
    headers: dict = field(default_factory=dict)
    cut: bool = False
    """Promise more bytes than are sent."""
    reset: bool = False
    """Break the connection in the middle of the body, without a farewell."""
    drip: float = 0.0
    """Seconds between two bytes of the body."""

    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Seen:
    """A request as the server saw it."""

    path: str
    headers: Message
    body: dict

    @property
    def window(self) -> str:
        """What the pipeline's prompts end in."""
        return self.question.split("Text:\n", 1)[-1]

    @property
    def question(self) -> str:
        return self.body["messages"][-1]["content"]


class ScriptedServer:
    """Gives each request the answer that `script` says; `seen` holds the requests in the order they came."""

    def __init__(self):
        self.script: Callable[[Seen], Answer] = lambda seen: Answer()
        self.seen: list[Seen] = []
        self.inside = 0
        self.most_inside = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.answer(self, Seen(self.path, self.headers, body))

            do_GET = do_CONNECT = lambda self: outer.answer(self, Seen(self.path, self.headers, {}))

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            # A burst of connections must not overflow the five that are held by default.
            request_queue_size = 128

        self.http = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()

    @property
    def port(self) -> int:
        return self.http.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, handler, seen):
        with self._lock:
            self.seen.append(seen)
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        try:
            answer = self.script(seen)
        finally:
            with self._lock:
                self.inside -= 1
        content = answer.content()
        try:
            handler.send_response(answer.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content) + 10 * answer.cut)}
            for name, value in (headers | answer.headers).items():
                handler.send_header(name, value)
            handler.end_headers()
            self._send(handler, answer, content)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client gave up, as some tests want it to
        if answer.cut:
            handler.close_connection = True

    def _send(self, handler, answer, content):
        if answer.reset:
            handler.wfile.write(content[: len(content) // 2])
            # Not lingering makes the farewell a reset.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.shutdown(socket.SHUT_RD)
            handler.close_connection = True
        elif answer.drip:
            for at in range(len(content)):
                handler.wfile.write(content[at : at + 1])
                if self._closing.wait(answer.drip):
                    return
        else:
            handler.wfile.write(content)

    def close(self):
        self._closing.set()
        self.http.shutdown()
        self.http.server_close()
