"""Sixty-four requests at once through clinspan, and through a bare asynchronous client on the same server.

    python benchmarks/serving.py [--delay 1.0] [--requests 4096] [--concurrency 64] [--rounds 3]

The rival is httpx2's AsyncClient under a semaphore of the same size, with connections kept open: nothing between a
request's bytes and the socket, no policy, no order, no checks of the answer but that it is JSON. The server, in a
process of its own, answers after a set delay, so that what is measured is whether its time is used. The two take turns.
Clinspan's share is given for the whole run, in which it begins with four requests and feels its way up, and for what
comes after the highest concurrency was reached.
"""

import argparse
import asyncio
import json
import time
from statistics import median

import httpx2
from slow_server import serving

from clinspan.llms.openai import OpenAILLM, OpenAISettings
from clinspan.messages import Completion, Message, Request

SYSTEM = "Copy the text and put every disease into brackets. " * 20
NOTE = "The patient has type 2 diabetes mellitus and chronic kidney disease, and is seen for follow-up. " * 4


def question(number: int) -> str:
    return f"Note {number}.\nText:\n{NOTE}"


async def bare(url: str, count: int, concurrency: int) -> float:
    """Requests a second of the rival."""
    slots = asyncio.Semaphore(concurrency)
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)

    async def one(client: httpx2.AsyncClient, number: int) -> str:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question(number)}]
        body = {"model": "m", "messages": messages, "temperature": 0, "max_tokens": 512}
        async with slots:
            reply = await client.post(f"{url}/chat/completions", json=body)
            return str(reply.json()["choices"][0]["message"]["content"])

    async with httpx2.AsyncClient(limits=limits, timeout=120.0, trust_env=False) as client:
        start = time.perf_counter()
        answers = await asyncio.gather(*(one(client, number) for number in range(count)))
        seconds = time.perf_counter() - start
    assert len(answers) == count
    return count / seconds


def through_clinspan(url: str, count: int, concurrency: int) -> tuple[float, float]:
    """Requests a second over the whole run, and from where as many are under way as may be."""
    requests = (Request((Message("system", SYSTEM), Message("user", question(number)))) for number in range(count))
    full = None
    done = 0
    with OpenAILLM("m", OpenAISettings(base_url=url, concurrency=concurrency)) as llm:
        start = time.perf_counter()
        for result in llm.complete(requests):
            assert isinstance(result, Completion), result
            done += 1
            if full is None and llm._gate.pace.active >= concurrency:
                full = (done, time.perf_counter())
        end = time.perf_counter()
    after = (count - full[0]) / (end - full[1]) if full else float("nan")
    return count / (end - start), after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--delay", type=float, default=1.0)
    parser.add_argument("--requests", type=int, default=4096)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    ideal = chosen.concurrency / chosen.delay
    print(f"{chosen.requests} requests, {chosen.concurrency} at once, answered after {chosen.delay:g} s")
    print(f"(no client can do more than {ideal:.1f} a second)\n")
    print(f"{'round':>5} {'bare, per s':>12} {'clinspan':>10} {'share':>7} {'at the full':>12} {'share':>7}")
    shares, full_shares = [], []
    with serving(chosen.delay) as url:
        for number in range(1, chosen.rounds + 1):
            rival = asyncio.run(bare(url, chosen.requests, chosen.concurrency))
            whole, full = through_clinspan(url, chosen.requests, chosen.concurrency)
            shares.append(whole / rival)
            full_shares.append(full / rival)
            print(f"{number:>5} {rival:>12.1f} {whole:>10.1f} {whole / rival:>7.1%} {full:>12.1f} {full / rival:>7.1%}")
    print(json.dumps({"share": round(median(shares), 3), "share_at_the_full": round(median(full_shares), 3)}))


if __name__ == "__main__":
    main()
