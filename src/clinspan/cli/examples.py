"""`clinspan examples`: pools of annotated examples, and what they hold that resembles a text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.cli.evaluate import renamings, say_recognised
from clinspan.cli.opening import say_left_out
from clinspan.cli.vocabulary import progress_bars
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError
from clinspan.examples import build as builder
from clinspan.examples import retrieve, store
from clinspan.examples.check import Gate, Rules, label_set
from clinspan.examples.embed import LEXICAL, MINILM, open_encoder
from clinspan.examples.pool import MentionIndex, Pool
from clinspan.examples.selection import Order, SelectSettings, Strategy
from clinspan.examples.selector import Selector, Wish
from clinspan.examples.store import SENTENCE, PoolExample
from clinspan.formats import by_name
from clinspan.labels import LabelSet
from clinspan.text.windows import WindowSettings

app = typer.Typer(help="Pools of annotated examples, to show a model what resembles a text.", no_args_is_help=True)

_Gold = Annotated[list[Path], typer.Argument(help="Annotated documents, files or folders in any corpus format.")]
_Pool = Annotated[Path, typer.Option("--examples", help="A pool's folder.")]
_Source = Annotated[str | None, typer.Option("--from", help="The corpus format; recognised when not given.")]
_Rename = Annotated[
    list[str] | None, typer.Option("--map", help="OLD=NAME: a corpus's label under another name; repeatable.")
]
_HoldOut = Annotated[
    list[Path] | None,
    typer.Option(help="Documents to keep out, by id or by text, such as a test split; repeatable."),
]
_Form = Annotated[str, typer.Option("--format", help="The format that must be able to show the examples.")]
_Skip = Annotated[bool, typer.Option("--skip-wrong", help="Leave out documents with a fault instead of stopping.")]


@app.command()
def build(
    gold: _Gold,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the pool; an older pool is replaced.")],
    labels: Annotated[
        str | None,
        typer.Option(help="The label set of the documents: a name or a labels.toml; else their own labels."),
    ] = None,
    rename: _Rename = None,
    source: _Source = None,
    encoder: Annotated[
        str, typer.Option(help=f"{LEXICAL} (words alone), {MINILM}, hf:NAME, or an encoder's folder.")
    ] = LEXICAL,
    pooling: Annotated[
        str | None, typer.Option(help="mean, cls or pooler, for an encoder that does not state it.")
    ] = None,
    window: Annotated[str, typer.Option(help="What an example is: sentence, or so many tokens.")] = "sentence",
    hold_out: _HoldOut = None,
    form: _Form = "tanl",
    skip_wrong: _Skip = False,
) -> None:
    """Builds a pool of examples from annotated documents, after checking every annotation.

    Example: `clinspan examples build train.pubtator -o pool --labels disease --encoder minilm --hold-out test.pubtator`
    """
    wanted = LabelSet.load(labels) if labels else None
    opened = None if encoder == LEXICAL else open_encoder(encoder, pooling=pooling)
    cut = _window(window)
    gate = Gate(
        Rules(labels=wanted, form=by_name(form), skip_wrong=skip_wrong),
        held_out=_held_out(hold_out or (), source, skip_wrong=skip_wrong),
    )
    naming = Naming(wanted.names if wanted else (), renamings(rename or ()))
    with progress_bars() as report:
        documents = gate.admit(read_gold(gold, naming, format=source, told=say_recognised))
        builder.build(documents, out, labels=lambda: gate.labels, window=cut, encoder=opened, progress=report)
    _show(gate, Pool.open(out))


@app.command()
def add(
    gold: _Gold,
    examples: _Pool,
    rename: _Rename = None,
    source: _Source = None,
    hold_out: _HoldOut = None,
    form: _Form = "tanl",
    skip_wrong: _Skip = False,
) -> None:
    """Adds annotated documents to a pool; only what is new is encoded, and who has the pool open is not disturbed.

    Example: `clinspan examples add corrected.jsonl --examples pool`
    """
    pool = Pool.open(examples)
    about = pool.info
    opened = open_encoder(about.encoder.source, pooling=about.encoder.pooling) if about.encoder else None
    labels = label_set(pool.labels) if pool.labels else None
    gate = Gate(
        Rules(labels=labels, form=by_name(form), skip_wrong=skip_wrong),
        held_out=_held_out(hold_out or (), source, skip_wrong=skip_wrong),
        store=about.path / about.generation / store.STORE,
    )
    with progress_bars() as report:
        documents = gate.admit(
            read_gold(gold, Naming(pool.labels, renamings(rename or ())), format=source, told=say_recognised)
        )
        builder.add(documents, examples, encoder=opened, progress=report)
    _show(gate, Pool.open(examples))


@app.command()
def info(examples: Annotated[Path, typer.Argument(help="A pool's folder.")]) -> None:
    """Shows what a pool holds: counts, labels, encoder, age.

    Example: `clinspan examples info pool`
    """
    show_info(Pool.open(examples))


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="A text, as it would be tagged.")],
    examples: _Pool,
    k: Annotated[int, typer.Option("-k", min=1, help="How many examples.")] = 5,
    by: Annotated[
        str | None, typer.Option(help=f"{LEXICAL}, or the pool's encoder; the encoder when not given.")
    ] = None,
    select: Annotated[
        Strategy, typer.Option(help="How `clinspan tag --select` would choose them; `entity` by the pool's mentions.")
    ] = Strategy.KNN,
    seed: Annotated[int, typer.Option(help="Random seed for drawn examples.")] = 0,
) -> None:
    """Shows the examples that would be shown with a text, how much each resembles it, and why it is there.

    Example: `clinspan examples find "She was treated for gout." --examples pool`
    """
    pool = Pool.open(examples)
    settings = SelectSettings(strategy=select, k=k, order=Order.SIMILAR_FIRST, retriever=by, seed=seed)
    index = MentionIndex(pool.mentions()) if select is Strategy.ENTITY else None
    selector = Selector(pool, pool.retriever(by), settings, index, same_document=pool.same_document)
    (near,) = selector.near("", text, [text])
    selection = selector.choose(near, Wish(pool.labels, index.standing_in(text) if index is not None else ()))
    console = Console(highlight=False, soft_wrap=True)
    if not selection.chosen and not selection.refused:
        console.print("no example of the pool has a word in common with the text")
    asked = set(retrieve.terms(text))
    for chosen in selection.chosen:
        example = pool[chosen.index]
        console.print(f"[bold]{chosen.similarity:.2f}[/]  {escape(example.document)} at {example.start}")
        console.print(f"      {marked(example)}")
        shared = [term for term in dict.fromkeys(retrieve.terms(example.text)) if term in asked]
        console.print(f"      [dim]{escape(chosen.why)}; shared words: {escape(', '.join(shared)) or 'none'}[/]")
    for why, count in selection.refused.items():
        console.print(f"{count} not shown: {why}")
    if not selection.chosen:
        raise typer.Exit(1)


def marked(example: PoolExample) -> str:
    """The example's text on one line for the terminal, its entities in colour with their labels."""
    shown, at = "", 0
    for entity in sorted(example.entities, key=lambda entity: (entity.start, -entity.end)):
        if entity.start < at:
            continue  # inside another, which is shown
        shown += escape(example.text[at : entity.start])
        shown += f"[green]{escape(entity.text)}[/][dim] ({escape(entity.label)})[/]"
        at = entity.end
    return " ".join((shown + escape(example.text[at:])).split())


def show_info(pool: Pool) -> None:
    """Prints what a pool holds."""
    about = pool.info
    console = Console(highlight=False)
    console.print(f"{escape(str(about.path))}, built {about.built}, {about.bytes / 1e6:.1f} MB", soft_wrap=True)
    console.print(
        f"{about.documents} documents, {about.examples} examples ({about.empty} without an entity), by {about.window}"
    )
    encoder = about.encoder
    console.print(
        f"encoder {encoder.name}, {encoder.dimension} dimensions, pooling {encoder.pooling}, {about.index} search"
        if encoder
        else "no encoder: searched by words"
    )
    table = Table("label", "mentions")
    for label, count in about.mentions.items():
        table.add_row(escape(label), str(count))
    console.print(table)


def _show(gate: Gate, pool: Pool) -> None:
    say_left_out(gate)
    show_info(pool)


def _window(given: str) -> WindowSettings:
    if given == "sentence":
        return SENTENCE
    if not given.isdecimal():
        raise ConfigError(f"--window {given}", expected="sentence, or a number of tokens")
    return WindowSettings(max_tokens=int(given), overlap_sentences=0)


def _held_out(paths: Sequence[Path], format: str | None, *, skip_wrong: bool) -> Iterator[Document]:
    """The documents that must not enter, each corpus in its own format; `format` where none is recognised.

    Raises:
        InputError: at a fault, unless those are passed over: a document that cannot be read cannot be kept out.
    """
    for path in paths:
        known = path.is_dir() or catalogue.recognise(path) is not None
        for found in catalogue.read(path, format=None if known else format, lenient=True):
            if isinstance(found, Document):
                yield found
            elif skip_wrong:
                typer.echo(f"passed over in what is held out: {found}", err=True)
            else:
                fix = found.fix or "Mend it, or go on without it with --skip-wrong."
                raise InputError(found.what, where=found.where, expected=found.expected, fix=fix)
