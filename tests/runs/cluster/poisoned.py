"""A tagger whose process dies of certain documents."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from clinspan.runs.folder import TaggerRecipe
from clinspan.tagging.tagger import Tagger


@dataclass(frozen=True)
class Poisoned:
    """Its taggers die of the word POISON, `most` times in all; `deaths` holds a byte for each."""

    recipe: TaggerRecipe
    deaths: Path
    most: int

    def make(self) -> "Mortal":
        return Mortal(self.recipe.make(), self.deaths, self.most)


@dataclass(frozen=True)
class Mortal:
    """Tags as a tagger does, unless it dies."""

    tagger: Tagger
    deaths: Path
    most: int

    def tag_many(self, documents):
        documents = list(documents)
        if any("POISON" in document.text for document in documents) and self.deaths.stat().st_size < self.most:
            with self.deaths.open("ab") as file:
                file.write(b"x")
            os.kill(os.getpid(), signal.SIGKILL)
        return self.tagger.tag_many(documents)
