"""What HTTP adds to a request: the service beside the tagger itself, at set numbers of requests a second.

    python benchmarks/serve.py [--rates 50 100 150 200] [--seconds 10] [--delay 0.05] [--requests 0]

An LLM of another process repeats the text after a set delay (slow_server.py). The same sentences are put to it through
`Tagger.tag`, in threads of this process, and through `clinspan serve`, a process of its own on loopback, by one
asynchronous client. Each is begun at its time, whether or not the ones before were answered. What is added is the
difference of the two medians. The two take turns, so that a machine that gets busier is unfair to neither.

`busy` is the processor time that the process took for a request, which other work on the machine changes little. Where
the service answers 429 to some, or the last answer comes late, the machine does not keep that rate: the row says so.

With `--requests N` it also sends so many to the service, 32 at a time, and says how its memory grew.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from urllib.parse import urlsplit

from slow_server import serving

from clinspan.tagging.tagger import Tagger

ROUNDS = 3
AT_ONCE = 400
LATE = 1.0
"""Seconds after the last was begun by which all must be answered, so that a rate is kept."""
IDLE = 2.0
"""Seconds after which a connection is not used again: the service closes those that were idle for five."""
_LABELS, _DICTIONARY = "disease", "none"
_NUMBER = count()


def text() -> str:
    return f"Patient {next(_NUMBER)} was seen for gout and has no fever today."


@contextmanager
def served(url: str) -> Iterator[str]:
    """The service over that LLM; gives its address."""
    options = ["--port", "0", "--at-once", str(AT_ONCE), "--concurrency", str(AT_ONCE), "--llm", "openai:slow"]
    options += ["--base-url", url, "--labels", _LABELS, "--dictionary", _DICTIONARY]
    command = [sys.executable, "-m", "clinspan", "serve", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        # Its log is read on, so that it never waits for us.
        with ThreadPoolExecutor(1) as threads:
            threads.submit(process.stderr.read)
            try:
                yield found[0]
            finally:
                process.terminate()


class Client:
    """Asks over as many connections as are needed, each used again. It costs a tenth of what a general client does, so
    that the client's own work is not measured."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def ask(self, request: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and body of the answer to `METHOD PATH`."""
        reader, writer = await self._connection()
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{request} HTTP/1.1\r\nHost: {self._host}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        said = await reader.readuntil(b"\r\n\r\n")
        (length,) = re.findall(rb"content-length: (\d+)", said)
        answer = await reader.readexactly(int(length))
        self._free.append((reader, writer, time.monotonic()))
        return int(said[9:12]), answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            reader, writer, since = self._free.pop()
            if time.monotonic() - since < IDLE:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    async def metric(self, name: str) -> float:
        """One of the service's counts.

        Raises:
            SystemExit: when it is not told, as the memory on some systems.
        """
        found = re.search(rf"^{name} (\S+)$", (await self.ask("GET /metrics"))[1].decode(), re.MULTILINE)
        if found is None:
            raise SystemExit(f"the service does not tell {name} on this system")
        return float(found[1])

    async def close(self) -> None:
        for _, writer, _ in self._free:
            writer.close()


@dataclass
class Way:
    """A way to the tagger, and what was measured of it.

    Attributes:
        ask: gives whether it was answered.
        busy: the processor seconds that its process took so far.
        rounds: seconds of each answered request, by round.
        refused: requests that were not answered.
        late: rounds whose last answer came late.
        used: processor seconds of all rounds.
    """

    name: str
    ask: Callable[[], Awaitable[bool]]
    busy: Callable[[], Awaitable[float]]
    rounds: list[list[float]] = field(default_factory=list)
    refused: int = 0
    late: int = 0
    used: float = 0.0

    async def round(self, rate: float, seconds: float) -> None:
        """Asks so often a second, each at its time."""
        taken: list[float] = []
        before, began = await self.busy(), time.perf_counter()

        async def one(number: int) -> None:
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if await self.ask():
                taken.append(time.perf_counter() - due)
            else:
                self.refused += 1

        await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))
        self.late += time.perf_counter() - began > seconds + LATE
        self.used += await self.busy() - before
        self.rounds.append(sorted(taken))

    def row(self, rate: float) -> str:
        """Its line of the table."""
        every = sorted(seconds for each in self.rounds for seconds in each)
        if not every:
            return f"| {rate:g} | {self.name} | none was answered | | | | | |"
        of_rounds = ", ".join(f"{1000 * median(each):.1f}" for each in self.rounds if each)
        shares = " | ".join(f"{1000 * every[int(len(every) * share)]:.1f}" for share in (0.5, 0.95, 0.99))
        busy = 1000 * self.used / (len(every) + self.refused)
        kept = "yes" if not self.refused and not self.late else f"no: {self.refused} refused, {self.late} rounds late"
        return f"| {rate:g} | {self.name} | {shares} | {of_rounds} | {busy:.1f} | {kept} |"

    @property
    def middle(self) -> float:
        """The median in milliseconds."""
        every = [seconds for each in self.rounds for seconds in each]
        return 1000 * median(every) if every else float("inf")


async def measure(tagger: Tagger, client: Client, rate: float, seconds: float) -> float:
    """Prints the two ways at a rate; gives the milliseconds that HTTP added, infinitely many where it was not kept."""
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(AT_ONCE)

    async def direct() -> bool:
        await loop.run_in_executor(threads, tagger.tag, text())
        return True

    async def over_http() -> bool:
        status, _ = await client.ask("POST /tag", json.dumps({"text": text()}).encode())
        if status not in (200, 429):
            raise SystemExit(f"the service answered {status}")
        return status == 200

    async def own() -> float:
        return time.process_time()

    async def service() -> float:
        return await client.metric("process_cpu_seconds_total")

    ways = [Way("Tagger.tag", direct, own), Way("POST /tag", over_http, service)]
    for way in ways:
        await Way(way.name, way.ask, way.busy).round(rate, 2.0)
    for _ in range(ROUNDS):
        for way in ways:
            await way.round(rate, seconds)
    for way in ways:
        print(way.row(rate), flush=True)
    threads.shutdown()
    return ways[1].middle - ways[0].middle if not any(way.refused or way.late for way in ways) else float("inf")


async def fill(client: Client, requests: int) -> None:
    """Sends many requests and shows the service's memory after each tenth."""
    began = time.perf_counter()
    for part in range(1, 11):
        left = iter(range(requests // 10))

        async def worker(left: Iterator[int] = left) -> None:
            for _ in left:
                status, _ = await client.ask("POST /tag", json.dumps({"text": text()}).encode())
                if status != 200:
                    raise SystemExit(f"the service answered {status}")

        await asyncio.gather(*(worker() for _ in range(32)))
        memory = await client.metric("process_resident_memory_bytes")
        print(f"| {part * requests // 10} | {memory / 1e6:.1f} | {time.perf_counter() - began:.0f} |", flush=True)


async def run(args: argparse.Namespace, llm: str, service: str) -> None:
    client = Client(service)
    print(f"{ROUNDS} rounds of {args.seconds:g} s, LLM's delay {args.delay * 1000:g} ms")
    print(f"load of the machine (1 min) {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    if args.rates:
        print("| a second | milliseconds | median | 95 % within | 99 % within | medians of rounds | busy | kept |")
        print("|---|---|---|---|---|---|---|---|")
        added = {}
        with Tagger.open(
            "openai:slow", base_url=llm, concurrency=AT_ONCE, labels=_LABELS, dictionary=_DICTIONARY
        ) as tagger:
            for rate in args.rates:
                added[rate] = await measure(tagger, client, rate, args.seconds)
        print()
        for rate, milliseconds in added.items():
            print(f"added at {rate:g} a second: {milliseconds:.1f} ms")
    if args.requests:
        print("\n| requests | resident memory, MB | seconds |\n|---|---|---|")
        await fill(client, args.requests)
    await client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="*", default=[50.0, 100.0, 150.0, 200.0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--requests", type=int, default=0)
    args = parser.parse_args()
    with serving(args.delay) as llm, served(llm) as service:
        asyncio.run(run(args, llm, service))


if __name__ == "__main__":
    main()
