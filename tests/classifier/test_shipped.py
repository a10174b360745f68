"""The encoders that come with clinspan, as they are run."""

import subprocess
import sys

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
def test_as_many_threads_read_as_are_asked_for(monkeypatch, threads):
    parts = []
    run = OnnxClassifier._run
    monkeypatch.setattr(OnnxClassifier, "_run", lambda self, windows: parts.append(len(windows)) or run(self, windows))
    encoder = EncoderLLM.opened(named("literature"), EncoderSettings(threads=threads))
    requests = [Request((), constraint=CopyConstraint("She has gout.", ("disease",)))] * 6
    assert all(answer.spans for answer in encoder.complete(requests))
    assert sorted(parts) == [6 // threads] * threads
