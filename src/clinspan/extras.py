"""The optional parts of clinspan and the packages that each holds, as the package's own metadata declare them."""

import re
from collections.abc import Mapping
from importlib.metadata import requires

_REQUIREMENT = re.compile(r"(?P<package>[^;]*?) *; *extra == ['\"](?P<extra>[\w-]+)['\"]")
_DEVELOPMENT = "dev"


def extras() -> Mapping[str, tuple[str, ...]]:
    """What each extra but the one for development requires, such as `uvicorn>=0.30`, by the extra's name."""
    found: dict[str, tuple[str, ...]] = {}
    for line in requires("clinspan") or ():
        if (told := _REQUIREMENT.fullmatch(line)) and told["extra"] != _DEVELOPMENT:
            found[told["extra"]] = (*found.get(told["extra"], ()), told["package"])
    return found


def install_command(extra: str) -> str:
    """Installs an extra, or several that commas part, in a checkout: clinspan is on no package index."""
    return f"pip install '.[{extra}]'"


def how_to_install(extra: str) -> str:
    """Says how to install an extra, or several that commas part, and which packages that brings."""
    names, known = extra.split(","), extras()
    held = dict.fromkeys(package for name in names for package in known.get(name, ()))
    whose = f"extra{'s' if len(names) > 1 else ''} {' and '.join(map(repr, names))}"
    return f"Install the {whose} ({', '.join(held)}) from your checkout or wheel: {install_command(extra)}"
