"""A registry of one tiny model, and the wheel it comes from."""

import hashlib
import zipfile
from pathlib import Path

from clinspan.models.registry import read_registry

CONTENT = bytes(range(256)) * 4096


def write_wheel(folder: Path, content: bytes = CONTENT, member: str = "tiny_model/tiny.gguf") -> Path:
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(member, content)
        # Reading a wheel as data must not run this.
        wheel.writestr("tiny_model/__init__.py", "raise SystemExit('executed')")
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return path


def tiny_registry(*sources: str) -> str:
    return f"""
[tiny]
kind = "llm"
licence = "Apache-2.0"
homepage = "https://example.org"
about = "For tests."
[[tiny.files]]
name = "tiny.gguf"
sha256 = "{hashlib.sha256(CONTENT).hexdigest()}"
bytes = {len(CONTENT)}
sources = [{", ".join(sources)}]
"""


WHEEL = '{ wheel = "tiny-model==1.0", path = "tiny_model/tiny.gguf", bytes = 5000 }'


def tiny(*sources: str):
    return read_registry(tiny_registry(*(sources or (WHEEL,))), where="tiny.toml")["tiny"]
