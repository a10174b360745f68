"""Tuning of an encoder, with a BERT of two layers and random weights."""

import json
import logging
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from clinspan.classifier import folder
from clinspan.classifier.model import OnnxClassifier, mentions
from clinspan.classifier.scheme import head_for
from clinspan.document import Span
from clinspan.errors import ConfigError, InputError, LLMError, ModelError, OutputError
from clinspan.labels import Attribute, Label, LabelSet
from clinspan.llms.encoder import EncoderLLM, EncoderSettings
from clinspan.messages import CopyConstraint, Message, Request
from clinspan.tagging.tagger import Tagger
from clinspan.tuning.run import CHECKPOINTS, EncoderRunSettings, check_output
from tuning.sample import BOTH, DISEASE, document, gold

SETTINGS = EncoderRunSettings(learning_rate=0.01, passes=30, batch=4, bfloat16=False, weight_decay=0.0)
MARKED = [
    "The patient had {gout} and {colon cancer}. All was well.",
    "No (ataxia) but {gout-like arthritis}; 12.5 mg.",
    "An {ataxia} was seen, İ say – and {Cancer}…",
]
CORPUS = gold(*(document(str(i), text) for i, text in enumerate(MARKED)))
MIXED = gold(document("m", "The {chemical:aspirin} eased the {disease:gout}."), labels=BOTH, name="mixed")
SHOWN = LabelSet("both", (Label("chemical", "As aspirin."), Label("disease", "As gout.")))
"""Definitions with words that the tiny encoder knows: each is told with the name of the other."""
TOLD = gold(document("m", "The {chemical:aspirin} eased the {disease:gout}."), labels=SHOWN, name="told")


@pytest.fixture
def made(tiny_encoder, tmp_path):
    """Makes runs of the tiny encoder, in folders of `tmp_path`."""
    from clinspan.tuning.base import find_base
    from clinspan.tuning.encoder_run import EncoderRun

    def make(name="out", *, data=(CORPUS,), settings=SETTINGS, resume=False, base=tiny_encoder, **options):
        check_output(tmp_path / name, checkpoints=CHECKPOINTS, resume=resume, force=False)
        return EncoderRun(
            find_base(str(base)), data, output=tmp_path / name, settings=settings, resume=resume, **options
        )

    return make


@pytest.fixture(scope="module")
def tuned(tiny_encoder, tmp_path_factory):
    """A folder with an encoder that knows both corpora by heart."""
    from clinspan.tuning.base import find_base
    from clinspan.tuning.encoder_run import EncoderRun

    output = tmp_path_factory.mktemp("tuned") / "by-heart"
    check_output(output, checkpoints=CHECKPOINTS, resume=False, force=False)
    corpora = [CORPUS, MIXED]
    run = EncoderRun(find_base(str(tiny_encoder)), corpora, output=output, settings=SETTINGS, held=corpora)
    run.train()
    return output


def weights(run):
    return {name: value.detach().clone() for name, value in run.classifier.model.named_parameters()}


def test_what_was_learned_by_heart_is_found_again_and_stands_in_the_text(tuned):
    llm = EncoderLLM.opened(tuned, EncoderSettings(batch=2))
    tagger = Tagger.open(None, encoder=llm, labels=DISEASE, dictionary=None)
    for gold_document in CORPUS.documents:
        doc = tagger.tag(replace(gold_document, entities=()))
        assert doc.complete
        assert {(e.span, e.label, e.text) for e in doc.entities} == {
            (e.span, e.label, e.text) for e in gold_document.entities
        }
        assert all(0 < e.score <= 1 for e in doc.entities)


def test_each_set_of_labels_has_a_head_of_its_own(tuned):
    llm = EncoderLLM.opened(tuned)
    doc = MIXED.documents[0]
    both = Tagger.open(None, encoder=llm, labels=BOTH, dictionary=None).tag(replace(doc, entities=()))
    assert [(e.text, e.label) for e in both.entities] == [("aspirin", "chemical"), ("gout", "disease")]
    alone = Tagger.open(None, encoder=llm, labels=BOTH.only("chemical"), dictionary=None).tag(replace(doc, entities=()))
    assert [(e.text, e.label) for e in alone.entities] == [("aspirin", "chemical")]


def test_the_card_says_what_was_learned_and_how_well(tuned):
    card = folder.read_card(tuned)
    assert card.card["label_sets"] == [["disease"], ["chemical", "disease"]]
    assert [row["mentions"] for row in card.card["data"]] == [5, 2, 5, 2]
    assert [row["strict"]["all"]["f1"] for row in card.card["scores"]] == [1.0, 1.0]
    assert card.card["settings"]["bfloat16"] is False
    assert "| mixed | development | chemical | 1.000 |" in (tuned / "README.md").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in (tuned / "log.jsonl").read_text().splitlines()]
    assert len([row for row in rows if "f1" in row]) == 30


def test_transformers_reads_the_folder_alone(tuned):
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(tuned)
    assert model.config.id2label[0] == "disease/O"
    assert model.config.id2label[13] == "chemical+disease/S-disease"


def test_a_resumed_run_ends_where_an_unbroken_one_does(made):
    settings = replace(SETTINGS, passes=4)
    whole = made("whole", settings=settings)
    whole.train()
    broken = made("broken", settings=settings)
    broken.train(lambda at: broken.stop() if at.step == 2 else None)
    assert folder.read_card(broken.output).card["progress"]["steps"] == 2
    again = made("broken", settings=settings, resume=True)
    again.train()
    steps = [folder.read_card(run.output).card["progress"]["steps"] for run in (whole, again)]
    assert steps == [4, 4]
    for name, value in weights(whole).items():
        assert abs(value - weights(again)[name]).max() < 1e-6, name


def test_a_checkpoint_that_was_cut_off_is_passed_over(made):
    settings = replace(SETTINGS, passes=2)
    made(settings=settings).train()
    run = made("cut", settings=settings)
    run.train()
    late = run.output / "checkpoint" / "checkpoint-999"
    late.mkdir()
    (late / "trainer_state.json").write_text('{"global_step": 9')
    again = made("cut", settings=settings, resume=True)
    assert again._checkpoint.name == "checkpoint-2"


def test_only_the_same_run_is_gone_on_with(made):
    settings = replace(SETTINGS, passes=1)
    made(settings=settings).train()
    with pytest.raises(ModelError, match="the checkpoint has settings"):
        made(settings=replace(settings, learning_rate=0.02), resume=True)
    with pytest.raises(ModelError, match="the checkpoint has data"):
        made(settings=settings, data=[replace(CORPUS, sha256="1" * 64)], resume=True)
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        made("new", settings=settings, resume=True)
    with pytest.raises(OutputError, match="is not empty"):
        made(settings=settings)


def test_the_best_pass_is_kept(made):
    wrong = replace(CORPUS, documents=tuple(replace(doc, entities=()) for doc in CORPUS.documents[:1]))
    held = gold(document("h", "She had {gout}."), name="held")
    run = made(settings=replace(SETTINGS, passes=3), data=[CORPUS], held=[held])
    kept = []
    run._keep = lambda keep=run._keep: (kept.append(len(run.log.scores)), keep())[1]
    figures = iter([0.4, 0.6, 0.5])

    def scores(original=run.scores):
        found = original()
        value = next(figures, 0.6)
        return [_Fixed(value) for _ in found]

    run.scores = scores
    for at in (At(1), At(2), At(3)):
        run._validate(at)
    assert run.log.scores == [0.4, 0.6, 0.5]
    assert kept == [1, 2]
    assert wrong.mentions == 0


def test_a_loss_that_is_no_number_stops_the_run(made):
    import torch

    run = made()
    with torch.no_grad():
        run.classifier.model.classifier.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="the loss is no longer a number"):
        run.train()


def test_a_corpus_without_mentions_teaches_nothing(made):
    bare = replace(CORPUS, documents=tuple(replace(doc, entities=()) for doc in CORPUS.documents))
    with pytest.raises(InputError, match="no window with a mention"):
        made(data=[bare])


def test_windows_without_a_mention_can_be_left_out(made):
    settings = replace(SETTINGS, keep_empty=0.0)
    run = made(settings=settings)
    assert (len(run.data.rows), run.data.windows) == (3, 4)
    assert (run.data.mentions, run.data.lost, run.data.too_long) == (5, 0, 0)


def test_mentions_that_tags_cannot_mark_are_counted(made):
    doc = document("x", "He had {colon cancer}.")
    nested = replace(doc, entities=(*doc.entities, *document("x", "He had {colon} cancer.").entities))
    assert (made(data=[gold(nested)]).data.mentions, made("b", data=[gold(nested)]).data.lost) == (1, 1)


@pytest.mark.parametrize(
    ("base", "fault"),
    [("nowhere", "is not an encoder"), ("smollm2-135m-instruct", "cannot be tuned as an encoder|not on this machine")],
)
def test_what_is_no_encoder_is_refused(made, base, fault):
    with pytest.raises((InputError, ModelError), match=fault):
        made(base=base)


def ask(text, *labels, constraint=True):
    return Request((Message("user", text),), constraint=CopyConstraint(text, labels) if constraint else None)


def test_only_copying_is_answered_and_what_is_too_long_fails_alone(tuned):
    llm = EncoderLLM.opened(tuned)
    requests = [ask("gout", constraint=False), ask("gout " * 200, "disease"), ask("The patient had gout.", "disease")]
    free, long, right = llm.complete(iter(requests))
    assert isinstance(free, LLMError)
    assert "only by copying" in str(free)
    assert isinstance(long, LLMError)
    assert "the window of 202 tokens does not fit into the encoder's 96" in str(long)
    assert right.text == "The patient had [ gout | disease ]."
    assert right.constrained
    (found,) = right.spans
    assert (found.span, found.label) == (Span(16, 20), "disease")


def test_an_endless_stream_is_read_a_few_batches_at_a_time(tuned):
    llm = EncoderLLM.opened(tuned, EncoderSettings(batch=2))
    pulled = []

    def endless():
        while True:
            pulled.append(1)
            yield ask("The patient had gout.", "disease")

    next(llm.complete(endless()))
    assert len(pulled) <= 8


def test_texts_in_any_script_keep_their_offsets(tuned):
    llm = EncoderLLM.opened(tuned)
    texts = [
        "İİ gout ǅ",
        "naïve gout\u0301 😀gout",
        "\u200b",
        "患者gout有",
        "[ gout | disease ] \\ ]",
        "a" * 90,
        "ﬁ gout",
        "\x00",
    ]
    for text, answer in zip(texts, llm.complete([ask(t, "disease") for t in texts]), strict=True):
        assert not isinstance(answer, LLMError), text
    for text in texts:
        doc = Tagger.open(None, encoder=llm, labels=DISEASE, dictionary=None).tag(text)
        assert doc.complete
        assert all(doc.text[e.start : e.end] == e.text for e in doc.entities)


def test_labels_or_formats_that_it_cannot_answer_are_refused_before_any_note(tuned):
    with pytest.raises(ConfigError, match="not tuned for gene together; expected disease or chemical, disease"):
        Tagger.open(None, encoder=tuned, labels=LabelSet.builtin("gene"), dictionary=None)
    with pytest.raises(ConfigError, match="does not answer in json"):
        Tagger.open(None, encoder=tuned, labels=DISEASE, format="json", dictionary=None)


def test_an_encoder_is_no_llm():
    with pytest.raises(ConfigError, match="An encoder is not an LLM: use --llm none --encoder FOLDER"):
        Tagger.open("encoder:folder", labels=DISEASE, dictionary=None)


def test_a_folder_that_is_none_or_damaged_is_refused(tuned, tmp_path):
    with pytest.raises(InputError, match="made by clinspan tune-encoder"):
        EncoderLLM.opened(tmp_path)
    (tmp_path / "card.json").write_text('{"name": "an adapter"}')
    with pytest.raises(InputError, match="not the card of a token classifier"):
        EncoderLLM.opened(tmp_path)
    (tmp_path / "card.json").write_bytes((tuned / "card.json").read_bytes())
    with pytest.raises(ModelError, match="weights are missing"):
        EncoderLLM.opened(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="checksum"):
        EncoderLLM.opened(tmp_path)


class At:
    """Where a run stands, for a validation by hand."""

    def __init__(self, step):
        self.step, self.loss, self.seconds = step, 0.5, float(step)


class _Fixed:
    def __init__(self, f1):
        self.micro = type("Micro", (), {"f1": f1})()


def test_texts_annotated_twice_are_one_row_and_attributes_are_learned(made, tmp_path):
    told = LabelSet(
        "told",
        (replace(DISEASE.labels[0], attributes=(Attribute("state", (("here", "is."), ("gone", "was.")), "here"),)),),
    )
    doc = document("a", "The {gout} went but {ataxia} stays.")
    doc = replace(
        doc,
        entities=tuple(
            replace(e, attributes={"state": s}) for e, s in zip(doc.entities, ("gone", "here"), strict=True)
        ),
    )
    both = replace(doc, entities=tuple(replace(e, attributes={}) for e in doc.entities))
    run = made("attributes", data=(gold(doc, labels=told), gold(both, labels=BOTH, name="mixed")))
    assert len(run.data.rows) == 1
    run.train()
    _, classifier = folder.load(tmp_path / "attributes")
    head = head_for(classifier.heads, told.names)
    (reading,) = classifier.read([classifier.encode(doc.text)], [head])
    found = mentions(reading, head, CopyConstraint(doc.text, told.names), classifier.attributes)
    assert [(e.text, dict(e.attributes)) for e in found] == [("gout", {"state": "gone"}), ("ataxia", {"state": "here"})]


def test_an_exported_encoder_finds_the_same_without_torch(tuned, tmp_path):
    from clinspan.tuning.export import encoder_to_onnx

    before = logging.getLogger().level
    encoder_to_onnx(tuned, tmp_path / "fp32", bits=None)
    card, exported = folder.load(tmp_path / "fp32")
    assert isinstance(exported, OnnxClassifier)
    assert card.card["precision"] == "fp32"
    whole = folder.load_torch(tuned)[1]
    head = head_for(whole.heads, DISEASE.names)
    texts = [doc.text for doc in CORPUS.documents]
    assert [exported.count_tokens(text) for text in texts] == [whole.count_tokens(text) for text in texts]
    windows = [exported.encode(text) for text in texts]
    assert windows == [whole.encode(text) for text in texts]
    ours, theirs = exported.read(windows, [head] * len(texts)), whole.read(windows, [head] * len(texts))
    for mine, yours in zip(ours, theirs, strict=True):
        assert mine.tags == pytest.approx(yours.tags, abs=1e-3)
    encoder_to_onnx(tuned, tmp_path / "int8")
    assert logging.getLogger().level == before
    found = Tagger(EncoderLLM.opened(tmp_path / "int8"), labels=DISEASE, dictionary=None).tag(texts[0])
    assert [e.text for e in found.entities] == [e.text for e in CORPUS.documents[0].entities]


def test_the_mean_of_two_encoders_names_its_own_weights(tuned, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    from open_labels import averaged

    other, mean = tmp_path / "other", tmp_path / "mean"
    shutil.copytree(tuned, other)
    file = other / "model.safetensors"
    save_file({name: 3 * one for name, one in load_file(file).items()}, str(file), metadata={"format": "pt"})
    averaged(mean, [other, tuned])
    first, found = load_file(tuned / "model.safetensors"), load_file(mean / "model.safetensors")
    assert all(bool((found[name] == 2 * first[name]).all()) for name in first)
    card = folder.read_card(mean)
    assert card.sha256 != folder.read_card(tuned).sha256
    assert card.sha256 in (mean / "README.md").read_text()


def test_an_encoder_of_fewer_bits_zips_to_less_and_finds_the_same(tuned, tmp_path):
    import numpy as np
    import onnx
    from onnx import numpy_helper

    from clinspan.tuning.export import encoder_to_onnx

    whole, small = tmp_path / "7", tmp_path / "6"
    encoder_to_onnx(tuned, whole)
    encoder_to_onnx(tuned, small, bits=6)
    assert folder.read_card(small).card["precision"] == "int8, 6 bits used"
    for made, most in ((whole, 129), (small, 65)):
        graph = onnx.load(str(made / "model.onnx")).graph
        layers = {node.input[1] for node in graph.node if node.op_type == "MatMulInteger" and "/layer." in node.name}
        used = [{*numpy_helper.to_array(t).ravel().tolist()} for t in graph.initializer if t.name in layers]
        assert len(used) == len(layers) > 0
        assert all(len(numbers) <= most for numbers in used)
        # Two products of a byte and such a number fit into 16 bits, where processors without VNNI add them.
        assert all(min(numbers) >= -64 and max(numbers) <= 64 for numbers in used)
        words = [t for t in graph.initializer if t.name.endswith("word_embeddings.weight_quantized")]
        assert [len(np.unique(numpy_helper.to_array(t))) > 129 for t in words] == [True]
    packed = [len(zlib.compress((made / "model.onnx").read_bytes())) for made in (whole, small)]
    assert packed[1] < packed[0]
    text = CORPUS.documents[0]
    found = Tagger(EncoderLLM.opened(small), labels=DISEASE, dictionary=None).tag(text.text)
    assert [e.text for e in found.entities] == [e.text for e in text.entities]
    with pytest.raises(ValueError, match="expected 4 to 7"):
        encoder_to_onnx(tuned, tmp_path / "3", bits=3)


def test_what_cannot_be_exported_is_refused(tuned, tmp_path):
    from clinspan.tuning.export import encoder_to_onnx

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OutputError, match="is not empty"):
        encoder_to_onnx(tuned, tmp_path / "full")
    encoder_to_onnx(tuned, tmp_path / "onnx", bits=None)
    with pytest.raises(ModelError, match="was exported as ONNX"):
        encoder_to_onnx(tmp_path / "onnx", tmp_path / "again")


def test_an_encoder_learns_to_find_what_is_described_and_goes_on_from_its_export(made, tmp_path, monkeypatch):
    from clinspan.tuning.base import thawed
    from clinspan.tuning.export import encoder_to_onnx

    monkeypatch.setenv("CLINSPAN_CACHE", str(tmp_path / "cache"))
    settings = replace(SETTINGS, described=True, passes=80)
    run = made("described", data=[TOLD], settings=settings, held=[TOLD])
    run.train()
    card = folder.read_card(tmp_path / "described")
    assert card.described
    assert card.card["scores"][0]["strict"]["all"]["f1"] == 1.0
    (doc,) = TOLD.documents
    encoder_to_onnx(tmp_path / "described", tmp_path / "int8")
    for place in ("described", "int8"):
        with Tagger.open(encoder=tmp_path / place, labels=TOLD.labels, dictionary=None) as tagger:
            found = tagger.tag(replace(doc, entities=()))
        assert [(e.text, e.label) for e in found.entities] == [("aspirin", "chemical"), ("gout", "disease")]
    with pytest.raises(ConfigError, match="was not given one"):
        EncoderLLM.opened(tmp_path / "int8")
    before = dict(folder.load_torch(tmp_path / "described")[1].model.named_parameters())
    again = made("again", data=[TOLD], settings=settings, base=thawed(tmp_path / "int8"))
    for name, weight in again.classifier.model.named_parameters():
        assert weight.detach().numpy() == pytest.approx(before[name].detach().numpy(), abs=0.02), name


def test_a_window_with_its_description_must_fit(made, tmp_path):
    run = made("described", data=[MIXED], settings=replace(SETTINGS, described=True, passes=1))
    run.train()
    llm = EncoderLLM.opened(tmp_path / "described", labels=BOTH)
    constraint = CopyConstraint("word " * 400, BOTH.names)
    (answer,) = llm.complete([Request((), constraint=constraint)])
    assert "does not fit" in str(answer)
    with pytest.raises(ConfigError, match="not given a description of 'gene'"):
        list(llm.complete([Request((), constraint=CopyConstraint("gout", ("gene",)))]))
