"""`clinspan assess`: sets attributes of the entities that documents have."""

from pathlib import Path
from typing import Annotated

import typer

from clinspan import codec
from clinspan.assertion.assess import assess as assessed
from clinspan.cli.evaluate import say_recognised
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.details import related
from clinspan.files import refuse_existing, whole_file
from clinspan.labels import LabelSet


def assess(
    file: Annotated[Path, typer.Argument(help="Documents with entities, in any corpus format.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSONL file to write.")],
    labels: Annotated[
        str, typer.Option(help="The label set that declares the attributes: a name or a labels.toml.")
    ] = "problem-treatment-test",
    source: Annotated[
        str | None,
        typer.Option("--from", help=f"One of {', '.join(catalogue.FORMATS)}; told from the file when not given."),
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the notes.")] = "en",
    keep: Annotated[bool, typer.Option("--keep", help="Leave values that entities have already.")] = False,
    sections: Annotated[bool, typer.Option("--sections", help="Give entities the section that they stand in.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
) -> None:
    """Says of each entity whether it is present, absent, possible, somebody else's, past: whoever found it.

    Rules set the attributes `assertion` and `temporality` where the label set declares them, and `of` of each detail,
    such as a dose, to the id of the entity that it belongs to, such as its drug; others stay as they are.

    Example: `clinspan assess entities.jsonl -o assessed.jsonl`
    """
    wanted = LabelSet.load(labels)
    refuse_existing(output, force=force)
    read = read_gold([file], Naming(known=wanted.names), format=source, told=say_recognised)
    done = [
        related(assessed(one, wanted, language=language, keep=keep, with_sections=sections), wanted, keep=keep)
        for one in sound(read, None, fix="Or leave it out.")
    ]
    with whole_file(output) as out:
        out.writelines(f"{codec.dump(document)}\n" for document in done)
    typer.echo(f"{output}: {len(done)} documents, {sum(len(one.entities) for one in done)} entities", err=True)
