"""Every setting of a tagging run, declared once: its name, type, default, help and what it belongs to.

The table `SETTINGS` gives the options of `clinspan tag`, the keyword arguments of `Tagger.open`, the keys of an
ablation plan, the description in a report, and the names by which two runs are told apart. A setting has the same name
everywhere: `window-tokens` in the shell and in TOML, `window_tokens` in Python.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from pathlib import Path
from typing import Literal, get_args, get_origin

from clinspan import formats
from clinspan.corpora.catalogue import FORMATS
from clinspan.dictionary.facts import FactsMode
from clinspan.errors import ConfigError
from clinspan.examples.selection import MentionSource, Order, Strategy
from clinspan.labels import builtin_names
from clinspan.llms.spec import kinds, spec_forms
from clinspan.messages import CandidateMode


class Of(StrEnum):
    """What a setting belongs to."""

    INPUT = "input"
    """How documents are read."""
    OUTPUT = "output"
    """Where results go, and what the terminal shows."""
    PART = "part"
    """A part of the tagger, by name."""
    EXAMPLES = "examples"
    """How annotated documents are read."""
    LLM = "llm"
    """The LLM itself; which ones a kind of LLM takes is in `llms.spec`."""
    TAGGING = "tagging"
    """How the stages work together: a place in `TagSettings`."""
    RUN = "run"
    """What is kept of a run, and what it may spend."""
    CLUSTER = "cluster"
    """Where documents are tagged."""


DEFAULT_LABELS = "problem-treatment-test"
"""The label set where none is named: for notes, which is what people mostly have."""

INPUTS = "The inputs"
MODEL = "The model"
TAGGING = "How to tag"
EXAMPLES = "The examples in the prompt"
LONG = "Long runs"
CLUSTER = "More than one process"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: as the shell and TOML have it.
        type: of its values: bool, int, float, str, Path, an Enum or a Literal.
        help: one sentence or two.
        of: what it belongs to.
        at: its place in `TagSettings`, with dots; empty where it has none.
        default: None where what suits the LLM is taken, or nothing.
        group: the heading in the help; None for those that most people need.
        short: the option's short form.
        least, most: bounds of a number.
        switch: for a bool: whether the shell has `--no-NAME` too.
        many: whether it may be given more than once.
        envvar: an environment variable that gives it.
        values: some of the texts that it can be, for completion.
    """

    name: str
    type: object
    help: str
    of: Of = Of.TAGGING
    at: str = ""
    default: object = None
    group: str | None = None
    short: str | None = None
    least: float | None = None
    most: float | None = None
    switch: bool = False
    many: bool = False
    envvar: str | None = None
    values: Callable[[], Iterable[str]] | None = None

    @property
    def key(self) -> str:
        """The name as Python has it."""
        return "source" if self.name == "from" else self.name.replace("-", "_")

    @property
    def choices(self) -> tuple[str, ...] | None:
        """The only texts that it can be; None where others are possible."""
        if isinstance(self.type, type) and issubclass(self.type, Enum):
            return tuple(str(member.value) for member in self.type)
        return get_args(self.type) if get_origin(self.type) is Literal else None

    def value(self, given: object) -> object:
        """The value as the setting has it: a member for the text of an Enum; None stays None.

        Raises:
            ConfigError: when the setting cannot be that.
        """
        if given is None:
            return None
        choices = self.choices
        if choices is not None:
            text = given.value if isinstance(given, Enum) else given
            if text not in choices:
                raise ConfigError(f"{self.name} is {given!r}", expected=f"one of {', '.join(choices)}")
            return self.type(text) if isinstance(self.type, type) else text
        number = isinstance(given, int | float) and not isinstance(given, bool)
        if self.type in (int, float):
            if not number or (self.type is int and not isinstance(given, int)) or not self._within(given):
                raise ConfigError(f"{self.name} is {given!r}", expected=self.numbers())
        elif self.type in (bool, str) and not isinstance(given, self.type):
            expected = "True or False" if self.type is bool else "text"
            raise ConfigError(f"{self.name} is {given!r}", expected=expected)
        return given

    def _within(self, given: object) -> bool:
        assert isinstance(given, int | float)
        return (self.least is None or given >= self.least) and (self.most is None or given <= self.most)

    def numbers(self) -> str:
        """Which numbers it can be, in words."""
        what = "a whole number" if self.type is int else "a number"
        if self.least is not None and self.most is not None:
            return f"{what} from {self.least:g} to {self.most:g}"
        return what + (f", {self.least:g} or more" if self.least is not None else "")


def _texts(*texts: str) -> Callable[[], Iterable[str]]:
    return lambda: texts


def _llms() -> list[str]:
    return ["auto", "none", *(name if kind.default else f"{name}:" for name, kind in kinds().items())]


def _group(heading: str | None, *settings: Setting) -> tuple[Setting, ...]:
    return tuple(replace(setting, group=heading) for setting in settings)


def _table(*groups: Sequence[Setting]) -> dict[str, Setting]:
    return {setting.name: setting for group in groups for setting in group}


# fmt: off
SETTINGS: Mapping[str, Setting] = _table(
    _group(
        None,
        Setting("output", Path, of=Of.OUTPUT, short="-o",
                help="The output, in the format that its ending says (.jsonl, .parquet, .csv, .fhir.json and others); "
                     "`-` for JSON lines on standard output. Without it, the entities are shown on the terminal."),
        Setting("labels", str, of=Of.PART, default=DEFAULT_LABELS, values=builtin_names,
                help="A label set (`clinspan labels list`) or the path of a labels.toml."),
        Setting("llm", str, of=Of.PART, default="auto", values=_llms,
                help=f"What names the entities: `auto` (what comes with clinspan for these labels), "
                     f"{', '.join(spec_forms())}."),
        Setting("base-url", str, of=Of.LLM,
                help="The server's address: `http://HOST:PORT/v1` or `unix:/PATH`."),
        Setting("dictionary", str, of=Of.PART, default="open", values=_texts("open", "none"),
                help="`open` (packaged vocabularies, built on first use), `none`, or a folder made by `clinspan "
                     "dictionary build`."),
        Setting("examples", Path, of=Of.PART,
                help="A pool made by `clinspan examples build`, annotated documents, or `notes`, those that come with "
                     "clinspan. Prompts show them (see --select), and the dictionary learns from them which of its "
                     "terms are meant. An LLM that follows instructions is shown `notes` by default where they were "
                     "annotated for the labels."),
        Setting("report", Path, of=Of.OUTPUT,
                help="Write a self-contained HTML page to read the result on."),
        Setting("run", Path, of=Of.RUN,
                help="A folder that keeps every answer, so that the same command goes on where it was broken off."),
        Setting("from", str, of=Of.INPUT, values=_texts(*FORMATS),
                help=f"The inputs' format ({', '.join(FORMATS)}); recognised if not given."),
        Setting("force", bool, of=Of.OUTPUT, default=False,
                help="Replace outputs that exist."),
        Setting("quiet", bool, of=Of.OUTPUT, default=False, short="-q",
                help="Say nothing but errors."),
        Setting("verbose", bool, of=Of.OUTPUT, default=False, short="-v",
                help="Show what became of each document."),
    ),
    _group(
        INPUTS,
        Setting("text-column", str, of=Of.INPUT, default="text",
                help="The column of CSV files that holds the text."),
        Setting("id-column", str, of=Of.INPUT,
                help="The column of CSV files that holds the id."),
        Setting("encoding", str, of=Of.INPUT, default="utf-8",
                help="The encoding of the inputs; it is never guessed."),
    ),
    _group(
        MODEL,
        Setting("adapter", str, of=Of.PART, values=_texts("none"),
                help="An adapter's folder, or `none`; without it the one that comes with clinspan is used where "
                     "its labels are asked for."),
        Setting("encoder", Path, of=Of.PART,
                help="A folder made by `clinspan tune-encoder`, or `literature`, `clinical-notes` or `open-labels`, "
                     "which come with clinspan: it decides where no LLM is asked, and alone with `--llm none`."),
        Setting("yes", bool, of=Of.INPUT, default=False, short="-y",
                help="Fetch a model that is missing without asking. Without it a terminal asks, and elsewhere it is an "
                     "error."),
        Setting("allow-remote", bool, of=Of.LLM, default=False,
                help="Let notes leave this machine for that address."),
        Setting("concurrency", int, of=Of.LLM, least=1,
                help="The most requests to a server at once. clinspan finds out how many the server can take."),
        Setting("timeout", float, of=Of.LLM,
                help="Seconds that a server may take for one answer."),
        Setting("context", int, of=Of.LLM,
                help="Tokens that fit into a request and its answer together."),
        Setting("threads", int, of=Of.LLM, least=1,
                help="Threads of a model in this process; a small one answers as many requests at once."),
        Setting("grammar", str, of=Of.LLM, values=_texts("llamacpp", "vllm"),
                help="Use a grammar, so that a server can only answer with a copy of the text: `llamacpp` or `vllm`, "
                     "the kind of server."),
        Setting("temperature", float, of=Of.LLM,
                help="Sampling temperature of a server. 0, the default, takes the likeliest answer."),
        Setting("seed", int, of=Of.LLM,
                help="Random seed of a server's sampling."),
        Setting("record", Path, of=Of.RUN,
                help="Write the LLM's answers to this file, for `--llm replay:FILE`. It holds text of the notes."),
    ),
    _group(
        TAGGING,
        Setting("calibration", str, of=Of.PART, values=_texts("none"),
                help="What `clinspan calibrate` learned, or `none`; without it what came with the adapter."),
        Setting("fused", str, of=Of.PART, values=_texts("none"),
                help="What weighs dictionary, encoder and LLM together: a file made by `clinspan fuse`, or "
                     "`none`; without it the one that comes with clinspan for these labels and sources."),
        Setting("explain", bool, of=Of.PART, default=False,
                help="Keep what each source said of every candidate, for `clinspan explain` and the report."),
        Setting("format", str, of=Of.PART, default="tanl", values=formats.names,
                help="How the LLM answers (docs: formats)."),
        Setting("style", Literal["full", "brief"], at="prompt.style",
                help="`full` gives definitions and instructions; `brief` names the labels only, for models tuned "
                     "on it."),
        Setting("attributes", Literal["rules", "model"], at="prompt.attributes",
                help="What finds attributes such as assertion: `model` asks the LLM, and rules fill in what it leaves "
                     "out; `rules` does not ask it, which is the default for small LLMs and those tuned without "
                     "attributes."),
        Setting("assertion", Literal["encoder", "rules"], at="assertion",
                help="Who says whether a problem is present, denied, past and so on: an encoder, and rules where it is "
                     "not sure; or rules alone. Without a model it is the rules."),
        Setting("effort", Literal["fast", "balanced", "full"], of=Of.PART,
                help="`fast`: encoder and dictionary alone; `balanced`: the LLM is asked where a fused model expects "
                     "it to gain, the default where one knows encoder and LLM; `full`: it is asked everywhere."),
        Setting("ask", Literal["always", "candidates", "doubt"], at="ask",
                help="Ask about every window, only where the dictionary proposes something, or only where a fused "
                     "model over encoder and dictionary leaves doubt."),
        Setting("ask-share", float, at="ask_share", least=0.001, most=1,
                help="With `--ask doubt`: the LLM is asked where it is expected to gain as much as in this share of "
                     "the windows that the fused model was fitted on."),
        Setting("candidates", CandidateMode, at="candidates",
                help="What the embedded model makes of the dictionary's proposals: nothing, a bonus, or the only "
                     "entities possible."),
        Setting("candidate-bias", float, at="candidate_bias",
                help="Added to the log-odds of an entity where the dictionary proposes one."),
        Setting("open-bias", float, at="open_bias",
                help="Added to the log-odds of an entity anywhere: the recall dial."),
        Setting("consider", float, at="consider", least=1e-6, most=1,
                help="Of an encoder also the mentions with at least this probability that are not in the likeliest "
                     "set; they may overlap. What `clinspan calibrate --recall` chooses from."),
        Setting("facts", FactsMode, at="facts.mode",
                help="What the prompt tells of terms that the dictionary knows."),
        Setting("facts-budget", int, at="facts.budget", least=0,
                help="Tokens that the facts of a prompt may take."),
        Setting("facts-from", Literal["scan", "propose", "both"], at="facts.source",
                help="Terms that stand in the text, that the LLM lists first (a further call), or both."),
        Setting("codes", str, at="links.codes", values=_texts("icd10cm,mesh", "mondo", "hpo", "mesh", "drugs"),
                help="Report codes of these vocabularies only, separated by commas, the most wanted first."),
        Setting("link-precision", float, at="links.precision", least=0, most=1,
                help="Report a concept only where the probability that it is right is known and at least this."),
        Setting("window-tokens", int, at="windows.max_tokens", least=4,
                help="The longest window, in tokens."),
        Setting("window-sentences", int, at="windows.max_sentences", least=1,
                help="The most sentences in a window. Such windows share no sentence unless --overlap-sentences says "
                     "so."),
        Setting("overlap-sentences", int, at="windows.overlap_sentences", least=0,
                help="How many sentences two neighbouring windows share."),
    ),
    _group(
        EXAMPLES,
        Setting("select", Strategy, at="examples.strategy",
                help="How examples are chosen for each window: the label set's own (fixed), at random, by similarity "
                     "(knn), by the mentions that the text may hold (entity), similar but unlike each other "
                     "(diverse), of every label (balanced). The default is fixed, and knn for `--examples notes`."),
        Setting("k", int, at="examples.k", least=0, short="-k",
                help="The most examples in a prompt."),
        Setting("examples-order", Order, at="examples.order",
                help="The order of the examples. In the study the most similar stands last."),
        Setting("examples-tokens", int, at="examples.tokens", least=0,
                help="The most tokens that examples may take. The least similar are left out first."),
        Setting("examples-by", str, at="examples.retriever", values=_texts("lexical"),
                help="What measures similarity: lexical, or the pool's encoder, which is taken where there is one."),
        Setting("examples-as", Literal["turns", "message"], at="prompt.examples_as",
                help="As turns of the chat, or all in the system message, for models whose template allows no such "
                     "turns."),
        Setting("select-seed", int, at="examples.seed",
                help="Random seed for drawing and shuffling examples."),
        Setting("select-mentions", MentionSource, at="examples.mentions",
                help="For `entity`: whose mentions are looked for in the text."),
        Setting("select-relevance", float, at="examples.relevance", least=0, most=1,
                help="For `diverse`: the weight of similarity to the text against variety."),
        Setting("map", str, of=Of.EXAMPLES, many=True,
                help="Rename a label of the examples: FROM=TO."),
        Setting("skip-wrong", bool, of=Of.EXAMPLES, default=False,
                help="Leave out examples' documents with a fault instead of stopping."),
        Setting("teach", bool, of=Of.EXAMPLES, default=True, switch=True,
                help="Whether the examples also teach which of the dictionary's terms are meant."),
    ),
    _group(
        LONG,
        Setting("cache", bool, of=Of.RUN, switch=True,
                help="Reuse answers of earlier runs, and keep those of this run. On by default for servers."),
        Setting("dry-run", bool, of=Of.RUN, default=False,
                help="Show the requests, tokens and money that the run would take, and send nothing."),
        Setting("prices", Path, of=Of.RUN, envvar="CLINSPAN_PRICES",
                help="A TOML file of prices per million tokens."),
        Setting("max-tokens-total", int, of=Of.RUN, least=0,
                help="Stop before the run uses more tokens than this."),
        Setting("max-cost", float, of=Of.RUN, least=0,
                help="Stop before the run costs more than this."),
        Setting("log", Path, of=Of.RUN,
                help="Append a log as JSON lines. It holds no text of any note."),
    ),
    _group(
        CLUSTER,
        Setting("engine", Literal["local", "ray"], of=Of.CLUSTER, default="local",
                help="Tag in this process, or on Ray: the same results in the same order."),
        Setting("ray-address", str, of=Of.CLUSTER,
                help="HOST:PORT of a Ray cluster that this machine belongs to; without it one is started on this "
                     "machine alone."),
        Setting("ray-workers", int, of=Of.CLUSTER, least=1,
                help="Processes that each hold model and dictionary; one for each processor if not given."),
    ),
)
# fmt: on
"""By the name that the shell has."""

TAGGING_SETTINGS: Mapping[str, Setting] = {setting.key: setting for setting in SETTINGS.values() if setting.at}
"""Those that have a place in `TagSettings`, by the name that Python has."""
