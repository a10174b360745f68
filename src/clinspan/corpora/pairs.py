"""Corpora of many files: a text, and its annotations in files of the same name beside it or in folders of their own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from clinspan.corpora.format import Results, checked
from clinspan.corpora.text import numbered_lines, read_text
from clinspan.document import Document
from clinspan.errors import InputError, OutputError

HERE = "."


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a format keeps its files.

    Attributes:
        texts: the folder of the texts where they have one of their own.
        others: for each kind of annotation its ending and the folders it may lie in, `HERE` being that of the text. The
            first kind is the one every text must have.
    """

    texts: str
    others: Mapping[str, tuple[str, tuple[str, ...]]]


def documents(path: Path, layout: Layout, parse: "Parse", *, lenient: bool) -> Results:
    """What `parse` makes of each pair of a folder, or of one file; a faulty one gives an error in its place.

    Args:
        path: the folder, or a file of a pair.
        layout: where the files lie.
        parse: reads one pair, and puts what is wrong with its annotations into a list.
        lenient: gives documents without their wrong annotations, after the errors that name them.
    """
    for pair in find(path, layout):
        if isinstance(pair, InputError):
            yield pair
        else:
            yield from checked(partial(parse, pair), lenient=lenient)


class Unannotated(InputError):
    """A text without the annotations that belong with it; `where` is its path."""


@dataclass(frozen=True, slots=True)
class FilePair:
    """A text and the files that annotate it, by kind."""

    id: str
    text: Path
    others: Mapping[str, Path]

    def read_text(self) -> str:
        """The text, line ends as they are, since offsets count them.

        Raises:
            InputError: when it cannot be read.
        """
        return read_text(self.text)

    def lines(self, kind: str) -> Iterator[tuple[str, str]]:
        """The lines of one file that are not empty, each after its place; none where there is no such file.

        Raises:
            InputError: when it cannot be read.
        """
        path = self.others.get(kind)
        if path is not None:
            yield from numbered_lines(path)


Parse = Callable[[FilePair, list[InputError]], Document]


def find(path: Path, layout: Layout) -> Iterator[FilePair | InputError]:
    """The pairs of a folder and all below it, by name, or that of one file.

    A text without annotations, or annotations without a text, give an error. Hidden files are left out.
    """
    main, (ending, _) = next(iter(layout.others.items()))
    if path.is_dir():
        texts = [p for p in sorted(path.rglob("*.txt")) if not _hidden(p.relative_to(path))]
        known = [_pair(text, _id(text.relative_to(path), layout), layout) for text in texts]
        claimed = {pair.others.get(main) for pair in known}
        strays = [p for p in sorted(path.rglob(f"*{ending}")) if _may_be(p, main, layout) and p not in claimed]
        if not known and not strays:
            yield InputError("the folder holds no texts", where=str(path), expected="files that end in .txt")
    else:
        text = path if path.suffix == ".txt" else _text_of(path, layout)
        known = [_pair(text, text.stem, layout)] if text is not None else []
        strays = [] if known else [path]
    for pair in known:
        if main in pair.others:
            yield pair
        else:
            expected = f"{pair.text.stem}{ending} with it"
            yield Unannotated("has no annotations", where=str(pair.text), expected=expected)
    for stray in strays:
        if not _hidden(stray.relative_to(path) if path.is_dir() else Path(stray.name)):
            yield InputError("has no text", where=str(stray), expected=f"{stray.stem}.txt with it")


def _may_be(path: Path, kind: str, layout: Layout) -> bool:
    folders = layout.others[kind][1]
    return HERE in folders or path.parent.name in folders


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _id(path: Path, layout: Layout) -> str:
    if path.parent.name == layout.texts:
        path = path.parent.parent / path.name
    return path.with_suffix("").as_posix()


def _pair(text: Path, id: str, layout: Layout) -> FilePair:
    others = {}
    for kind, (ending, folders) in layout.others.items():
        name = text.with_suffix(ending).name
        places = [(text.parent if folder == HERE else text.parent.parent / folder) / name for folder in folders]
        if found := next((place for place in places if place.is_file()), None):
            others[kind] = found
    return FilePair(id, text, others)


def _text_of(path: Path, layout: Layout) -> Path | None:
    name = path.with_suffix(".txt").name
    places = (path.parent / name, path.parent.parent / layout.texts / name)
    return next((place for place in places if place.is_file()), None)


def name_files(documents: Iterable[Document]) -> Iterator[tuple[str, Document]]:
    """Each document after the relative path that its id makes, without an ending.

    Raises:
        OutputError: when an id makes no path within the folder, or one that is taken.
    """
    taken: set[str] = set()
    for document in documents:
        path = PurePosixPath(document.id)
        odd = path.is_absolute() or any(part == ".." or part.startswith(".") for part in path.parts)
        if odd or not path.name or str(path) != document.id or any(c in document.id for c in '\0\\:*?"<>|\r\n\t'):
            raise OutputError(f"the id {document.id!r} makes no name of a file", where=f"document {document.id!r}")
        if document.id.lower() in taken:
            raise OutputError("the id is taken by a document before it", where=f"document {document.id!r}")
        taken.add(document.id.lower())
        yield document.id, document
