"""Labels of a user's own, found offline by the encoder that comes with clinspan: the tutorial's example."""

import re
from pathlib import Path

import pytest

from clinspan.labels import LabelSet
from clinspan.tagging.tagger import Tagger
from clinspan.tagging.told import hints

pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
TUTORIAL = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")


def test_the_tutorials_labels_are_found_as_it_says(tmp_path):
    toml = re.search(r"Write `mine.toml`:\n\n```toml\n(.*?)```", TUTORIAL, re.DOTALL)[1]
    (tmp_path / "mine.toml").write_text(toml)
    text = re.search(r'echo "([^"]*)" > notes/two.txt', TUTORIAL)[1]
    labels = LabelSet.load(str(tmp_path / "mine.toml"))
    assert list(hints(labels)) == []
    with Tagger.open(labels=labels, dictionary=None) as tagger:
        found = tagger.tag(text)
        assert found.complete
        said = {(e.text, e.label) for e in found.entities}
        assert said == {("bus driver", "occupation"), ("Mother", "relative"), ("left knee", "body site")}
        assert all(e.score is None for e in found.entities)
        remarks = [remark.name for remark in tagger.remarks()]
    assert "found by what their definitions say" in remarks


def test_genes_are_found():
    with Tagger.open(labels="gene", dictionary=None) as tagger:
        found = tagger.tag("Mutations of BRCA1 and TP53 were seen, but none of the EGFR gene.")
    assert {"BRCA1", "TP53"} <= {e.text for e in found.entities}
