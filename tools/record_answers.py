"""Asks a model in each format and records its answers for docs/formats.md.

Usage: python tools/record_answers.py MODEL.gguf "NAME OF THE MODEL", then CLINSPAN_WRITE_GOLDEN=1 python -m pytest
tests/formats/test_formats_page.py, which writes the page's blocks anew.
"""

import json
import sys
from pathlib import Path

from clinspan import formats
from clinspan.errors import LLMError
from clinspan.labels import LabelSet
from clinspan.llms.embedded import EmbeddedLLM
from clinspan.messages import Request
from clinspan.prompt import build

ROOT = Path(__file__).parent.parent
NOTE = "Pt c/o nausea and fever x3 days, started on ondansetron 4 mg; CT abdomen [w/ contrast] was negative."


def main(path: str, model: str) -> None:
    """Records the first question of each format and its answer, decoded greedily without a constraint."""
    labels = LabelSet.from_toml(ROOT / "tests" / "formats" / "documented.toml")
    records = []
    with EmbeddedLLM(path) as llm:
        for name in ("tanl", "dice", "json", "mapping", "per-type:tanl"):
            form = formats.by_name(name)
            asked = formats.split(form, labels)[0]
            messages = build(NOTE, labels=asked, form=form, examples=asked.examples)
            (answer,) = llm.complete([Request(messages, max_tokens=200)])
            if isinstance(answer, LLMError):
                raise answer
            chat = [{"role": message.role, "content": message.content} for message in messages]
            records.append({"format": name, "model": model, "text": NOTE, "messages": chat, "answer": answer.text})
            print(name, "->", answer.text)
    out = ROOT / "tests" / "formats" / "documented.json"
    out.write_text(json.dumps(records, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
