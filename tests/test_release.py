"""What a release says of itself is the same everywhere, and the container is made as the README says."""

import re
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


VERSION = tomllib.loads(read("pyproject.toml"))["project"]["version"]


def test_the_changelog_and_the_citation_are_of_this_version() -> None:
    newest, released = re.search(r"^## (\S+)(?: \((\S+)\))?$", read("CHANGELOG.md"), flags=re.M).groups()
    assert newest in (VERSION, "Unreleased")
    assert f"\nversion: {VERSION}\n" in read("CITATION.cff")
    if newest == VERSION:
        assert f"\ndate-released: {date.fromisoformat(released)}\n" in read("CITATION.cff")


def test_the_readme_names_the_wheel_of_this_version() -> None:
    assert re.findall(r"clinspan-([\d.]+)-py3-none-any\.whl", read("README.md")) == [VERSION]


def test_the_container_is_made_by_the_commands_of_the_readme() -> None:
    blocks = "".join(re.findall(r"^```bash\n(.*?)^```", read("README.md"), flags=re.M | re.S))
    told = {line.partition("#")[0].strip() for line in blocks.splitlines()}
    steps = re.findall(r"^RUN (.*)$", read("Containerfile"), flags=re.M)
    assert steps
    assert set(steps) <= told


def test_the_container_gets_what_the_package_is_made_of() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    copied = " ".join(re.findall(r"^COPY (.*) \S+$", read("Containerfile"), flags=re.M)).split()
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {
        package.partition("/")[0] for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    }
    assert set(copied) == needed


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) <= 100
