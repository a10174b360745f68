"""What many notes take on many replicas: a plan computed from its assumptions, and checked against a small simulation.

Run: python benchmarks/scaling.py [--notes 1e8] [--replicas 32] [any assumption, as --NAME VALUE]
     python benchmarks/scaling.py --simulate [--per-replica 500] [--latency 3]

The first prints the plan, and what becomes of cost and time when one assumption at a time is lower or higher. The
second tags notes with clinspan against a local server that stands for 1, 2 and 4 replicas: each answers so many
requests at once, after a delay drawn from a log-normal distribution. The rival is the formula: the table has what it
foretold, what was measured, and their ratio. Needs the extra `openai` for the simulation, which waits most of the time.
"""

import argparse
import asyncio
import json
import math
import random
import threading
import time
from dataclasses import dataclass, fields, replace

from clinspan.document import Document
from clinspan.labels import LabelSet
from clinspan.runs.folder import TaggerRecipe

START = 4
"""Requests at once that clinspan begins with at a server, see `llms.limits`."""


@dataclass(frozen=True)
class Assumptions:
    """Everything that a plan rests on; none of it is measured here but where docs/scaling.md says so."""

    notes: float = 1e8
    words: float = 300.0  # a note
    tokens_a_word: float = 1.5
    window: float = 600.0  # tokens, at most
    shared: float = 450.0  # tokens of a prompt that are the same for every window
    own: float = 350.0  # further ones: examples and facts chosen for the window
    reuse: float = 0.9  # of the shared tokens, evaluated already
    markup: float = 0.15  # tokens of an answer beyond those of the window it repeats
    prefill: float = 15_000.0  # prompt tokens a second and replica, when nothing else is done
    decode: float = 2_500.0  # answer tokens a second and replica, all requests together, when nothing else is done
    slots: float = 64.0  # requests that a replica works at together
    failures: float = 0.01  # of the attempts
    price: float = 2.0  # an hour and replica
    replicas: float = 32.0
    busy: float = 0.85  # of the time a replica has enough to do

    @property
    def windows(self) -> float:
        """Of a note."""
        return max(1.0, self.words * self.tokens_a_word / self.window)

    @property
    def seconds(self) -> float:
        """That one answer takes of a replica which does nothing else."""
        text = self.words * self.tokens_a_word / self.windows
        asked = text + self.own + self.shared * (1 - self.reuse)
        return asked / self.prefill + text * (1 + self.markup) / self.decode

    @property
    def rate(self) -> float:
        """Notes a second, all replicas together."""
        return self.replicas * self.busy * (1 - self.failures) / (self.seconds * self.windows)

    @property
    def hours(self) -> float:
        """From the first note to the last."""
        return self.notes / self.rate / 3600

    @property
    def cost(self) -> float:
        """Of the replicas."""
        return self.hours * self.replicas * self.price

    @property
    def at_once(self) -> float:
        """Requests that must be under way for all slots to be used."""
        return self.replicas * self.slots

    @property
    def gigabytes(self) -> float:
        """Of the notes and, with twice that for entities and windows, of the results."""
        return self.notes * self.words * 6.2 * 3 / 1e9


SWINGS = {
    "words": (0.5, 2.0),
    "own": (0.0, 2.0),
    "reuse": (0.0, 1.1),
    "markup": (0.5, 2.0),
    "prefill": (0.5, 2.0),
    "decode": (0.5, 2.0),
    "failures": (0.0, 10.0),
    "busy": (0.6, 1.15),
    "price": (0.5, 2.0),
    "replicas": (0.25, 4.0),
}
"""How far each assumption may be off, as factors."""


def plan(base: Assumptions) -> None:
    print(f"{base.windows:.2f} windows a note, {base.seconds * 1000:.0f} ms of a replica each")
    print(f"{base.rate:,.0f} notes a second, {base.hours:,.0f} hours, cost {base.cost:,.0f}")
    print(f"{base.at_once:,.0f} requests under way, {base.gigabytes:,.0f} GB of notes and results\n")
    print(f"{'assumption':<10} {'low':>10} {'high':>10}   {'hours':>17}   {'cost':>23}")
    for name, (low, high) in SWINGS.items():
        at = getattr(base, name)
        ends = [replace(base, **{name: at * factor}) for factor in (low, high)]
        hours, costs = [end.hours for end in ends], [end.cost for end in ends]
        print(
            f"{name:<10} {at * low:>10,.4g} {at * high:>10,.4g}   {hours[0]:>7,.0f} - {hours[1]:<7,.0f}   "
            f"{costs[0]:>10,.0f} - {costs[1]:<10,.0f}"
        )


def foretold(notes: int, replicas: int, slots: int, latency: float) -> float:
    """Seconds for notes of one window: all slots busy, but for the slow start and the last answers."""
    together = replicas * slots
    ramp, limit = 0.0, START
    while limit < together:
        ramp += latency * (1 - limit / together)
        limit *= 2
    return notes * latency / together + ramp + latency


class Replicas:
    """A server in a thread of its own that answers so many requests at once, each after a drawn delay."""

    def __init__(self, together: int, latency: float, spread: float, seed: int = 0):
        self._together = together
        self._latency = latency
        self._sigma = math.sqrt(math.log(1 + spread**2))
        self._random = random.Random(seed)
        self.port = 0

    async def _serve(self, up: threading.Event) -> None:
        slots = asyncio.Semaphore(self._together)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readline():
                length = 0
                while head.strip():
                    name, _, value = head.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                    head = await reader.readline()
                body = json.loads(await reader.readexactly(length))
                async with slots:
                    mu = math.log(self._latency) - self._sigma**2 / 2
                    await asyncio.sleep(self._random.lognormvariate(mu, self._sigma))
                text = body["messages"][-1]["content"].split("Text:\n", 1)[-1]
                said = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
                data = json.dumps(said | {"usage": {"prompt_tokens": 1, "completion_tokens": 20}}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        up.set()
        async with server:
            await server.serve_forever()

    def start(self) -> str:
        up = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(up)), daemon=True).start()
        up.wait()
        return f"http://127.0.0.1:{self.port}/v1"


def simulate(per_replica: int, slots: int, latency: float, spread: float) -> None:
    print(f"{slots} slots a replica, {latency:g} s an answer (deviation {spread:.0%}), one window a note\n")
    header = ("replicas", "notes", "foretold s", "measured s", "foretold/s", "measured/s", "ratio", "unread", "cpu s")
    print(" ".join(f"{name:>10}" for name in header))
    for replicas in (1, 2, 4):
        notes = per_replica * replicas
        url = Replicas(replicas * slots, latency, spread).start()
        recipe = TaggerRecipe(
            llm="openai:simulated",
            labels=LabelSet.load("disease"),
            dictionary="none",
            options={"base_url": url, "concurrency": 2 * replicas * slots},
        )
        tagger = recipe.make()
        documents = (
            Document(f"{n}", f"Note {n} says that the patient had gout and was sent home.") for n in range(notes)
        )
        began, used = time.perf_counter(), time.process_time()
        unread = sum(not document.complete for document in tagger.tag_many(documents))
        took, used = time.perf_counter() - began, time.process_time() - used
        told = foretold(notes, replicas, slots, latency)
        row = (replicas, notes, told, took, notes / told, notes / took, told / took, unread, used)
        print(" ".join(f"{value:>10.2f}" if isinstance(value, float) else f"{value:>10}" for value in row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Assumptions):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--per-replica", type=int, default=500)
    parser.add_argument("--simulated-slots", type=int, default=8)
    parser.add_argument("--latency", type=float, default=3.0)
    parser.add_argument("--spread", type=float, default=0.5)
    asked = parser.parse_args()
    if asked.simulate:
        simulate(asked.per_replica, asked.simulated_slots, asked.latency, asked.spread)
    else:
        plan(Assumptions(**{field.name: getattr(asked, field.name) for field in fields(Assumptions)}))


if __name__ == "__main__":
    main()
