"""What every page that clinspan writes is made with: templates, styles and scripts inside one file."""

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from clinspan.view.marks import plain


def templates(folder: str) -> Environment:
    """The templates of a folder of the package; what they show is escaped, and a name they lack is an error."""
    found = Environment(
        loader=PackageLoader("clinspan", folder),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["plain"] = plain
    return found


def asset(folder: str, name: str) -> str:
    """A style or script of a folder of the package."""
    return (resources.files("clinspan") / folder / name).read_text(encoding="utf-8")


def digest(source: str) -> str:
    """As a Content-Security-Policy names an inline style or script, so that no other can take effect."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def sound(html: str) -> str:
    """`html` without lone surrogates, which JSON can smuggle into a text and UTF-8 cannot hold."""
    return html.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
