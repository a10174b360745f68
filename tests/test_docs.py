"""The documentation keeps step with the code: commands, examples in help, and code blocks of the pages."""

import ast
import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer

from clinspan.cli.main import app

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "clinspan"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
CLI_PAGE = ROOT / "docs" / "reference" / "cli.md"
REGENERATE = "run: python tools/cli_reference.py"


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for part, member in getattr(command, "commands", {}).items():
        if not member.hidden:
            yield from walk(f"{name} {part}", member)


COMMANDS = dict(walk("clinspan", typer.main.get_command(app)))
LEAVES = sorted(name for name, command in COMMANDS.items() if not hasattr(command, "commands"))


def squeeze(text: str) -> str:
    return " ".join(text.split())


def sections() -> dict[str, str]:
    parts = re.split(r"^#+ `(clinspan[^`]*)`$", CLI_PAGE.read_text(encoding="utf-8"), flags=re.M)
    return {"clinspan": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def test_the_cli_page_has_every_command_and_no_other() -> None:
    assert sorted(sections()) == sorted(COMMANDS), REGENERATE


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_cli_page_says_what_help_says(name: str) -> None:
    section = squeeze(sections()[name])
    command = COMMANDS[name]
    for paragraph in (command.help or "").split("\n\n"):
        assert squeeze(paragraph) in section, REGENERATE
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        for flag in [*parameter.opts, *parameter.secondary_opts] if parameter.param_type_name == "option" else []:
            assert flag in section, REGENERATE
        assert squeeze(parameter.help or "") in section, REGENERATE


def test_the_cli_page_names_no_folder_of_the_machine_it_was_written_on() -> None:
    text = CLI_PAGE.read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert str(ROOT) not in text


@pytest.mark.parametrize("name", LEAVES)
def test_each_command_has_help_with_an_example_of_itself(name: str) -> None:
    assert re.search(rf"Examples?:\s+`+[^`]*{name}\b", squeeze(COMMANDS[name].help or "")), (
        f"the help of `{name}` needs a line such as: Example: `{name} ...`"
    )


def test_nothing_outside_the_command_line_prints() -> None:
    # The cli folder owns the terminal; all else returns values, raises, or logs.
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)[:60]}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in {"cli", "__main__.py"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _prints(node)
    ]
    assert found == []


def _prints(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in {"print", "typer.echo", "sys.stdout.write", "sys.stderr.write", "Console"}
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        return any(name.split(".")[0] in {"rich", "typer"} for name in names)
    return False


@pytest.mark.parametrize(
    "path", [*PAGES, ROOT / "CONTRIBUTING.md", *sorted(SOURCE.rglob("*.py"))], ids=lambda path: path.stem
)
def test_nobody_is_told_to_install_clinspan_from_an_index_that_does_not_have_it(path: Path) -> None:
    told = re.findall(r"^.*pip install [^`\n]*\bclinspan(?:[\['\" ]|$).*", path.read_text(encoding="utf-8"), flags=re.M)
    assert [line for line in told if "--no-index" not in line] == []


def blocks(*languages: str) -> list[Any]:
    """The code blocks of all pages but the generated one; of a console only what is typed there."""
    found = []
    for page, language in product(PAGES, languages):
        if page == CLI_PAGE:
            continue
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^( *)```{language}\b[^\n]*\n(.*?)^\1```", text, flags=re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            code = re.sub(rf"^{match[1]}", "", match[2], flags=re.M)
            if language == "console":
                code = "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)$", code, flags=re.M))
            found.append(pytest.param(code, id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_parse_and_import_what_exists(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "clinspan":
            module = __import__(node.module, fromlist=[alias.name for alias in node.names])
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


@pytest.mark.parametrize("code", blocks("bash", "sh", "shell", "console"))
def test_shell_blocks_name_commands_and_options_that_exist(code: str) -> None:
    for line in re.sub(r"\\\n", " ", code).splitlines():
        for part in re.split(r"\s(?:\||&&|;)\s", line):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words.pop(0)
            if words[:1] == ["clinspan"]:
                check_command(words)
            elif words[:1] == ["make"]:
                targets = (ROOT / "Makefile").read_text(encoding="utf-8")
                for target in (word for word in words[1:] if "=" not in word):
                    assert re.search(rf"^{target}:", targets, flags=re.M), f"no `make {target}`"


def check_command(words: list[str]) -> None:
    name = words[0]
    rest = words[1:]
    while rest and f"{name} {rest[0]}" in COMMANDS:
        name += f" {rest.pop(0)}"
    command = COMMANDS[name]
    if hasattr(command, "commands"):
        assert not rest or rest[0].startswith("-"), f"`{name}` has no command {rest[0]!r}"
    known = {flag for parameter in command.params for flag in [*parameter.opts, *parameter.secondary_opts]}
    known |= {"--help", "-h"}
    for word in rest:
        if re.match(r"--?[a-zA-Z]", word):
            assert word.split("=")[0] in known, f"`{name}` has no option {word}"
