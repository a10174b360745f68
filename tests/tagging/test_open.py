"""A tagger out of names or parts: what it takes, what it refuses, and that nothing changes it afterwards."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from clinspan import Document, Entity, LabelSet, Span, Tagger
from clinspan.classifier.folder import for_labels
from clinspan.errors import ConfigError, InputError, LabelError
from clinspan.examples.build import temporary

DISEASE = LabelSet.builtin("disease")


@pytest.fixture
def tagger(scripted):
    return Tagger(scripted(lambda text: text.replace("gout", "[ gout | disease ]")), labels=DISEASE)


def test_a_model_that_is_calibrated_for_other_labels_reports_no_scores():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    text = "He has gout."
    with Tagger.open(labels="problem-treatment-test", dictionary=None) as tagger:
        assert all(entity.score is not None for entity in tagger.tag(text).entities)
    with Tagger.open("none", labels=["problem"], encoder=for_labels(["problem", "treatment", "test"])) as tagger:
        found = tagger.tag(text).entities
        assert found
        assert all(entity.score is None for entity in found)


def test_nothing_is_assigned_to_a_tagger(tagger):
    for name in ("llm", "settings", "calibration", "anything"):
        with pytest.raises(AttributeError, match=rf"tagger.with_\({name}=...\)"):
            setattr(tagger, name, None)


def test_with_makes_another_and_leaves_the_first(tagger, scripted):
    silent = scripted(lambda text: text)
    other = tagger.with_(llm=silent, settings=replace(tagger.settings, open_bias=1.0))
    assert [e.text for e in tagger.tag("He has gout.").entities] == ["gout"]
    assert other.tag("He has gout.").entities == ()
    assert (tagger.settings.open_bias, other.settings.open_bias) == (0.0, 1.0)
    assert other.labels is tagger.labels
    for wrong in ({"model": silent}, {"settings": None}, {"labels": "disease"}):
        with pytest.raises(TypeError):
            tagger.with_(**wrong)


def test_it_closes_its_llm(scripted):
    llm = scripted(lambda text: text)
    llm.close = lambda: closed.append(1)
    closed: list[int] = []
    with Tagger(llm, labels=DISEASE):
        assert closed == []
    assert closed == [1]


@pytest.mark.parametrize(
    "parts", [{"llm": "embedded"}, {"labels": "disease"}, {"dictionary": "open"}, {"format": "json"}, {"settings": {}}]
)
def test_a_name_where_a_part_is_wanted_is_refused_by_name(parts):
    name = next(iter(parts))
    with pytest.raises(TypeError, match=rf"{name} is .*Tagger.open\({name}=...\)"):
        Tagger(**{"labels": DISEASE, **parts})


def test_texts_are_taken_where_documents_are(tagger):
    found = list(tagger.tag_many(["He has gout.", Document("d", "No gout."), "Well."]))
    assert [(d.id, len(d.entities)) for d in found] == [("text-0", 1), ("d", 1), ("text-2", 0)]


def test_what_is_no_text_is_refused_by_its_place(tagger):
    with pytest.raises(TypeError, match="document 0 is None"):
        tagger.tag(None)
    with pytest.raises(TypeError, match="document 1 is 3"):
        list(tagger.tag_many(["Well.", 3]))
    with pytest.raises(TypeError, match="tag\\(\\) takes one"):
        tagger.tag_many("He has gout.")


def test_names_of_labels_choose_the_set_that_has_them():
    problem = Tagger.open(None, labels=["problem"], dictionary=None)
    assert problem.labels.names == ("problem",)
    whole = Tagger.open(None, labels=("test", "problem", "treatment"), dictionary=None)
    assert whole.labels == LabelSet.builtin("problem-treatment-test")
    with pytest.raises(LabelError, match=r"no label set .* has 'problm'.*disease: disease"):
        Tagger.open(None, labels=["problm"])


def test_options_pass_through_to_the_llm_and_to_tagging(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with Tagger.open(
        "openai:m", base_url="http://127.0.0.1:9/v1", timeout=7, dictionary=None, window_tokens=50, facts="none"
    ) as tagger:
        assert "127.0.0.1:9" in tagger.llm.name
        assert (tagger.settings.windows.max_tokens, tagger.settings.facts.mode) == (50, "none")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"llm": "none", "base_ulr": "x"}, "there is no setting 'base_ulr'.*base_url"),
        ({"llm": "none", "window_token": 3}, "there is no setting 'window_token'.*window_tokens"),
        ({"llm": "none", "window_tokens": 2}, "window-tokens is 2; expected a whole number, 4 or more"),
        ({"llm": "none", "ask": "never"}, "ask is 'never'; expected one of always, candidates"),
        ({"llm": "none", "base_url": "http://localhost:1/v1"}, "base-url"),
    ],
)
def test_an_option_that_nothing_takes_is_refused_by_name(options, says):
    with pytest.raises(ConfigError, match=says):
        Tagger.open(labels="disease", dictionary=None, **options)


def test_an_open_llm_takes_no_options(tagger):
    with pytest.raises(ConfigError, match="timeout is for an LLM that is opened by its name"):
        Tagger.open(tagger.llm, dictionary=None, timeout=3)


def test_eight_threads_share_a_tagger(scripted):
    def answer(text: str) -> str:
        return text.replace("gout", "[ gout | disease ]")

    shown = [
        Document(
            str(n),
            f"Case {n} had gout.",
            (Entity(Span(len(f"Case {n} had "), len(f"Case {n} had gout")), "disease", "gout"),),
        )
        for n in range(30)
    ]
    texts = [f"Patient {n} has gout and is {n % 90} years old. No {n} else." for n in range(160)]
    pool = temporary(shown, labels=("disease",))
    options = {"labels": "disease", "dictionary": None, "examples": pool, "select": "knn", "k": 2}
    alone = [Tagger.open(scripted(answer), **options).tag(text) for text in texts]
    shared = Tagger.open(scripted(answer), **options)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(shared.tag, texts)) == alone
    (told,) = [remark.value for remark in shared.remarks() if remark.name == "examples shown"]
    assert f"{2 * len(shared.llm.requests)} in {len(shared.llm.requests)} prompts" in told


def test_an_encoder_that_comes_with_clinspan_is_named():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    with Tagger.open("none", labels="disease", encoder="literature", dictionary=None) as tagger:
        assert [entity.text for entity in tagger.tag("Patients with Wilson disease had tremor.").entities][:1] == [
            "Wilson disease"
        ]
    with pytest.raises(InputError, match=r"there is no encoder in literatur\. Name clinical-notes, literature"):
        Tagger.open("none", labels="disease", encoder="literatur", dictionary=None)


def test_genes_are_found_by_the_encoder_for_abstracts_without_scores_that_nobody_calibrated():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    with Tagger.open(labels="gene", dictionary=None) as tagger:
        found = tagger.tag("BRCA1 and TP53 mutations were found.").entities
        assert found[0].text == "BRCA1"
        assert all(entity.score is None for entity in found)
        assert "literature" in tagger.name
