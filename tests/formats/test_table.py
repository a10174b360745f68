import os
from pathlib import Path

import pytest

from clinspan import formats
from clinspan.errors import ConfigError
from clinspan.labels import LabelSet
from clinspan.prompt import build

GOLDEN = Path(__file__).parent.parent / "golden"
LABELS = LabelSet.builtin("disease")
NOTE = "Her sister had breast cancer [stage II] | no sign of Lynch syndrome, CA-125 <90."


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'tanl'"):
        formats.by_name("tanel")


@pytest.mark.parametrize("name", formats.names())
def test_the_whole_prompt(name):
    messages = build(
        NOTE,
        labels=LABELS,
        form=formats.by_name(name),
        examples=LABELS.examples,
        facts=["breast cancer is a Neoplastic Process"],
    )
    shown = "".join(f"--- {m.role}\n{m.content}\n" for m in messages)
    golden = GOLDEN / f"prompt-{name.replace(':', '-')}.txt"
    if os.environ.get("CLINSPAN_WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
