"""Documents with all that a report shows: nested, crossing and parted entities, unread windows, odd characters."""

from clinspan.document import Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.labels import Label, LabelSet

LABELS = LabelSet(
    "sample",
    (
        Label("problem", "A symptom, disease or abnormal finding."),
        Label("treatment", "A drug, procedure or other therapy."),
        Label("test", "A laboratory test, imaging or other examination."),
    ),
)
SETTINGS = {"llm": "embedded (smollm2-135m-instruct, Q4_1)", "format": "tanl", "dictionary": "open"}
VERSIONS = {"clinspan": "0.1.0", "xllamacpp": "2026.10.11549"}


def entity(text: str, mention: str, label: str, nth: int = 0, **more) -> Entity:
    start = -1
    for _ in range(nth + 1):
        start = text.index(mention, start + 1)
    return Entity(Span(start, start + len(mention)), label, mention, **more)


def parted(text: str, label: str, *parts: str) -> Entity:
    spans, at = [], 0
    for part in parts:
        start = text.index(part, at)
        at = start + len(part)
        spans.append(Span(start, at))
    hull = Span(spans[0].start, spans[-1].end)
    return Entity(hull, label, hull.of(text), fragments=tuple(spans))


DISCHARGE = (
    "DISCHARGE SUMMARY\r\n\r\nHistory: Mrs. Ångström, 64, came in with shortness of breath and chest pain.\r\n"
    "A CT of the chest showed a left lower lobe pneumonia; troponin <0.01 & BNP 812.\r\n"
    "She has pain in the left knee and hip, and type 2 diabetes mellitus on metformin.\r\n\r\n"
    "Medications\r\n\tmetformin 500 mg\tBID\r\n\tlisinopril 10 mg\tdaily\r\n\r\n"
    "Plan: repeat chest x-ray in 6 weeks. Follow-up with cardiology for the possible stenosis.\r\n"
)
HOSTILE = (
    "<script>document.title = 'owned'</script> \"quoted\" & 'single' </div></mark>\n"
    "\x00 NUL, \u202e right to left, 😀 emoji before chest pain, <img src=x onerror=alert(1)>.\n"
)


def documents() -> list[Document]:
    d = DISCHARGE
    end = d.index("Medications")
    plan = d.index("Plan:")
    mondo = Concept("MONDO:0005148", "type 2 diabetes mellitus", "MONDO", ("Disease or Syndrome",), 0.98)
    return [
        Document(
            "discharge-01",
            d,
            entities=(
                entity(d, "shortness of breath", "problem", score=0.91),
                entity(d, "chest pain", "problem", score=0.88, concepts=(Concept("HP:0100749", "Chest pain", "HPO"),)),
                entity(d, "A CT of the chest", "test", score=0.7, rules=("left-article",)),
                entity(d, "CT of the chest showed a left", "test"),
                entity(d, "chest showed a left lower lobe pneumonia", "problem", match=MatchKind.FUZZY),
                entity(d, "left lower lobe pneumonia", "problem", score=0.95),
                entity(d, "pneumonia", "problem", match=MatchKind.DICTIONARY),
                entity(d, "troponin", "test", score=0.99),
                entity(d, "BNP", "test"),
                parted(d, "problem", "pain in the left", "hip"),
                entity(d, "pain in the left knee", "problem"),
                entity(d, "type 2 diabetes mellitus", "problem", score=0.97, concepts=(mondo,)),
                entity(d, "metformin", "treatment", match=MatchKind.NORMALISED),
                entity(d, "metformin", "treatment", nth=1),
                entity(d, "chest x-ray", "test"),
                entity(d, "stenosis", "problem", attributes={"assertion": "possible"}),
            ),
            windows=(
                WindowReport(Span(0, end), WindowState.OK, unread=("'NSTEMI' (problem): does not stand in the text",)),
                WindowReport(Span(end, plan), WindowState.TRUNCATED, detail="the answer stopped after 512 tokens"),
                WindowReport(Span(plan - 5, len(d)), WindowState.FAILED, detail="HTTP 400: context too long"),
            ),
            metadata={"ward": "4B", "visit": {"year": 2026}},
        ),
        Document(
            "</title><script>alert(2)</script>",
            HOSTILE,
            entities=(entity(HOSTILE, "chest pain", "problem", concepts=(Concept("X", "<b>bold</b>", "<i>"),)),),
            windows=(WindowReport(Span(0, len(HOSTILE)), WindowState.OK),),
        ),
        Document("empty note", "Nothing of note.\n", windows=(WindowReport(Span(0, 17), WindowState.EMPTY, False),)),
    ]
