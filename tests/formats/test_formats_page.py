"""docs/formats.md shows the prompts that are sent and how the recorded answers are read."""

import json
import os
import re
from pathlib import Path

import pytest

from clinspan import formats
from clinspan.formats.fidelity import align_copy
from clinspan.labels import LabelSet
from clinspan.prompt import build

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "formats.md"
LABELS = LabelSet.from_toml(HERE / "documented.toml")
RECORDS = {r["format"]: r for r in json.loads((HERE / "documented.json").read_text(encoding="utf-8"))}


def asked_of(name):
    return formats.split(formats.by_name(name), LABELS)[0]


def shown(record):
    """The block of the page: the chat, the answer and the reading."""
    chat = "\n\n".join(f"<{m['role']}>\n{m['content']}" for m in record["messages"])
    form = formats.by_name(record["format"])
    reading = form.parse(record["answer"], asked_of(record["format"]))
    lines = [f"- {m.label}: `{m.text}`" for m in reading.mentions] or ["- no mention"]
    lines += [f"- unread: `{u.text}` ({u.reason})" for u in reading.unread]
    lines += [f"- repair: {repair.what}" for repair in reading.repairs]
    if reading.copy is not None:
        lines.append(f"- drift: {align_copy(reading.copy, record['text']).drift.kind}")
    return (
        f"```text\n{chat}\n```\n\nThe answer:\n\n```text\n{record['answer']}\n```\n\nis read as\n\n"
        + "\n".join(lines)
        + "\n\n"
    )


def block(name):
    return re.compile(rf"(?<=<!-- reply: {re.escape(name)} -->\n).*?(?=<!-- end -->)", re.DOTALL)


@pytest.mark.parametrize("name", RECORDS)
def test_the_recorded_prompt_is_the_one_that_is_sent(name):
    record, asked = RECORDS[name], asked_of(name)
    messages = build(record["text"], labels=asked, form=formats.by_name(name), examples=asked.examples)
    sent = [{"role": m.role, "content": m.content} for m in messages]
    assert sent == record["messages"], "record anew: tools/record_answers.py"


@pytest.mark.parametrize("name", RECORDS)
def test_the_page_shows_it(name):
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("CLINSPAN_WRITE_GOLDEN"):
        text = block(name).sub(lambda _: shown(RECORDS[name]), text, count=1)
        PAGE.write_text(text, encoding="utf-8")
    found = block(name).search(text)
    assert found is not None
    assert found.group() == shown(RECORDS[name])


def test_every_format_is_on_the_page():
    assert {name for name in formats.names() if ":" not in name} <= set(RECORDS)
    heads = set(re.findall(r"^### (\S+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert heads == set(RECORDS)


def test_the_page_counts_the_answers_there_are():
    counts = {
        path.stem: len(json.loads(path.read_text(encoding="utf-8")))
        for path in (HERE.parent / "answers").glob("*.json")
    }
    forms = counts.pop("failure-forms")
    assert f"{sum(counts.values())} real replies" in PAGE.read_text(encoding="utf-8")
    assert f"and {forms} answers written" in PAGE.read_text(encoding="utf-8")
