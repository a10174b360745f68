from pool_parts import marked

from clinspan.document import Document
from clinspan.examples.build import build
from clinspan.examples.pool import Pool
from clinspan.examples.store import documents_of, rejoined

PROSE = marked(
    "a", "She has gout. No fever was seen. Colchicine was given.", ("gout", "disease"), ("Colchicine", "drug")
)
LINES = marked("b", "Assessment\n- renal failure\n- gout of the toe\n", ("renal failure", "disease"))
REPEATS = marked("c", "No fever was seen. Asthma is mild.", ("Asthma", "disease"))


def test_documents_are_put_together_again(tmp_path):
    build([PROSE, LINES, REPEATS], tmp_path, labels=("disease", "drug"))
    prose, lines, repeats = rejoined(Pool.open(tmp_path))
    assert prose == PROSE
    assert (lines.text, lines.entities) == (LINES.text.strip(), LINES.entities)
    assert repeats == marked("c", "Asthma is mild.", ("Asthma", "disease"))


def test_examples_are_documents_by_themselves(tmp_path):
    build([PROSE], tmp_path, labels=("disease", "drug"))
    first, second, third = documents_of(Pool.open(tmp_path))
    assert first == marked("a:0", "She has gout.", ("gout", "disease"))
    assert second == Document("a:14", "No fever was seen.")
    assert third.id == "a:33"
