"""The page as a person meets it: Chromium over the routes of review, whose store is in memory."""

import json
import re
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from review_fake import Fake, entity, served
from service import until

from clinspan.server import routes as files

pytestmark = pytest.mark.browser

TEXT = (
    "😀 Mrs Quimby has chest pain and fever.\r\n"
    "No cough. <script>window.ran = true</script> Chest\npain again, metformin 500 mg daily.\n"
    "Plan: aspirin. No cough now."
)


def entities():
    return [
        entity(TEXT, "chest pain", "problem", score=0.9, attributes={"assertion": "present"}),
        entity(TEXT, "fever", "problem", score=0.4, attributes={"assertion": "present"}),
        entity(TEXT, "cough", "problem", score=0.8, attributes={"assertion": "absent"}),
        entity(TEXT, "metformin 500 mg", "treatment", score=0.7),
        entity(
            TEXT, "metformin", "treatment", score=0.6, concepts=[{"id": "RX6809", "name": "Metformin", "score": 0.9}]
        ),
    ]


@pytest.fixture
def fake():
    made = Fake()
    at = TEXT.index("Plan")
    made.add(
        "one-1", TEXT, entities(), unread=[{"start": at, "end": at + 14, "state": "failed", "detail": "no answer"}]
    )
    made.add("two", "Gout. Gout again.", [entity("Gout. Gout again.", "Gout", "problem", score=0.3)])
    return made


@pytest.fixture
def url(fake):
    with served(fake.app) as address:
        yield address


def opened(browser, url, errors, name="Dr. Ada", **options):
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    tab = context.new_page()
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
    tab.goto(url)
    if name:
        tab.fill("#ask-value", name)
        tab.keyboard.press("Enter")
    return tab


@pytest.fixture
def errors():
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def tab(browser, url, errors):
    made = opened(browser, url, errors)
    yield made
    made.context.close()


@pytest.fixture
def note(tab, url):
    go(tab, url, "one-1")
    return tab


def go(tab, url, key):
    tab.goto(f"{url}/#/note/{key}")
    tab.wait_for_selector("#text p")


def wait(tab, expression):
    """Waits for an expression to be true. Playwright's own way would need `unsafe-eval`."""
    until(lambda: tab.evaluate(expression), expression)


HEARD = """const heard = () => new Promise((done) => {
    document.addEventListener("selectionchange", () => done(), { once: true });
});"""
"""The browser tells of a selection later, and a key that is pressed at once would come before. The page's own listener
is older: it was told when this promise is kept."""


def select(tab, words, nth=0):
    """Selects words as a mouse would; a text node may hold several lines' worth, but no line end."""
    tab.evaluate(
        f"""async ([words, nth]) => {{
            {HEARD}
            const walker = document.createTreeWalker(document.getElementById("text"), NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {{
                for (let at = node.data.indexOf(words); at >= 0; at = node.data.indexOf(words, at + 1)) {{
                    if (nth-- > 0) continue;
                    const told = heard();
                    document.getSelection().setBaseAndExtent(node, at, node, at + words.length);
                    return told;
                }}
            }}
            throw new Error(`not in the text: ${{words}}`);
        }}""",
        [words, nth],
    )
    wait(tab, "document.querySelector('#labels button:enabled')")


def point_of(tab, words, nth=0):
    """The middle of some words on the screen."""
    select(tab, words, nth)
    box = tab.evaluate(
        "(r => [r.x + r.width / 2, r.y + r.height / 2])(getSelection().getRangeAt(0).getBoundingClientRect())"
    )
    tab.evaluate(f"async () => {{ {HEARD} const told = heard(); getSelection().removeAllRanges(); return told; }}")
    return box


def painted(tab):
    """The words under each highlight that has some."""
    return tab.evaluate(
        """() => {
            const words = (range) => {
                const live = document.createRange();
                live.setStart(range.startContainer, range.startOffset);
                live.setEnd(range.endContainer, range.endOffset);
                return live.toString();
            };
            const some = [...CSS.highlights].filter(([, each]) => each.size);
            return Object.fromEntries(some.map(([name, each]) => [name, [...each].map(words).sort()]));
        }"""
    )


def saved(fake, key="one-1"):
    return sorted((words, label) for words, label, _ in fake.entities(key))


def saves(fake, wanted, key="one-1"):
    until(lambda: saved(fake, key) == sorted(wanted), f"{wanted} to be saved; there is {saved(fake, key)}")


BEFORE = sorted((e["text"], e["label"]) for e in entities())


# The files


class Markup(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_files_are_served_with_a_strict_policy_and_asked_for_once():
    client = TestClient(Fake().app)
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    again = client.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/page/main.js", headers={"If-None-Match": answer.headers["etag"]}).status_code == 200
    for lost in ("/page/none.js", "/page/..%2Froutes.py", "/page/%2e%2e/routes.py", "/page/"):
        assert client.get(lost).status_code == 404


def test_nothing_in_the_page_is_inline_and_every_file_is_there():
    markup = Markup()
    markup.feed(files.assets()["index.html"].content.decode())
    for tag, attributes in markup.found:
        assert tag != "style"
        assert tag != "script" or attributes["src"]
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("src", "href"):
            if attributes.get(name, "").startswith("page/"):
                assert attributes[name].removeprefix("page/") in files.assets()
    for name, asset in files.assets().items():
        if name.endswith(".js"):
            imported = re.findall(r'from "\./([^"]+)"', asset.content.decode())
            assert set(imported) <= set(files.assets())
            assert "innerHTML" not in asset.content.decode()


def test_the_scripts_are_small():
    assert sum(len(asset.packed) for name, asset in files.assets().items() if name.endswith(".js")) < 60_000


# The parts of the scripts that count


def test_offsets_are_turned_round_as_python_counts_them(tab):
    @settings(max_examples=50)
    @given(st.text(st.sampled_from("a\n é😀𝄞"), max_size=40))
    def check(text):
        units = [len(text[:point].encode("utf-16-le")) // 2 for point in range(len(text) + 1)]
        found = tab.evaluate(
            """async ([text, units]) => {
                const { Offsets } = await import("/page/offsets.js");
                const offsets = new Offsets(text);
                return [units.map((_, point) => offsets.units(point)), units.map((unit) => offsets.points(unit))];
            }""",
            [text, units],
        )
        assert found == [units, list(range(len(text) + 1))]

    check()


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("gout, Gout and gouty", "gout", ["gout"]),
        ("chest pain. Chest\n pain, chest pains", "chest pain", ["chest pain", "Chest\n pain"]),
        ("PT and pt", "PT", ["PT"]),
        ("İİ fever FEVER", "fever", ["fever", "FEVER"]),
        ("-N/V, -N/V", "-N/V", ["-N/V", "-N/V"]),
        ("a (b) [c] a (b)", "(b)", ["(b)", "(b)"]),
        ("50 mg, 150 mg", "50 mg", ["50 mg"]),
    ],
)
def test_occurrences_are_whole_words_wherever_a_line_breaks(tab, text, words, found):
    script = """async ([text, words]) => {
        const { occurrences } = await import("/page/words.js");
        return occurrences(text, words).map(({ start, end }) => text.slice(start, end));
    }"""
    assert tab.evaluate(script, [text, words]) == found


SPANS = [(0, 4, "a"), (2, 6, "a"), (6, 9, "b"), (10, 12, "a"), (10, 12, "b")]
VERSION = st.sets(st.sampled_from(SPANS)).map(
    lambda some: [dict(zip(("start", "end", "label"), s, strict=True)) for s in some]
)
MERGE = """async ([base, mine, theirs, choice]) => {
    const { differences, merged } = await import("/page/merge.js");
    const full = (some) => some.map((one) => ({ attributes: {}, ...one }));
    const places = differences(full(base), full(mine), full(theirs));
    for (const place of places) place.choice = choice ?? place.choice;
    return merged(full(mine), full(theirs), places).map(({ start, end, label }) => [start, end, label]);
}"""


def test_a_merge_takes_the_side_that_changed_something(tab):
    def said(some):
        return sorted((e["start"], e["end"], e["label"]) for e in some)

    @settings(max_examples=60)
    @given(VERSION, VERSION, VERSION)
    def check(base, mine, theirs):
        def merge(*given):
            return sorted(tuple(one) for one in tab.evaluate(MERGE, list(given)))

        assert merge(base, mine, base, None) == said(mine)
        assert merge(base, base, theirs, None) == said(theirs)
        assert merge(base, mine, theirs, "mine") == said(mine)
        assert merge(base, mine, theirs, "theirs") == said(theirs)
        assert merge(base, mine, theirs, "all") == sorted({*said(mine), *said(theirs)})

    check()


# A note


def test_the_text_stands_letter_for_letter_and_no_script_of_it_runs(note):
    assert note.locator("#text").evaluate("e => e.textContent") == TEXT
    assert note.evaluate("window.ran") is None
    assert note.locator("#text script").count() == 0


def test_entities_are_painted_where_they_are_also_after_an_emoji(note):
    assert painted(note) == {
        "l0": ["chest pain", "cough", "fever"],
        "l1": ["metformin 500 mg"],
        "m1": ["metformin"],
        "absent": ["cough"],
        "unread": ["Plan: aspirin."],
    }
    assert note.locator("#text p[data-unread]").get_attribute("data-unread") == "not read: failed"
    assert "1 part of this note was not read" in note.locator("#unread").inner_text()


def test_selected_text_is_added_by_a_key_and_saved(note, fake):
    select(note, "aspirin")
    note.keyboard.press("2")
    saves(fake, [*BEFORE, ("aspirin", "treatment")])
    note.wait_for_selector("#saving.saved")
    assert fake.saves[-1]["by"] == "Dr. Ada"
    assert fake.notes["one-1"].now["state"] == "changed"
    note.reload()
    note.wait_for_selector("#text p")
    assert "aspirin" in painted(note)["k1"]


def test_a_selection_is_made_whole_words_and_added_by_its_popup(note, fake):
    x, y = point_of(note, "spirin")
    note.mouse.dblclick(x, y)
    note.locator("#pop button", has_text="treatment").click()
    saves(fake, [*BEFORE, ("aspirin", "treatment")])
    select(note, "uimb")
    note.keyboard.press("3")
    saves(fake, [*BEFORE, ("aspirin", "treatment"), ("Quimby", "test")])


def test_a_click_chooses_and_a_second_one_the_entity_around(note):
    x, y = point_of(note, "metformin")
    note.mouse.click(x, y)
    assert note.locator("#card h2").inner_text() == "metformin"
    assert "RX6809" in note.locator("#card").inner_text()
    note.mouse.click(x, y)
    assert note.locator("#card h2").inner_text() == "metformin 500 mg"
    note.mouse.click(*point_of(note, "again"))
    assert note.locator("#card").is_hidden()


def test_keys_relabel_move_describe_delete_and_go_back(note, fake):
    note.keyboard.press("j")
    assert painted(note)["selected"] == ["chest pain"]
    note.keyboard.press("3")
    note.keyboard.press("r")
    note.keyboard.press("Shift+R")
    moved = [
        ("chest pain and f" if words == "chest pain" else words, "test" if words == "chest pain" else label)
        for words, label in BEFORE
    ]
    # One word further, then one character: the space, which the save keeps as a person set it.
    saves(
        fake,
        [(words.removesuffix("f"), label) if words == "chest pain and f" else (words, label) for words, label in moved],
    )
    note.keyboard.press("z")
    note.keyboard.press("z")
    note.keyboard.press("z")
    saves(fake, BEFORE)
    note.keyboard.press("s")
    until(lambda: dict(fake.entities("one-1")[0][2]) == {"assertion": "absent"}, "the assertion")
    note.keyboard.press("x")
    saves(fake, [one for one in BEFORE if one != ("chest pain", "problem")])
    note.keyboard.press("Control+z")
    saves(fake, BEFORE)
    note.keyboard.press("y")
    saves(fake, [one for one in BEFORE if one != ("chest pain", "problem")])


def test_all_occurrences_at_once(note, fake):
    select(note, "cough")
    note.keyboard.press("o")
    assert note.locator("#scope").inner_text().startswith("All occurrences (2)")
    note.keyboard.press("3")
    assert note.locator("#shown").inner_text() == "7"
    saves(fake, [*BEFORE, ("cough", "test"), ("cough", "test")])
    note.keyboard.press("o")
    note.keyboard.press("x")
    saves(fake, [one for one in BEFORE if one[0] != "cough"])


def test_a_selection_without_a_mouse(note, fake):
    note.keyboard.press("ArrowRight")
    note.keyboard.press("ArrowRight")
    note.keyboard.press("Shift+ArrowRight")
    note.keyboard.press("l")
    note.keyboard.type("tes")
    note.keyboard.press("Enter")
    saves(fake, [*BEFORE, ("Mrs Quimby", "test")])


def test_bulk_by_score_label_and_text(note, fake):
    note.locator("#filter-score").fill("0.65")
    assert note.locator("#shown").inner_text() == "2 of 5"
    assert sorted(painted(note)["off"]) == ["chest pain", "cough", "metformin 500 mg"]
    note.locator("#bulk-accept").click()
    assert painted(note)["k0"] == ["fever"]
    note.locator("#filter-score").fill("1")
    note.locator("#filter-label").select_option("treatment")
    note.locator("#bulk-label").select_option("test")
    note.locator("#filter-label").select_option("")
    note.locator("#filter-text").fill("COUGH")
    note.locator("#bulk-delete").click()
    kept = [(words, "test" if label == "treatment" else label) for words, label in BEFORE if words != "cough"]
    saves(fake, kept)


def test_what_is_accepted_stays_accepted_and_the_note_goes_on(note, fake, url):
    note.keyboard.press("j")
    note.keyboard.press("a")
    assert painted(note)["k0"] == ["chest pain"]
    assert painted(note)["selected"] == ["fever"]
    note.wait_for_selector("#saving.saved")
    note.reload()
    note.wait_for_selector("#text p")
    assert painted(note)["k0"] == ["chest pain"]
    note.keyboard.press("u")
    assert painted(note)["selected"] == ["fever"]
    note.keyboard.press("Shift+A")
    until(lambda: fake.notes["one-1"].now["state"] == "accepted", "the note's acceptance")
    assert "l0" not in painted(note)
    note.keyboard.press("Shift+N")
    wait(note, "location.hash === '#/note/two'")


def test_a_note_that_was_passed_over_comes_again_only_after_all_others(tab, fake, url):
    fake.add("three", "Colic.", [entity("Colic.", "Colic", "problem", score=0.5)])
    seen = []
    for _ in range(3):
        tab.locator("#next-note" if seen else "#next").click()
        wait(tab, f"location.hash.startsWith('#/note/') && !{seen}.includes(location.hash)")
        seen.append(tab.evaluate("location.hash"))
        tab.wait_for_selector("#text p")
    assert sorted(seen) == ["#/note/one-1", "#/note/three", "#/note/two"]
    tab.keyboard.press("Shift+N")
    wait(tab, "location.hash === '#/'")
    tab.locator("#next").click()
    wait(tab, f"location.hash === '{seen[0]}'")


def test_on_screen_is_what_can_be_seen(tab, fake, url):
    text = "gout here\n" * 400
    fake.add("long", text, [entity(text, "gout", "problem", nth) for nth in range(400)])
    go(tab, url, "long")
    tab.locator("#filter-screen").check()
    count = int(tab.locator("#shown").inner_text().partition(" ")[0])
    assert 10 < count < 60
    tab.locator("#bulk-accept").click()
    assert len(painted(tab)["k0"]) == count
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    wait(tab, "CSS.highlights.get('l0').size > 5")
    assert tab.locator(".bar").evaluate("e => e.getBoundingClientRect().top") < 100


# Saving

DRAFT = "localStorage[Object.keys(localStorage).find((name) => name.startsWith('clinspan:draft:one-1:'))] ?? null"


def edited_elsewhere(fake):
    """Somebody else deletes the fever and marks aspirin."""
    theirs = [e for e in entities() if e["text"] != "fever"] + [entity(TEXT, "aspirin", "treatment")]
    fake.save("one-1", "Dr. Bob", theirs)


@pytest.mark.parametrize(
    ("button", "kept"),
    [
        ("#conflict-merge", ["chest pain", "metformin 500 mg", "metformin", "aspirin"]),
        ("#conflict-mine", ["chest pain", "fever", "metformin 500 mg", "metformin"]),
        ("#conflict-theirs", ["chest pain", "cough", "metformin 500 mg", "metformin", "aspirin"]),
    ],
)
def test_two_people_on_one_note_are_told_and_choose(note, fake, button, kept):
    edited_elsewhere(fake)
    for _ in range(3):
        note.keyboard.press("j")
    note.keyboard.press("x")  # cough
    note.wait_for_selector("#conflict[open]")
    said = note.locator("#conflict").inner_text()
    assert "Dr. Bob saved version 2" in said
    assert "3 places differ" in said
    note.keyboard.press("Escape")
    note.locator(button).click()
    until(lambda: sorted(words for words, _ in saved(fake)) == sorted(kept), f"{kept} to be saved")
    note.wait_for_selector("#saving.saved")
    # What was not taken is one step back.
    note.keyboard.press("z")
    until(
        lambda: (
            sorted(words for words, _ in saved(fake))
            == sorted({"chest pain", "fever", "metformin 500 mg", "metformin"})
        ),
        "the undo",
    )


def test_without_the_service_work_is_kept_and_sent_later(note, fake, url):
    note.route("**/review/**", lambda route: route.abort())
    select(note, "aspirin")
    note.keyboard.press("2")
    wait(note, "document.getElementById('saving').textContent.includes('kept in this browser')")
    assert saved(fake) == BEFORE
    kept = note.evaluate(DRAFT)
    assert "aspirin" not in kept  # places, no text
    note.unroute("**/review/**")
    saves(fake, [*BEFORE, ("aspirin", "treatment")])
    note.wait_for_selector("#saving.saved")
    assert note.evaluate(DRAFT) is None


def test_a_closed_browser_in_the_middle_of_a_save_loses_nothing(note, fake, url):
    note.route(
        "**/review/notes/**", lambda route: route.abort() if route.request.method == "PUT" else route.continue_()
    )
    select(note, "aspirin")
    note.keyboard.press("2")
    note.wait_for_selector("#saving.away")
    again = note.context.new_page()
    note.close()
    go(again, url, "one-1")
    saves(fake, [*BEFORE, ("aspirin", "treatment")])
    again.wait_for_selector("#saving.saved")


def test_kept_work_of_another_text_is_told_and_waits_for_its_text(note, fake):
    only_put = "**/review/notes/**"
    note.route(only_put, lambda route: route.abort() if route.request.method == "PUT" else route.continue_())
    select(note, "aspirin")
    note.keyboard.press("2")
    note.wait_for_selector("#saving.away")
    theirs = fake.notes.pop("one-1")
    fake.add("one-1", "Takes aspirin.", [])  # another file of notes at the same address
    note.reload()
    wait(note, "document.getElementById('alarm').textContent.includes('another text')")
    note.unroute(only_put)
    select(note, "aspirin")
    note.keyboard.press("2")
    saves(fake, [("aspirin", "treatment")])
    note.wait_for_selector("#saving.saved")
    fake.notes["one-1"] = theirs
    note.reload()
    saves(fake, [*BEFORE, ("aspirin", "treatment")])
    note.wait_for_selector("#saving.saved")
    assert note.evaluate(DRAFT) is None


def test_kept_work_meets_what_somebody_else_saved_meanwhile(note, fake, url):
    note.route(
        "**/review/notes/**", lambda route: route.abort() if route.request.method == "PUT" else route.continue_()
    )
    select(note, "daily")
    note.keyboard.press("2")
    note.wait_for_selector("#saving.away")
    edited_elsewhere(fake)
    again = note.context.new_page()
    note.close()
    go(again, url, "one-1")
    again.wait_for_selector("#conflict[open]")
    again.locator("#conflict-merge").click()
    saves(fake, [*(one for one in BEFORE if one[0] != "fever"), ("aspirin", "treatment"), ("daily", "treatment")])


def test_a_lost_answer_is_no_conflict(note, fake):
    lost = []

    def lose(route):
        if route.request.method == "PUT" and not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    note.route("**/review/notes/**", lose)
    select(note, "aspirin")
    note.keyboard.press("2")
    note.wait_for_selector("#saving.saved")
    assert lost == [200]
    assert len(fake.notes["one-1"].versions) == 2
    assert note.locator("#conflict").is_hidden()


def test_a_closing_page_whose_save_arrived_leaves_no_conflict(note, fake, url):
    def unheard(route):
        if route.request.method == "PUT":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    note.route("**/review/notes/**", unheard)
    select(note, "aspirin")
    note.keyboard.press("2")
    note.wait_for_selector("#saving.away")
    assert len(fake.notes["one-1"].versions) == 2
    assert note.evaluate(DRAFT) is not None
    again = note.context.new_page()
    note.close()
    go(again, url, "one-1")
    again.wait_for_selector("#text p")
    assert again.locator("#conflict").is_hidden()
    assert again.evaluate(DRAFT) is None
    assert "aspirin" in {words for some in painted(again).values() for words in some}


def test_a_refused_save_says_why(note, fake):
    fake.refuse = 422
    select(note, "aspirin")
    note.keyboard.press("2")
    note.wait_for_selector("#saving.refused")
    assert "refused by the test" in note.locator("#saving").inner_text()


def test_an_old_version_comes_back(note, fake):
    note.keyboard.press("j")
    note.keyboard.press("x")
    note.wait_for_selector("#saving.saved")
    until(lambda: len(fake.notes["one-1"].versions) == 2, "the save")
    note.locator("#history").click()
    note.locator("#past button", has_text="Restore").click()
    saves(fake, BEFORE)


# The list, and who may see it


def test_the_list_finds_filters_and_puts_accepted_notes_to_use(tab, fake):
    tab.wait_for_selector("#notes li")
    assert tab.locator("#notes a").all_inner_texts() == ["two", "one-1"]
    tab.fill("#notes-query", "quimby")
    wait(tab, "document.querySelectorAll('#notes li').length === 1")
    tab.fill("#notes-query", "")
    tab.locator("#states button", has_text="accepted").click()
    wait(tab, "document.getElementById('notes-said').textContent === 'No such notes.'")
    tab.locator("#loop").click()
    until(lambda: fake.looped == [{"pool": True, "gold": True}], "the loop")
    tab.locator("#next").click()
    wait(tab, "location.hash === '#/note/two'")


def test_the_token_is_asked_for_and_a_wrong_one_again(browser, errors):
    fake = Fake(token="a-token-of-some-length")
    fake.add("one", "Gout.", [])
    with served(fake.app) as url:
        tab = opened(browser, url, errors)
        wait(tab, "document.getElementById('ask-title').textContent === 'Token'")
        tab.fill("#ask-value", "wrong")
        tab.keyboard.press("Enter")
        wait(tab, "document.getElementById('ask-why').textContent.includes('not right')")
        tab.fill("#ask-value", "a-token-of-some-length")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#notes li")
        assert tab.evaluate("JSON.stringify(localStorage)").count("a-token") == 0
        tab.context.close()


def test_a_note_that_is_not_there_is_said(tab, url):
    tab.goto(f"{url}/#/note/..%2Fnone")
    wait(tab, "document.getElementById('alarm').textContent.includes('no such note')")


# For everybody


def test_the_list_of_keys_is_shown_and_single_keys_can_be_turned_off(note):
    note.keyboard.press("?")
    assert "delete the entity" in note.locator("#keys").inner_text()
    note.locator("#keys-on").uncheck()
    note.keyboard.press("Escape")
    wait(note, "!document.querySelector('dialog[open]')")
    note.keyboard.press("j")
    assert note.locator("#card").is_hidden()
    note.keyboard.press("ArrowRight")
    assert note.evaluate("getSelection().toString()") != ""


def test_a_key_pressed_in_the_moment_when_a_dialog_closes_is_meant_for_the_text(note):
    note.keyboard.press("?")
    note.locator("#keys-on").focus()
    at_once = """() => {
        const field = document.activeElement;
        document.querySelector("#keys").close();
        field.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
        return [field.id, getSelection().toString()];
    }"""
    field, words = note.evaluate(at_once)
    assert field == "keys-on"
    assert words != ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all_without_scrolling_sideways(browser, url, errors, scheme):
    tab = opened(browser, url, errors, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    tab.wait_for_selector("#notes li")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    go(tab, url, "one-1")
    tab.mouse.click(*point_of(tab, "fever"))
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    box = tab.locator("#labels button").first.bounding_box()
    assert box["y"] + box["height"] < 844
    tab.context.close()


CONTRASTS = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const paint = (...colours) => {
        for (const colour of colours) {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const light = (rgb) => rgb.reduce((sum, v, i) => sum + linear(v / 255) * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    const found = {};
    for (const back of ["page", "sheet"]) {
        for (const name of ["ink", "soft", "link", "bad", "good"]) {
            found[`text ${name} on ${back}`] = ratio(paint(of(back), of(name)), paint(of(back)));
        }
    }
    found["text on a button"] = ratio(paint(of("on-link")), paint(of("link")));
    found["text on the same words"] = ratio(paint(of("ink")), paint(of("same")));
    for (let n = 0; n < 8; n += 1) {
        const mixed = `color-mix(in srgb, ${of(`c${n}`)} ${of("mix")}, transparent)`;
        found[`text on label ${n}`] = ratio(paint(of("ink")), paint(of("sheet"), mixed));
        found[`absent text on label ${n}`] = ratio(paint(of("soft")), paint(of("sheet"), mixed));
        found[`line of label ${n}`] = ratio(paint(of(`c${n}`)), paint(of("sheet")));
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_have_the_contrast_that_wcag_aa_wants(browser, url, errors, scheme):
    tab = opened(browser, url, errors, color_scheme=scheme)
    found = tab.evaluate(CONTRASTS)
    assert len(found) == 36
    low = {name: ratio for name, ratio in found.items() if ratio < (3 if name.startswith("line") else 4.5)}
    assert low == {}
    tab.context.close()


def test_everything_that_can_be_pressed_has_a_name(note):
    note.keyboard.press("j")
    tree = note.locator("body").aria_snapshot()
    assert not re.search(r"- (button|textbox|combobox|slider|checkbox|option|searchbox)\s*$", tree, re.MULTILINE)
    assert (
        note.locator("#spoken").inner_text()
        == "chest pain, problem, assertion present, score 0.90, not accepted, 1 of 5"
    )
    assert note.locator("#rows").get_attribute("aria-activedescendant")
    assert json.dumps(tree).count("option") >= 5
