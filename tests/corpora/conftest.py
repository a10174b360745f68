import pytest

from clinspan.document import Document
from clinspan.errors import InputError


@pytest.fixture
def lay(tmp_path):
    """A function that lays files below the test's folder, byte for byte, and gives the folder."""

    def make(files):
        for name, content in files.items():
            path = tmp_path / "corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())
        return tmp_path / "corpus"

    return make


@pytest.fixture
def split():
    """A function that parts documents from errors."""

    def part(results):
        results = list(results)
        return [r for r in results if isinstance(r, Document)], [r for r in results if isinstance(r, InputError)]

    return part
