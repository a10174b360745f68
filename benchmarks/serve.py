"""What HTTP adds to a request: the service beside the tagger itself, at a set number of requests a second.

    python benchmarks/serve.py [--rate 200] [--seconds 10] [--delay 0.05] [--requests 0]

An LLM of another process repeats the text after a set delay (slow_server.py). The same sentences are put to it through
`Tagger.tag`, in threads of this process, and through `clinspan serve`, a process of its own on loopback, by one
asynchronous client. Each is begun at its time, whether or not the ones before were answered. What is added is the
difference of the two medians. The two take turns, so that a machine that gets busier is unfair to neither.

With `--requests N` it also sends so many to the service, 32 at a time, and says how its memory grew.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from statistics import median

import httpx2
from slow_server import serving

from clinspan.tagging.tagger import Tagger

ROUNDS = 3
AT_ONCE = 400
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
            yield found[0]
            process.terminate()


async def paced(ask: Callable[[], Awaitable[None]], rate: float, seconds: float) -> list[float]:
    """The seconds that each request took, begun at its time."""
    began = time.perf_counter()

    async def one(number: int) -> float:
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await ask()
        return time.perf_counter() - due

    return await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))


async def measure(tagger: Tagger, client: httpx2.AsyncClient, args: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(AT_ONCE)

    async def direct() -> None:
        await loop.run_in_executor(threads, tagger.tag, text())

    async def over_http() -> None:
        answer = await client.post("/tag", json={"text": text()})
        answer.raise_for_status()

    ways = {"Tagger.tag": direct, "POST /tag": over_http}
    for ask in ways.values():
        await paced(ask, args.rate, 2.0)
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, ask in ways.items():
            found[name].append(sorted(await paced(ask, args.rate, args.seconds)))
    print(
        f"{args.rate:g} requests a second, {ROUNDS} rounds of {args.seconds:g} s, LLM's delay {args.delay * 1000:g} ms"
    )
    print(f"load of the machine (1 min) {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| milliseconds | median | median of each round | 95 % within | 99 % within |\n|---|---|---|---|---|")
    for name, rounds in found.items():
        every = sorted(seconds for each in rounds for seconds in each)
        of_rounds = ", ".join(f"{median(each) * 1000:.1f}" for each in rounds)
        shares = (f"{every[int(len(every) * share)] * 1000:.1f}" for share in (0.95, 0.99))
        print(f"| {name} | {median(every) * 1000:.1f} | {of_rounds} | {' | '.join(shares)} |")
    middles = {name: median(seconds for each in rounds for seconds in each) for name, rounds in found.items()}
    print(f"\nadded: {(middles['POST /tag'] - middles['Tagger.tag']) * 1000:.1f} ms")
    if args.requests:
        await fill(client, args.requests)


async def fill(client: httpx2.AsyncClient, requests: int) -> None:
    """Sends many requests and shows the service's memory after each tenth."""
    for _ in range(10):
        left = iter(range(requests // 10))

        async def worker(left: Iterator[int] = left) -> None:
            for _ in left:
                (await client.post("/tag", json={"text": text()})).raise_for_status()

        await asyncio.gather(*(worker() for _ in range(32)))
        found = re.search(r"^process_resident_memory_bytes (\S+)$", (await client.get("/metrics")).text, re.MULTILINE)
        print(f"{float(found[1]) / 1e6:.0f} MB" if found else "memory is not told on this system", flush=True)


async def run(args: argparse.Namespace, llm: str, service: str) -> None:
    limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    with Tagger.open(
        "openai:slow", base_url=llm, concurrency=AT_ONCE, labels=_LABELS, dictionary=_DICTIONARY
    ) as tagger:
        async with httpx2.AsyncClient(base_url=service, limits=limits, timeout=120, trust_env=False) as client:
            await measure(tagger, client, args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--requests", type=int, default=0)
    args = parser.parse_args()
    with serving(args.delay) as llm, served(llm) as service:
        asyncio.run(run(args, llm, service))


if __name__ == "__main__":
    main()
