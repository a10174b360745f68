"""The encoders that come with clinspan, as they are run."""

import subprocess
import sys
from threading import get_ident

import pytest

from clinspan.classifier.folder import named
from clinspan.classifier.model import OnnxClassifier
from clinspan.llms.encoder import EncoderLLM, EncoderSettings
from clinspan.messages import CopyConstraint, Request

pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from clinspan import Tagger
with Tagger.open(labels="disease", threads=1) as tagger:
    print([entity.text for entity in tagger.tag("She has breast cancer.").entities])
"""


def test_threads_are_set_without_torch():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['breast cancer']"


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_read_than_are_asked_for(monkeypatch, threads):
    readers = set()
    run = OnnxClassifier._run
    monkeypatch.setattr(OnnxClassifier, "_run", lambda self, ids: readers.add(get_ident()) or run(self, ids))
    encoder = EncoderLLM.opened(named("literature"), EncoderSettings(threads=threads))
    requests = [Request((), constraint=CopyConstraint("She has gout.", ("disease",)))] * 16
    assert all(answer.spans for answer in encoder.complete(requests))
    assert 1 <= len(readers) <= threads


def test_an_answer_depends_neither_on_other_windows_nor_on_threads():
    texts = [
        "She has gout.",
        "Colon cancer ran in the family of this man, whose aunt had lupus.",
        "No fever.",
    ]
    requests = [Request((), constraint=CopyConstraint(text, ("disease",), consider=0.001)) for text in texts]
    one, two = (EncoderLLM.opened(named("literature"), EncoderSettings(threads=threads)) for threads in (1, 2))
    alone = [next(iter(one.complete([request]))).spans for request in requests]
    assert [answer.spans for answer in one.complete(requests)] == alone
    assert [answer.spans for answer in two.complete(requests)] == alone
