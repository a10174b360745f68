"""`clinspan demo`: the sample notes through the whole path."""

from pathlib import Path
from typing import Annotated

import typer

from clinspan import samples
from clinspan.cli.run import RunFiles, run
from clinspan.cli.status import opening
from clinspan.errors import OutputError
from clinspan.tagging.tagger import Tagger


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for the results.")] = Path("demo-out"),
    labels: Annotated[str, typer.Option(help="The label set to ask for.")] = "problem-treatment-test",
    llm: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "embedded",
    force: Annotated[bool, typer.Option("--force", help="Replace results that exist.")] = False,
) -> None:
    """Tags the notes that come with clinspan and writes entities.jsonl and report.html.

    Example: `clinspan demo -o demo-out`
    """
    files = RunFiles(output=output / "entities.jsonl", report=output / "report.html", force=force)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=str(output)) from error
    files.check()
    with opening(quiet=False):
        tagger = Tagger.open(llm, labels=labels)
    raise typer.Exit(run(tagger, samples.load(), files))
