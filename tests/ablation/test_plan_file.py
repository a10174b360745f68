"""Plans: what they say, what is wrong with them, and those that ship."""

from pathlib import Path

import pytest

from clinspan.ablation.plan import grid
from clinspan.ablation.plan_file import read_plan
from clinspan.errors import ConfigError

SHIPPED = sorted((Path(__file__).parents[2] / "experiments").glob("*.toml"))


@pytest.fixture
def plan_of(tmp_path):
    def write(text: str):
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return read_plan(path)

    return write


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[corpus", r"plan.toml: is not TOML"),
        ("[corpus]\n", r"plan.toml, \[corpus\]: the key 'gold' is missing"),
        ('[corpsu]\ngold = "g"', r"unknown key 'corpsu'. Did you mean 'corpus'\?"),
        ('corpus = "g"', r"plan.toml, \[corpus\]: is text; expected a table"),
        ('[corpus]\ngold = "g"\nlimits = 3', r"\[corpus\]: unknown key 'limits'. Did you mean 'limit'\?"),
        ('[corpus]\ngold = "g"\nlimit = 0', r"limit is 0; expected a whole number, 1 or more"),
        ('[corpus]\ngold = "g"\nlimit = true', r"limit is True; expected a whole number, 1 or more"),
        ('[corpus]\ngold = "g"\nunit = "sentences"', r"unit is 'sentences'. Did you mean 'sentence'\?"),
        ('[corpus]\ngold = "g"\nfrom = "pubtater"', r"from is 'pubtater'. Did you mean 'pubtator'\?"),
        ('[corpus]\ngold = "g"\nmap = ["a"]', r"map is \['a'\]; expected \{ OLD = \"NEW\" \}"),
        (
            '[corpus]\ngold = "$NOWHERE_AT_ALL/g"',
            r"gold names the environment variable NOWHERE_AT_ALL, which is not set",
        ),
        ('[corpus]\ngold = "g"\n[tag]\nselct = "knn"', r"\[tag\]: unknown key 'selct'. Did you mean 'select'\?"),
        ('[corpus]\ngold = "g"\n[grid]\nselect = "knn"', r"\[grid\]: select is 'knn'; expected a list of values"),
        ('[corpus]\ngold = "g"\n[grid]\nselect = ["knn", "kn"]', r"\[grid\]: select is 'kn'. Did you mean 'knn'\?"),
        ('[corpus]\ngold = "g"\n[grid]\nk = [4, 4]', r"k is \[4, 4\]; expected each value once"),
        ('[corpus]\ngold = "g"\n[grid]\nk = [-1]', r"k is -1; expected a whole number, 0 or more"),
        ('[corpus]\ngold = "g"\n[tag]\nopen-bias = "aut"', r'open-bias is \'aut\'; expected a number, or "auto"'),
        ('[corpus]\ngold = "g"\n[tag]\nformat = "tanle"', r"format is 'tanle'. Did you mean 'tanl'\?"),
        ('[corpus]\ngold = "g"\n[tag]\nk = 4\n[grid]\nk = [4]', r"'k' is in \[tag\] and in \[grid\]; expected either"),
        ('[corpus]\ngold = "g"\n[tag]\nllm = "embeded"', r"llm is 'embeded'. Did you mean 'embedded'\?"),
        (
            '[corpus]\ngold = "g"\n[llms.a]\nspec = "openia:m"',
            r"\[llms.a\]: spec is 'openia:m'. Did you mean 'openai'\?",
        ),
        (
            '[corpus]\ngold = "g"\n[llms.a]\nspec = "openai:m"\nbase-ulr = "x"',
            r"\[llms.a\]: unknown key 'base-ulr'. Did you mean 'base-url'\?",
        ),
        (
            '[corpus]\ngold = "g"\n[llms.a]\nspec = "openai:m"\nallow-remote = true',
            r"\[llms.a\]: unknown key 'allow-remote'",
        ),
    ],
)
def test_what_is_wrong_is_named_with_section_key_and_the_nearest_name(plan_of, text, said):
    with pytest.raises(ConfigError, match=said):
        plan_of(text)


def test_a_plan_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read: No such file"):
        read_plan(tmp_path / "none.toml")


def test_paths_are_those_of_the_plans_folder_and_of_the_environment(plan_of, tmp_path, monkeypatch):
    monkeypatch.setenv("SOMEWHERE", str(tmp_path / "else"))
    plan = plan_of('[corpus]\ngold = "g.txt"\nlabels = "mine.toml"\n[pool]\nexamples = "${SOMEWHERE}/p"')
    assert plan.gold.path == tmp_path / "g.txt"
    assert plan.labels == str(tmp_path / "mine.toml")
    assert plan.pool.path == tmp_path / "else" / "p"


def test_numbers_are_kept_as_the_kind_that_they_are(plan_of):
    plan = plan_of('[corpus]\ngold = "g"\n[tag]\nopen-bias = 2\nk = 4\n[llms.a]\nspec = "openai:m"\nbase-url = "u"')
    assert plan.fixed == {"open-bias": 2.0, "k": 4}
    assert isinstance(plan.fixed["open-bias"], float)
    assert plan.llm("a").options == {"base_url": "u"}
    assert plan.llm("openai:other").spec == "openai:other"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_plans_that_ship_can_be_read(path, monkeypatch):
    for name in ("NCBI", "MTSAMPLES", "POOL"):
        monkeypatch.setenv(name, "/somewhere")
    plan = read_plan(path)
    cells = grid(plan)
    assert len(cells.cells) > 5
    assert plan.title != path.stem
    assert "test" not in plan.gold.path.name.lower()


def test_all_of_them_were_found():
    assert [path.stem for path in SHIPPED] == ["dirag", "embedded", "kate-notes", "kate", "study"]
