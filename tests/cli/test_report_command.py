from typer.testing import CliRunner

from clinspan import codec
from clinspan.cli.main import app
from clinspan.document import Document, Entity, Span, WindowReport, WindowState
from clinspan.errors import ClinspanError

NOTE = Document(
    "note <1>",
    "He has gout.",
    (Entity(Span(7, 11), "mine", "gout", attributes={"assertion": "absent"}),),
    (WindowReport(Span(0, 12), WindowState.FAILED, detail="no answer"),),
)


def run(*words):
    result = CliRunner().invoke(app, ["report", *map(str, words)])
    return result.exit_code, str(result.exception) if isinstance(result.exception, ClinspanError) else result.stderr


def test_results_become_a_page_without_tagging_again(tmp_path):
    results, page = tmp_path / "out.jsonl", tmp_path / "page.html"
    results.write_text(codec.dump(NOTE) + "\n")
    assert run(results, "-o", page, "--title", "Mine") == (0, f"{page}: 1 documents\n")
    html = page.read_text()
    assert all(words in html for words in ("gout", "mine", "note &lt;1&gt;", "no answer", "<title>Mine"))
    assert "exists already" in run(results, "-o", page)[1]
    assert run(results, "-o", page, "--force", "--labels", "disease")[0] == 0


def test_what_is_no_result_is_named_and_leaves_nothing(tmp_path):
    results = tmp_path / "out.jsonl"
    results.write_text("{}\n")
    assert "line 1" in run(results, "-o", tmp_path / "page.html")[1]
    assert list(tmp_path.iterdir()) == [results]
