"""What a recording of `replay.py` is made of: notes, gold documents, an encoder, and a server with its answers."""

import hashlib
import json
import random
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from clinspan.document import Entity, Span
from clinspan.formats import by_name
from clinspan.labels import Label, LabelSet

WORDS: Mapping[str, str] = {
    "disease": "interstitial lung disease|lung disease|pulmonary fibrosis|fibrosis|hepatitis|acute liver failure|fever"
    "|peripheral neuropathy|dyspnea|dry cough|cough|rash|pleural effusion|asthma|GERD|anxiety|SOB|wheezing|hemoptysis"
    "|rhinorrhea|sore throat|croup|migraine|GAD|hypertension|chest pain|nausea|vomiting|pneumonia|edema|diabetes"
    "|myocardial infarction|heart failure|anemia|seizures?|stroke|headaches?|infection|cancer",
    "treatment": "nitrofurantoin|amiodarone|methotrexate|bleomycin|trimethoprim|albuterol MDI|albuterol|omeprazole"
    "|sertraline|fluticasone|prednisone|C-section|aspirin|metoprolol|heparin|insulin|antibiotics|oxygen",
    "test": "creatinine clearance|aminotransferases|creatinine|hemoglobin|CXR|ECG|CT|MRI|blood pressure|biopsy",
}
"""What the server's pretended model knows, and what is right in the gold documents."""
AS = {"problem": "disease"}
"""Labels of `WORDS` under other names."""

PLAN = """title = "Replay"
seed = 3
[corpus]
gold = "FOLDER/gold.jsonl"
labels = "disease"
unit = "sentence"
limit = {limit}
[pool]
examples = "FOLDER/pool.jsonl"
[llms.served]
spec = "openai:tanl"
base-url = "URL"
concurrency = 1
[tag]
k = 2
[grid]
llm = ["served", "none"]
select = ["none", "entity"]
facts = ["none", "both"]
"""


def texts(own: Path, marked: Path | None) -> dict[str, str]:
    """Notes by their ids.

    Args:
        own: the samples' folder; without `marked`, an abstract and the beginning of a note are taken of it.
        marked: a folder of more notes, several in a file, whose marks are stripped.
    """
    found = {path.stem: path.read_bytes().decode() for path in sorted(own.glob("*.txt"))}
    if marked is None:
        note = found["emergency_note"]
        return {
            "abstract_adverse_effects": found["abstract_adverse_effects"],
            "emergency_note": note[: note.index("\n\nVS:")] + "\n",
        }
    for path in sorted(marked.glob("*.txt")):
        notes = re.split(r"(?m)^# note:.*\n", path.read_text(encoding="utf-8"))[1:]
        for number, note in enumerate(notes, 1):
            plain = re.sub(r"\[\[([^|\]]*)\|[^\]]*\]\]", r"\1", note).strip()
            found[f"{path.stem}-{number}"] = plain + "\n"
    return found


def first(notes: Mapping[str, str], characters: int) -> list[str]:
    """The ids of as many notes as have so many characters together, shortest first."""
    taken: list[str] = []
    for name in sorted(notes, key=lambda name: (len(notes[name]), name)):
        if sum(len(notes[one]) for one in taken) < characters:
            taken.append(name)
    return taken


def write_material(folder: Path, notes: Mapping[str, str], *, gold: Sequence[str], limit: int) -> None:
    """Writes notes, gold documents (of the notes named `gold`), a pool (of the others) and a plan."""
    (folder / "notes").mkdir(parents=True, exist_ok=True)
    for name, text in notes.items():
        (folder / "notes" / f"{name}.txt").write_bytes(text.encode())
    for file, names in (("gold", gold), ("pool", [name for name in notes if name not in gold])):
        lines = [json.dumps(_gold(name, notes[name]), ensure_ascii=False) + "\n" for name in names]
        (folder / f"{file}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "plan.toml").write_text(PLAN.format(limit=limit), encoding="utf-8")


def mentions(text: str, labels: Sequence[str]) -> list[Entity]:
    """The known words of some labels in a text."""
    found: list[Entity] = []
    for label in labels:
        for match in re.finditer(rf"\b(?:{WORDS[AS.get(label, label)]})\b", text):
            found.append(Entity(Span(*match.span()), label, match[0]))
    return sorted(found, key=lambda entity: entity.start)


def _gold(name: str, text: str) -> dict[str, Any]:
    entities = [
        {"start": entity.start, "end": entity.end, "label": entity.label, "text": entity.text}
        for entity in mentions(text, ["disease"])
    ]
    return {"id": name, "text": text, "entities": entities}


def write_encoder(folder: Path, notes: Sequence[str]) -> None:
    """Writes a token classifier without attention, which knows single words; its weights are drawn, not trained."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    torch.manual_seed(1)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = sorted({word for note in notes for word in re.findall(r"\w+|[^\w\s]", note.lower())})
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*specials, *words])}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    tags = ("O", "B-disease", "I-disease", "E-disease", "S-disease")
    config = BertConfig(
        vocab_size=len(specials) + len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=128,
        id2label=dict(enumerate(tags)),
        label2id={tag: number for number, tag in enumerate(tags)},
    )
    model = BertForTokenClassification(config)
    known = [name.split() for name in WORDS["disease"].lower().replace("?", "").split("|")]
    begins, ends = {name[0] for name in known if name[1:]}, {name[-1] for name in known if name[1:]}
    singles = {name[0] for name in known if not name[1:]}
    layer = model.bert.encoder.layer[0]
    with torch.no_grad():
        for dense in (layer.attention.output.dense, layer.output.dense):
            dense.weight.zero_()
            dense.bias.zero_()
        model.bert.embeddings.position_embeddings.weight.zero_()
        drawn = model.bert.embeddings.word_embeddings.weight.normal_(0.0, 0.25)
        for number, word in enumerate(words, len(specials)):
            for place, some in ((1, begins), (3, ends), (4, singles)):
                drawn[number, place] += 2.0 * (word in some)
            drawn[number, 0] += 2.0 * (word not in begins | ends | singles)
        model.classifier.weight.copy_(1.2 * torch.eye(5, 16))
        model.classifier.bias.zero_()
    model.save_pretrained(folder)
    weights = folder / "model.safetensors"
    checksum = hashlib.sha256(weights.read_bytes()).hexdigest()
    card: dict[str, Any] = {"kind": "token classifier", "name": "replay", "label_sets": [["disease"]]}
    card["weights"] = {"file": weights.name, "sha256": checksum, "bytes": weights.stat().st_size}
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


@dataclass
class Answers:
    """What a server answers, by the whole body of a request.

    Attributes:
        known: status and body of the answer, by the request's checksum.
        made_up: answer what is not known as a pretended model would, and keep it; else refuse it.
        unknown: the requests that were refused.
    """

    known: dict[str, dict[str, Any]]
    made_up: bool = False
    unknown: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file that `write` made."""
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return cls({line.pop("request"): line for line in lines})

    def write(self, path: Path) -> None:
        """Writes them, in an order of their own."""
        lines = [
            json.dumps({"request": key, **self.known[key]}, ensure_ascii=False) + "\n" for key in sorted(self.known)
        ]
        path.write_text("".join(lines), encoding="utf-8")

    def of(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        whole = json.dumps(request, sort_keys=True, ensure_ascii=False)
        key = hashlib.sha256(whole.encode()).hexdigest()[:24]
        with self._lock:
            if key not in self.known and self.made_up:
                self.known[key] = _made_up(request)
            if key not in self.known:
                self.unknown.append(json.dumps(request, indent=1, ensure_ascii=False))
                return {"status": 400, "body": {"error": {"message": "this request is not in the recording"}}}
            return self.known[key]


def _made_up(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a model might say that knows `WORDS` and makes mistakes, the same ones for the same text."""
    system, text = request["messages"][0]["content"], request["messages"][-1]["content"].partition("Text:\n")[2]
    asked = [name for name in re.findall(r"(?m)^- (\w+):", system) if AS.get(name, name) in WORDS]
    chance = random.Random(f"{request['model']} {text}")
    if len(text) > 200 and chance.random() < 0.05:
        return {"status": 400, "body": {"error": {"message": "maximum context length exceeded"}}}
    kept = [entity for entity in mentions(text, asked) if chance.random() < 0.8]
    form = by_name(str(request["model"]).removeprefix("per-type:"))
    said = form.render(text, kept, LabelSet("asked", tuple(Label(name, "Known words.") for name in asked)))
    finish, fault = "stop", chance.random()
    if fault < 0.08:
        said, finish = said[: len(said) * 2 // 3], "length"
    elif fault < 0.16:
        said = "Here is the answer:\n\n" + said
    elif fault < 0.24:
        said = said.replace("e", "E", 3)
    elif fault < 0.28:
        said = "I'm sorry, but I can't help with that."
    elif fault < 0.36 and kept:
        said = said.replace(kept[0].text, kept[0].text[:-1] + "x", 1)
    usage = {"prompt_tokens": len(system) // 4 + len(text) // 4, "completion_tokens": len(said) // 4}
    choice = {"message": {"role": "assistant", "content": said}, "finish_reason": finish}
    return {"status": 200, "body": {"choices": [choice], "usage": usage}}


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """A server on this machine that gives the answers, under the address that is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            answer = answers.of(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._send(answer["status"], answer["body"])

        def do_GET(self) -> None:
            self._send(404, {"error": {"message": "there is no such page"}})

        def _send(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    http = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/v1"
    finally:
        http.shutdown()
        http.server_close()
