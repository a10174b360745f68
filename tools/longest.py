"""Lists the longest modules and functions: places to look at for a second noun, not a limit."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "src"


def main() -> None:
    """Prints the ten longest modules and the ten longest functions of the package."""
    modules: list[tuple[int, str]] = []
    functions: list[tuple[int, str]] = []
    for path in sorted(ROOT.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT))
        modules.append((source.count("\n"), name))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                functions.append((node.end_lineno - node.lineno + 1, f"{name}:{node.lineno} {node.name}"))
    for title, rows in (("Longest modules", modules), ("Longest functions", functions)):
        print(title)
        for length, name in sorted(rows, reverse=True)[:10]:
            print(f"  {length:5d}  {name}")


if __name__ == "__main__":
    main()
