"""A real HTTP server that marks every `ataxia` of a text, counts what it is asked, and fails where a text says so."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MarkingServer:
    """`asked` counts the texts that came in; `fails` says which get HTTP 400; `seen` is called with each text."""

    def __init__(self, delay: float = 0.0):
        self.delay = delay
        self.asked: Counter[str] = Counter()
        self.fails: Callable[[str], bool] = lambda text: False
        self.seen: Callable[[str], None] = lambda text: None
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                outer.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # as many as a client opens at once; a connection turned away is one more attempt

            def handle_error(self, *args):
                pass  # a client was killed, as tests want it to be

        self.http = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, handler, body):
        text = body["messages"][-1]["content"].partition("Text:\n")[2]
        with self._lock:
            self.asked[text] += 1
            self.seen(text)
        time.sleep(self.delay)
        if self.fails(text):
            status, reply = 400, {"error": {"message": f"I do not like: {text}"}}
        else:
            message = {"role": "assistant", "content": text.replace("ataxia", "[ ataxia | disease ]")}
            usage = {"prompt_tokens": 1000, "completion_tokens": 200}
            status, reply = 200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
        content = json.dumps(reply).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
