"""The program on a small grid: with a server, killed and taken up again, with failures, with the embedded model."""

import json
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from clinspan.ablation.folder import read_cell

HANGS = 600.0
"""Seconds after which a process is taken to hang, on whatever machine."""
SERVED = """
[llms.served]
spec = "openai:m"
base-url = "{url}"
concurrency = 2
[tag]
llm = "served"
dictionary = "none"
facts = "none"
[grid]
select = ["none", "random", "knn"]
k = [1, 2]
"""


def lines(folder) -> dict[str, dict]:
    """What was measured in each cell, by the cell's name and the document's id."""
    index = json.loads((folder / "cells.json").read_text())
    return {cell["name"]: read_cell(folder / cell["file"]) for cell in index["cells"]}


def test_a_grid_is_measured_and_repeated_asks_nothing(server, clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url=server.url))
    done = clinspan("ablate", plan, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "no examples k=2: k has no effect without examples" in done.stderr
    found = lines(folder / "out")
    assert list(found) == ["no examples", "random k=1", "random k=2", "knn k=1", "knn k=2"]
    for known in found.values():
        assert sum(one.counts["strict"][0].right for one in known.values()) == 2
        assert sum(one.counts["strict"][0].gold for one in known.values()) == 3
        assert {one.asked.prompt for one in known.values()} == {1000}
    asked = server.asked.total()
    assert asked <= 5 * 4
    again = clinspan("ablate", plan, "-o", "out")
    assert (again.returncode, server.asked.total()) == (0, asked)
    assert "| knn k=2 | 1.000 | .667 | .800 |" in (folder / "out" / "report.md").read_text()


def test_more_documents_and_more_cells_are_added_to_what_there_is(server, clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url=server.url).replace("k = [1, 2]", "k = [1]"))
    assert clinspan("ablate", plan, "-o", "out", "--limit", "2", "--no-cache").returncode == 0
    first = server.asked.total()
    assert {len(known) for known in lines(folder / "out").values()} == {2}
    assert clinspan("ablate", plan, "-o", "out", "--no-cache").returncode == 0
    assert {len(known) for known in lines(folder / "out").values()} == {4}
    second = server.asked.total()
    assert second <= 2 * first
    write_plan(SERVED.format(url=server.url))
    assert clinspan("ablate", plan, "-o", "out", "--no-cache").returncode == 0
    # Two cells more, and of the old ones nothing again.
    assert second < server.asked.total() <= second + 2 * 4


def test_killed_at_any_request_it_goes_on_and_asks_nothing_twice(server, clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url=server.url))
    assert clinspan("ablate", plan, "-o", "undisturbed", "--no-cache").returncode == 0
    needed = server.asked.total()
    undisturbed = lines(folder / "undisturbed")
    server.asked.clear()
    server.delay = 0.2
    for at in (1, 4, 9):
        process = clinspan("ablate", plan, "-o", "out", "--no-cache", wait=False)
        while process.poll() is None and answers(folder / "out" / "ledger.sqlite") < at:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    asked, kept = server.asked.total(), answers(folder / "out" / "ledger.sqlite")
    assert 9 <= kept < needed
    server.delay = 0.0
    done = clinspan("ablate", plan, "-o", "out", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert server.asked.total() - asked == needed - kept
    for name, known in lines(folder / "out").items():
        same = {id: (one.counts, one.entities, one.asked.prompt) for id, one in known.items()}
        assert same == {id: (one.counts, one.entities, one.asked.prompt) for id, one in undisturbed[name].items()}


def answers(ledger) -> int:
    """How many a ledger has."""
    if not ledger.exists():
        return 0
    with closing(sqlite3.connect(ledger)) as db:
        made = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'requests'").fetchone()[0]
        return db.execute("SELECT count(*) FROM requests").fetchone()[0] if made else 0


def test_what_is_not_read_is_said_and_asked_again_when_wanted(server, clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url=server.url).replace('["none", "random", "knn"]', '["none"]'))
    server.fails = lambda text: "cancer" in text
    done = clinspan("ablate", plan, "-o", "out", "--no-cache")
    assert done.returncode == 3
    report = (folder / "out" / "report.md").read_text()
    assert "| no examples | 2 | 1 | 1 | 1 |" in report
    server.fails = lambda text: False
    asked = server.asked.total()
    assert clinspan("ablate", plan, "-o", "out", "--no-cache").returncode == 3
    assert server.asked.total() == asked
    again = clinspan("runs", "retry", "out")
    assert (again.returncode, server.asked.total()) == (0, asked + 1), again.stderr


def test_a_cell_that_cannot_be_run_is_named_and_the_others_go_on(server, clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url=server.url) + 'llm = ["served", "llamacpp:nowhere", "none"]\n')
    plan.write_text(plan.read_text().replace('llm = "served"\n', "", 1))
    done = clinspan("ablate", plan, "-o", "out")
    assert done.returncode == 3
    assert "failed: no examples, llamacpp:nowhere: " in done.stderr
    index = json.loads((folder / "out" / "cells.json").read_text())
    failed = {cell["name"] for cell in index["cells"] if cell["failed"]}
    assert failed == {
        f"{name}, llamacpp:nowhere" for name in ("no examples", "random k=1", "random k=2", "knn k=1", "knn k=2")
    }
    assert len(lines(folder / "out")["none"]) == 4
    assert "| no examples, llamacpp:nowhere | failed |" in (folder / "out" / "report.md").read_text()


def test_a_budget_that_is_spent_ends_it_and_a_larger_one_goes_on(server, clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url=server.url))
    spent = clinspan("ablate", plan, "-o", "out", "--max-tokens-total", "5000", "--no-cache")
    assert spent.returncode == 4
    assert 0 < server.asked.total() <= 5
    assert clinspan("ablate", plan, "-o", "out", "--no-cache").returncode == 0
    assert all(len(known) == 4 for known in lines(folder / "out").values())


def test_another_corpus_in_the_same_folder_is_refused_but_by_force(server, clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url=server.url).replace("k = [1, 2]", "k = [1]"))
    assert clinspan("ablate", plan, "-o", "out").returncode == 0
    write_plan(SERVED.format(url=server.url).replace("k = [1, 2]", "k = [1]"), unit="document")
    refused = clinspan("ablate", plan, "-o", "out")
    assert refused.returncode == 2
    assert "the run was begun differently: unit: sentence in the run, document now" in refused.stderr
    assert clinspan("ablate", plan, "-o", "out", "--force").returncode == 0
    assert {len(known) for known in lines(folder / "out").values()} == {2}


def test_force_leaves_a_run_that_is_no_ablation_alone(server, clinspan, write_plan, folder):
    options = ["--llm", "openai:m", "--base-url", server.url, "--dictionary", "none", "--run", "run"]
    options += ["--labels", "disease"]
    assert clinspan("tag", "gold.jsonl", "-o", "out.jsonl", *options).returncode == 0
    refused = clinspan("ablate", write_plan(SERVED.format(url=server.url)), "-o", "run", "--force")
    assert refused.returncode == 2
    assert "holds a run that is not an ablation" in refused.stderr
    assert (folder / "run" / "ledger.sqlite").exists()


def test_ctrl_c_leaves_a_report_on_what_was_done(server, clinspan, write_plan, folder):
    def stall(_):
        # From the seventh on none is answered, so that Ctrl-C meets a run that is under way on any machine.
        server.delay = 2 * HANGS if server.asked.total() >= 7 else 0.0

    server.seen = stall
    process = clinspan("ablate", write_plan(SERVED.format(url=server.url)), "-o", "out", "--no-cache", wait=False)
    while process.poll() is None and server.delay == 0:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=HANGS) == 130
    assert "| no examples |" in (folder / "out" / "report.md").read_text()
    assert "not measured yet" in (folder / "out" / "report.md").read_text()


def test_an_address_elsewhere_is_refused_before_anything_is_asked(clinspan, write_plan, folder):
    plan = write_plan(SERVED.format(url="http://192.0.2.1:9/v1"))
    refused = clinspan("ablate", plan, "-o", "out")
    assert refused.returncode == 2
    assert "--allow-remote" in refused.stderr


@pytest.mark.model
def test_the_embedded_model_with_a_bias_that_is_chosen_on_the_pool(smollm2, clinspan, write_plan, folder):
    plan = write_plan(
        """
        [opening]
        sentences = 2
        [llms.untuned]
        spec = "embedded"
        adapter = "none"
        threads = 1
        [tag]
        llm = "untuned"
        dictionary = "none"
        facts = "none"
        style = "full"
        window-sentences = 1
        open-bias = "auto"
        [grid]
        select = ["none", "knn"]
        k = [1]
        """
    )
    done = clinspan("ablate", plan, "-o", "out", "--limit", "2")
    assert done.returncode == 0, done.stderr
    openings = list(json.loads((folder / "out" / "openings.json").read_text()).values())
    assert {opening["llm"] for opening in openings} == {"untuned"}
    # Prompts without examples have a bias of their own, chosen on two sentences with one mention each.
    assert [(opening["examples"], opening["opening"]["right"]) for opening in openings] == [(False, 2), (True, 2)]
    assert openings[0]["opening"]["bias"] != openings[1]["opening"]["bias"]
    for known in lines(folder / "out").values():
        for one in known.values():
            assert one.complete
            assert one.asked.prompt > one.asked.cached >= 0
            assert one.times.llm > one.times.prompt > 0
