"""Makes docs/results.md from the tables in benchmarks/results, and enters figures into them.

python tools/results.py page
python tools/results.py enter TABLE.json SCORES.json --cell on="notes, test" --cell method="a new encoder" --run new \
    --command "clinspan tag GOLD -o out.jsonl" --command "clinspan evaluate GOLD out.jsonl --json"

A table is a JSON file: `columns` (a key, a title and how its figures are written), `rows` (a cell for each key, and the
`run` that it comes from), and `runs` (date, commit, machine and commands). A cell is text, a number, or `[value, low,
high]` with its 95 % interval. SCORES.json is what `clinspan evaluate --json` printed; its figures go into the columns
`precision`, `recall`, `strict` and `relaxed`, as far as the table has them. Other figures are given with `--cell
KEY=VALUE` or `--cell KEY=VALUE,LOW,HIGH`. Date, commit and machine are those of the moment, so enter a figure where it
was measured.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"
Cell = str | float | tuple[float, float, float] | None
STYLES = ("text", ".2", ".3", "+.3", "n", "1", "%")
"""How figures are written: text, `.84`, `.842`, `+.012`, `1,024`, `50.6`, `97 %`."""
TOP = """\
# Results

<!-- made by `make results` from benchmarks/results: change the tables there -->
<!-- not run on this page: the corpora are not part of clinspan, and the runs take minutes to hours -->

*Strict* F1 counts an entity as right if its label, start and end are right, *relaxed* F1 if its label is right and it
overlaps. In brackets stand 95 % intervals, by bootstrap over documents. *Notes* are clinspan's own (`notes/`), written
and marked with a language model, so figures on them say how well the guide is followed. *MTSamples* are sentences of
notes by other writers. Test parts are scored once, with everything chosen before. Words: [glossary](glossary.md).

Under each table its commands are folded, with date, commit and machine of the runs. Where a commit *first stated* a
figure, the run itself left no record. In commands `GOLD` is the folder that `python tools/notes.py build GOLD` writes,
`NCBI`, `BC5CDR`, `BC2GM` and `MTSAMPLES` are the folders of these corpora, and `MAP` is `--map SpecificDisease=disease
--map DiseaseClass=disease --map Modifier=disease --map CompositeMention=disease`.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Where figures come from.

    Attributes:
        date: of the run, or of the commit that first stated its figures.
        commit: what ran, or, if `stated`, what first stated the figures.
        machine: cores, memory and what else ran there.
        commands: as typed, with upper-case words for what the reader has.
        stated: the figures were entered from a page, not by `enter`.
    """

    date: str
    commit: str
    machine: str
    commands: tuple[str, ...]
    stated: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", self.date) or not re.fullmatch(r"[0-9a-f]{7,40}", self.commit):
            raise ValueError(f"a run of {self.date!r} at {self.commit!r}: expected a date YYYY-MM-DD and a commit")
        if not (self.machine and self.commands):
            raise ValueError(f"the run at {self.commit} does not say its machine and commands")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in rows, its title, and one of `STYLES`."""

    key: str
    title: str
    style: str = "text"

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"column {self.key!r} is written as {self.style!r}: expected one of {', '.join(STYLES)}")


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its cells by column, its run by name, and the task that it stands for in the first table, if any."""

    cells: Mapping[str, Cell]
    run: str
    overview: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of results.

    Attributes:
        section: the heading above it.
        about: what is to be known before reading it.
        notes: what is to be known after it, a line each.
        figures: the columns that the first table of the page shows of it.
    """

    section: str
    title: str
    about: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    runs: Mapping[str, Run]
    notes: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keys = {column.key for column in self.columns}
        for row in self.rows:
            if wrong := set(row.cells) - keys:
                raise ValueError(f"{self.title}: there is no column {sorted(wrong)}, only {sorted(keys)}")
            if row.run not in self.runs:
                raise ValueError(f"{self.title}: there is no run {row.run!r}, only {sorted(self.runs)}")
        if unused := set(self.runs) - {row.run for row in self.rows}:
            raise ValueError(f"{self.title}: no row is of the runs {sorted(unused)}")


def read(path: Path) -> Table:
    """The table in a file.

    Raises:
        ValueError: for a key, a run or a style that cannot be.
    """
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    runs = {name: Run(**{**run, "commands": tuple(run.get("commands", ()))}) for name, run in data["runs"].items()}
    rows = [
        Row(
            {key: _cell(value) for key, value in row.items() if key not in ("run", "overview")},
            row["run"],
            row.get("overview"),
        )
        for row in data["rows"]
    ]
    return Table(
        section=data["section"],
        title=data["title"],
        about=data.get("about", ""),
        columns=tuple(Column(*column) for column in data["columns"]),
        rows=tuple(rows),
        runs=runs,
        notes=tuple(data.get("notes", ())),
        figures=tuple(data.get("figures", ())),
    )


def _cell(value: Any) -> Cell:
    if isinstance(value, list):
        middle, low, high = map(float, value)
        if not low <= middle <= high:
            raise ValueError(f"{value}: expected a value inside its interval")
        return middle, low, high
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{value!r}: expected text, a number, or [value, low, high]")


def written(cell: Cell, style: str) -> str:
    """A cell as the page has it."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, tuple):
        return f"{_number(cell[0], style)} ({_number(cell[1], style)} to {_number(cell[2], style)})"
    return _number(cell, style)


def _number(value: float, style: str) -> str:
    if style in (".2", ".3"):
        return re.sub(r"^(-?)0\.", r"\1.", f"{value:{style}f}")
    if style == "+.3":
        return re.sub(r"^([+-])0\.", r"\1.", f"{value:+.3f}")
    if style == "1":
        return f"{value:,.1f}"
    return f"{value:,.0f} %" if style == "%" else f"{value:,.0f}" if style == "n" else f"{value:g}"


def page(tables: Sequence[Table]) -> str:
    """The whole page."""
    parts, section = [TOP, *_overview(tables)], ""
    for table in tables:
        if table.section != section:
            section = table.section
            parts.append(f"## {section}\n")
        parts += _shown(table)
    return "\n".join(parts)


def _overview(tables: Iterable[Table]) -> Iterator[str]:
    lines = ["| task | on | method | figures |", "|---|---|---|---|"]
    before = ("", "")
    for table in tables:
        figures = [column for column in table.columns if column.key in table.figures]
        for row in table.rows:
            if row.overview is None:
                continue
            told = [(column, row.cells.get(column.key)) for column in figures]
            said = ", ".join(
                f"{column.title} {written(cell, column.style)}" for column, cell in told if cell is not None
            )
            on, method = (written(row.cells.get(key), "text") for key in ("on", "method"))
            task = "" if row.overview == before[0] else f"[{row.overview}](#{slug(table.title)})"
            lines.append(f"| {task} | {'' if not task and on == before[1] else on} | {method} | {said} |")
            before = (row.overview, on)
    yield "\n".join(lines) + "\n"


def _shown(table: Table) -> Iterator[str]:
    yield f"### {table.title}\n"
    if table.about:
        yield f"{table.about}\n"
    lines = ["| " + " | ".join(c.title for c in table.columns) + " |", "|" + "---|" * len(table.columns)]
    before: str | None = None
    for row in table.rows:
        cells = [written(row.cells.get(column.key), column.style) for column in table.columns]
        first, cells[0] = cells[0], "" if cells[0] == before else cells[0]
        before = first
        lines.append("| " + " | ".join(cells) + " |")
    yield "\n".join(lines) + "\n"
    for note in table.notes:
        yield f"- {note}"
    yield ("\n" if table.notes else "") + '<details markdown="1"><summary>Commands and runs</summary>\n'
    for commands in dict.fromkeys(run.commands for run in table.runs.values()):
        for name, run in table.runs.items():
            if run.commands == commands:
                rows = [number for number, row in enumerate(table.rows, 1) if row.run == name]
                at = f"first stated in {run.commit} ({run.date})" if run.stated else f"{run.date}, at {run.commit}"
                yield f"- {_rows(rows, len(table.rows))}: {at}; {run.machine}."
        yield "\n```console\n" + "\n".join(f"$ {command}" for command in commands) + "\n```\n"
    yield "</details>\n"


def _rows(numbers: Sequence[int], of: int) -> str:
    if len(numbers) == of:
        return "All rows" if of > 1 else "The row"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = [f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return ("Row " if len(numbers) == 1 else "Rows ") + ", ".join(told)


def slug(title: str) -> str:
    """The anchor of a heading, as the site makes it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-")


def machine() -> str:
    """Cores, processor and memory of this machine."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {found[1] if found else platform.machine()}, {memory:.0f} GB"


def measured(scores: Mapping[str, Any], keys: Iterable[str]) -> Iterator[tuple[str, list[float]]]:
    """The figures of `clinspan evaluate --json` for those of these columns that it knows."""
    known = {"precision": ("strict", "precision"), "recall": ("strict", "recall"), "strict": ("strict", "f1")}
    known |= {"relaxed": ("relaxed", "f1")}
    for key in keys:
        if key in known:
            rule, name = known[key]
            found = scores["rules"][rule]["micro"]
            yield key, [round(float(value), 3) for value in (found[name], *found[f"{name}_interval"])]


def enter(path: Path, cells: Mapping[str, Any], run: str, made: Mapping[str, Any]) -> None:
    """Adds a row and its run to a table, in place of the row with the same text, if there is one."""
    data = json.loads(path.read_text(encoding="utf-8"))
    texts = [key for key, _, *style in data["columns"] if style in ([], ["text"])]
    row = {**cells, "run": run}
    same = [old for old in data["rows"] if all(old.get(key) == row.get(key) for key in texts)]
    for old in same:
        row = {**({"overview": old["overview"]} if "overview" in old else {}), **row}
    at = data["rows"].index(same[0]) if same else len(data["rows"])
    data["rows"][at : at + len(same)] = [row]
    data["runs"][run] = made
    used = {row["run"] for row in data["rows"]}
    data["runs"] = {name: one for name, one in data["runs"].items() if name in used}
    path.write_text(dumped(data), encoding="utf-8")
    read(path)


def dumped(data: Mapping[str, Any]) -> str:
    """A table as JSON, a line for each row and column."""

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    parts = []
    for key, value in data.items():
        if isinstance(value, list) and value:
            inner = ",\n".join(f"  {line(one)}" for one in value)
            parts.append(f" {line(key)}: [\n{inner}\n ]")
        else:
            told = json.dumps(value, ensure_ascii=False, indent=1) if isinstance(value, dict) else line(value)
            parts.append(f" {line(key)}: " + told.replace("\n", "\n "))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _given(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    if not re.fullmatch(r"[-+]?[\d.]+(,[-+]?[\d.]+,[-+]?[\d.]+)?", value):
        return key, value
    numbers = [float(number) for number in value.split(",")]
    return key, numbers if len(numbers) == 3 else numbers[0]


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    if git("status", "--porcelain", "--untracked-files=no", "--", "src", "tools", "benchmarks/*.py"):
        sys.exit("src, tools or benchmarks differ from the last commit: commit first, so that the commit says what ran")
    return git("rev-parse", "--short", "HEAD")


def main() -> None:
    """Makes the page, or enters a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    ways.add_parser("page")
    entering = ways.add_parser("enter")
    entering.add_argument("table", type=Path, help="a file in benchmarks/results")
    entering.add_argument("scores", type=Path, nargs="?", help="what `clinspan evaluate --json` printed")
    entering.add_argument("--cell", action="append", default=[], type=_given, help="KEY=VALUE or KEY=VALUE,LOW,HIGH")
    entering.add_argument(
        "--run", required=True, help="a name for the run; its figures share date, commit and commands"
    )
    entering.add_argument("--command", action="append", required=True, help="a command that was run; repeatable")
    entering.add_argument("--beside", default="", help="what else the machine did, such as `busy`")
    asked = parser.parse_args()
    if asked.way == "page":
        PAGE.write_text(page([read(path) for path in sorted(FOLDER.glob("*.json"))]), encoding="utf-8")
        return
    cells = dict(asked.cell)
    if asked.scores:
        keys = [column.key for column in read(asked.table).columns]
        cells |= dict(measured(json.loads(asked.scores.read_text(encoding="utf-8")), keys))
    where = machine() + (f", {asked.beside}" if asked.beside else "")
    made = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": _commit(), "machine": where, "commands": asked.command}
    enter(asked.table, cells, asked.run, made)


if __name__ == "__main__":
    main()
