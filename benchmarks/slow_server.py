"""Answers every chat by repeating its text, after a set delay: `python benchmarks/slow_server.py --delay 0.05`.

It prints its address and runs until its standard input is closed. It speaks as much of OpenAI's protocol as is needed
to be asked, in one asynchronous process, so that it keeps up with several thousand requests a second.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(delay: float) -> Iterator[str]:
    """A server in a process of its own, for as long as the block lasts; gives its address."""
    command = [sys.executable, __file__, "--delay", str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def answer(body: bytes) -> bytes:
    said = json.loads(body)["messages"][-1]["content"]
    text = said.rpartition("Text:\n")[2]
    reply = {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": len(said) // 4, "completion_tokens": len(text) // 4},
    }
    return json.dumps(reply).encode()


async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            body = await reader.readexactly(length)
            await asyncio.sleep(delay)
            content = answer(body)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
            )
            writer.write(content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve(delay: float, port: int) -> None:
    server = await asyncio.start_server(lambda r, w: connection(r, w, delay), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds until an answer is sent")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.delay, chosen.port))


if __name__ == "__main__":
    main()
