"""The options of `clinspan tag` but those of examples, as its help groups them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clinspan.cli.engine import Engine
from clinspan.corpora import catalogue
from clinspan.dictionary.facts import FactsMode
from clinspan.llms import spec

TAGGING = "How to tag"
MODEL = "The model"
LONG = "Long runs"
CLUSTER = "More than one process"


class Ask(StrEnum):
    """Which windows the LLM is asked about."""

    always = "always"
    candidates = "candidates"


class Candidates(StrEnum):
    """What the dictionary's proposals are to a constrained decoder."""

    off = "off"
    prefer = "prefer"
    only = "only"


class FactsFrom(StrEnum):
    """Whose terms the facts are about."""

    scan = "scan"
    propose = "propose"
    both = "both"


Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="Files, folders, JSONL, CSV, Parquet, or `-` for standard input."),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="The JSONL file, a document a line, or NAME.parquet; `-` for standard output."),
]
Labels = Annotated[str, typer.Option(help="A label set (`clinspan labels list`) or the path of a labels.toml.")]
LLM = Annotated[
    str, typer.Option(help=f"What names the entities: {', '.join(spec.spec_forms())}.", rich_help_panel=MODEL)
]
Dictionary = Annotated[
    str,
    typer.Option(
        help="`open` (packaged vocabularies, built on first use), `none`, or a folder made by "
        "`clinspan dictionary build`."
    ),
]
Report = Annotated[Path | None, typer.Option(help="Write a self-contained HTML page to read the result on.")]
Source = Annotated[
    str | None,
    typer.Option("--from", help=f"The inputs' format ({', '.join(catalogue.FORMATS)}); recognised if not given."),
]
TextColumn = Annotated[str, typer.Option(help="The column of CSV files that holds the text.")]
IdColumn = Annotated[str | None, typer.Option(help="The column of CSV files that holds the id.")]
Encoding = Annotated[str, typer.Option(help="The encoding of the inputs; it is never guessed.")]
Force = Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what became of every document.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(help="The server's address: `http://HOST:PORT/v1` or `unix:/PATH`.", rich_help_panel=MODEL),
]
AllowRemote = Annotated[
    bool,
    typer.Option("--allow-remote", help="Let notes leave this machine for that address.", rich_help_panel=MODEL),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Requests to a server under way at once, at most; how many it bears is tried out.",
        rich_help_panel=MODEL,
    ),
]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds that a server may take for one answer.", rich_help_panel=MODEL)
]
Context = Annotated[
    int | None,
    typer.Option(help="Tokens that fit into a request and its answer together.", rich_help_panel=MODEL),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Threads of a model in this process; a small one answers as many requests at once.",
        rich_help_panel=MODEL,
    ),
]
Grammar = Annotated[
    str | None,
    typer.Option(
        help="Hold a server to copies by a grammar: `llamacpp` or `vllm`, by what it is.", rich_help_panel=MODEL
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(help="A server's sampling; 0, the default, takes the likeliest answer.", rich_help_panel=MODEL),
]
Seed = Annotated[int | None, typer.Option(help="Of a server's sampling.", rich_help_panel=MODEL)]
Record = Annotated[
    Path | None,
    typer.Option(
        help="Write the LLM's answers to this file, for `--llm replay:FILE`. It holds text of the notes.",
        rich_help_panel=MODEL,
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        help="An adapter's folder, or `none`; without it the one that comes with clinspan is used where "
        "its labels are asked for.",
        rich_help_panel=MODEL,
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(
        help="What `clinspan calibrate` learned, or `none`; without it what came with the adapter.",
        rich_help_panel=TAGGING,
    ),
]
Form = Annotated[str, typer.Option("--format", help="How the LLM answers (docs: formats).", rich_help_panel=TAGGING)]
WhenAsked = Annotated[
    Ask | None,
    typer.Option(
        help="Ask about every window, or only where the dictionary proposes something.", rich_help_panel=TAGGING
    ),
]
Proposals = Annotated[
    Candidates | None,
    typer.Option(
        help="What proposals are to the embedded model: nothing, a bonus, or the only entities possible.",
        rich_help_panel=TAGGING,
    ),
]
CandidateBias = Annotated[
    float | None,
    typer.Option(help="Added to the log-odds of an entity where the dictionary proposes one.", rich_help_panel=TAGGING),
]
OpenBias = Annotated[
    float | None,
    typer.Option(help="Added to the log-odds of an entity anywhere: the recall dial.", rich_help_panel=TAGGING),
]
Facts = Annotated[
    FactsMode | None,
    typer.Option(help="What the prompt tells of terms that the dictionary knows.", rich_help_panel=TAGGING),
]
FactsBudget = Annotated[
    int | None, typer.Option(min=0, help="Tokens that the facts of a prompt may take.", rich_help_panel=TAGGING)
]
FactsSource = Annotated[
    FactsFrom | None,
    typer.Option(
        help="Terms that stand in the text, that the LLM lists first (a further call), or both.",
        rich_help_panel=TAGGING,
    ),
]
WindowTokens = Annotated[
    int | None, typer.Option(min=4, help="The longest window, in tokens.", rich_help_panel=TAGGING)
]
Run = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="A folder that keeps every answer, so that the same command goes on where it was broken off.",
        rich_help_panel=LONG,
    ),
]
Cache = Annotated[
    bool | None,
    typer.Option(
        "--cache/--no-cache",
        help="Take answers of earlier runs, and keep those of this one; on for servers if nothing is said.",
        rich_help_panel=LONG,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what it would take in requests, tokens and money.", rich_help_panel=LONG),
]
Prices = Annotated[
    Path | None,
    typer.Option(envvar="CLINSPAN_PRICES", help="A TOML file of prices per million tokens.", rich_help_panel=LONG),
]
MaxTokensTotal = Annotated[
    int | None, typer.Option(min=0, help="Stop before more tokens than this are used.", rich_help_panel=LONG)
]
MaxCost = Annotated[
    float | None, typer.Option(min=0, help="Stop before it costs more than this.", rich_help_panel=LONG)
]
Log = Annotated[
    Path | None,
    typer.Option(help="Append what happens as JSON lines, without a word of any note.", rich_help_panel=LONG),
]
Where = Annotated[
    Engine,
    typer.Option(help="Tag in this process, or on Ray: the same results in the same order.", rich_help_panel=CLUSTER),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT of a Ray cluster that this machine belongs to; without it one is started on this machine "
        "alone.",
        rich_help_panel=CLUSTER,
    ),
]
RayWorkers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that each hold model and dictionary; one for each processor if not given.",
        rich_help_panel=CLUSTER,
    ),
]
