"""Fixtures that every test folder uses."""

import os
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from clinspan.errors import ModelError
from clinspan.models.registry import path_of

# A busy machine is no failure: nothing here is timed.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make test` tries the same examples each time.
settings.register_profile("repeatable", UNTIMED, derandomize=True, database=None)
# `make test-random` tries new ones, more of them, and keeps in .hypothesis what fails.
settings.register_profile("random", UNTIMED, derandomize=False, max_examples=1000, print_blob=True)
settings.load_profile("repeatable")

LEFT_OUT = "clinspan/left-out"


def pytest_addoption(parser):
    parser.addoption("--left-out", action="store_true", help="run only the tests that the last whole run skipped")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--left-out"):
        wanted = set(config.cache.get(LEFT_OUT, []))
        # A module that was skipped as a whole stands there by its own name.
        kept = [item for item in items if wanted & {item.nodeid, item.nodeid.partition("::")[0]}]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_sessionfinish(session, exitstatus):
    """Where the last whole run skipped nothing, running none of it is no failure."""
    config = session.config
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and config.getoption("--left-out"):
        session.exitstatus = pytest.ExitCode.OK


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    """Ends with what was left out, by reason, and keeps it for `--left-out`."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    whole = (
        config.args_source is config.ArgsSource.TESTPATHS and not config.option.keyword and not config.option.markexpr
    )
    if whole and not config.getoption("--left-out") and hasattr(config, "cache"):
        config.cache.set(LEFT_OUT, sorted({report.nodeid for report in skipped}))
    if reasons:
        terminalreporter.section(f"left out: {len(skipped)}")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:5}  {reason}")


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 600_000
"""Milliseconds for a page to open or an element to come: a busy machine is no failure."""


class Pages:
    """Opens contexts of one browser, each with patience."""

    def __init__(self, chromium):
        self._chromium = chromium

    def new_context(self, **options):
        context = self._chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        return context


@pytest.fixture(scope="session")
def shared():
    """A function that finds a piece of the optional evaluation material, or skips the test and names it."""
    root = Path(os.environ.get("CLINSPAN_SHARED", Path(__file__).parent.parent.parent / "shared"))

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"needs {relative}, which is not on this machine (set CLINSPAN_SHARED to its folder)")
        return path

    return find


@pytest.fixture(scope="session")
def smollm2():
    """The path of the embedded model's weights, or skips the test and says how to get them."""
    if find_spec("xllamacpp") is None:
        pytest.skip("needs the extra 'embedded'")
    try:
        return path_of("smollm2-135m-instruct")
    except ModelError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory):
    """A folder with a llama of two layers and random weights, in Hugging Face's layout."""
    for package in ("torch", "transformers", "peft", "gguf"):
        if find_spec(package) is None:
            pytest.skip(f"needs the extra 'train' ({package} is not installed)")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(
        ["The patient had ataxia and gout and was treated. Mark: disease [ ataxia | disease ]"],
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", bos_token="<|im_start|>")
    fast.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    folder = tmp_path_factory.mktemp("tiny")
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """A folder with a BERT of two layers and random weights, in Hugging Face's layout; its vocabulary has few words."""
    for package in ("torch", "transformers", "accelerate"):
        if find_spec(package) is None:
            pytest.skip(f"needs the extra 'train' ({package} is not installed)")
    import torch
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,;:()-/%"
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = ["gout", "ataxia", "colon", "cancer", "aspirin", "##itis"]
    pieces = [*specials, *letters, *(f"##{c}" for c in letters), *words]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path_factory.mktemp("encoder") / "tiny-bert"
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=96,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def browser():
    """Chromium as the machine has it, or a skip that says what is missing."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium on the PATH (Debian: apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE)
        yield Pages(chromium)
        chromium.close()
