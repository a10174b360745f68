"""Writes docs/reference/cli.md from the commands' own help: `python tools/cli_reference.py`."""

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"


def main() -> None:
    """Writes the page with the generator that comes with typer."""
    maker = [sys.executable, "-m", "typer", "clinspan.cli.main", "utils", "docs", "--name", "clinspan"]
    subprocess.run([*maker, "--title", "Command line", "--output", str(PAGE)], check=True)


if __name__ == "__main__":
    main()
