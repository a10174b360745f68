"""Releases that users have, in their true columns with rows of our own: LOINC, RxNorm, SNOMED CT, HGNC."""

import pytest

from clinspan.dictionary.build import build, resolve
from clinspan.dictionary.store import Dictionary
from clinspan.errors import DictionaryError

LOINC = (
    '"LOINC_NUM","COMPONENT","PROPERTY","TIME_ASPCT","SYSTEM","SCALE_TYP","METHOD_TYP","CLASS","VersionLastChanged",'
    '"CHNG_TYPE","DefinitionDescription","STATUS","CONSUMER_NAME","CLASSTYPE","FORMULA","EXMPL_ANSWERS",'
    '"SURVEY_QUEST_TEXT","SURVEY_QUEST_SRC","UNITSREQUIRED","RELATEDNAMES2","SHORTNAME","ORDER_OBS",'
    '"HL7_FIELD_SUBFIELD_ID","EXTERNAL_COPYRIGHT_NOTICE","EXAMPLE_UNITS","LONG_COMMON_NAME","EXAMPLE_UCUM_UNITS",'
    '"STATUS_REASON","STATUS_TEXT","CHANGE_REASON_PUBLIC","COMMON_TEST_RANK","COMMON_ORDER_RANK",'
    '"HL7_ATTACHMENT_STRUCTURE","EXTERNAL_COPYRIGHT_LINK","PanelType","AskAtOrderEntry","AssociatedObservations",'
    '"VersionFirstReleased","ValidHL7AttachmentRequest","DisplayName"\n'
)


def loinc_row(number, component, short, long, rank, *, status="ACTIVE", kind="1", version="2.73"):
    row = dict.fromkeys(LOINC.strip().replace('"', "").split(","), "")
    row |= {"LOINC_NUM": number, "COMPONENT": component, "SHORTNAME": short, "LONG_COMMON_NAME": long}
    row |= {"COMMON_TEST_RANK": rank, "STATUS": status, "CLASSTYPE": kind, "VersionLastChanged": version}
    return ",".join(f'"{value}"' for value in row.values()) + "\n"


LOINC_ROWS = [
    loinc_row("1-1", "Sugar", "Sugar Urn-mCnc", "Sugar, total [Mass/volume] in Urine", "20", version="2.81"),
    loinc_row("1-2", "Sugar", "Sugar SerPl-mCnc", "Sugar [Mass/volume] in Serum", "3", version="2.9"),
    loinc_row("1-3", "Salt", "Salt Bld", "Salt in Blood", "0"),
    loinc_row("1-4", "Old", "Old", "Old test", "1", status="DEPRECATED"),
    loinc_row("1-5", "Pulse", "Pulse", "Pulse rate", "5", kind="2"),
    loinc_row("1-6", "Survey", "Survey", "Survey question", "6", kind="4"),
]

CONSO = """\
161|ENG||||||A1|A1|161||RXNORM|IN|161|acetaminophen||N|4096|
161|ENG||||||A2|A2|161||RXNORM|SY|161|paracetamol||N||
161|ENG||||||A3|A3|D000082||MSH|MH|D000082|Acetaminophen||N||
161|ENG||||||A4|A4|161||RXNORM|TMSY|161|APAP||O||
202433|ENG||||||A5|A5|202433||RXNORM|BN|202433|Tylenol||N||
9|ENG||||||A6|A6|X||GS|IN|X|not its own||N||
"""
STY = "161|T109|A1|Organic Chemical|AT1||\n161|T121|A1|Pharmacologic Substance|AT2||\n"

SNOMED_HEADS = {
    "sct2_Concept_Snapshot_INT_20260101.txt": "id effectiveTime active moduleId definitionStatusId",
    "sct2_Description_Snapshot-en_INT_20260101.txt": (
        "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId"
    ),
    "der2_cRefset_LanguageSnapshot-en_INT_20260101.txt": (
        "id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId"
    ),
    "der2_iisssccRefset_ExtendedMapSnapshot_US_20260101.txt": (
        "id effectiveTime active moduleId refsetId referencedComponentId mapGroup mapPriority mapRule mapAdvice "
        "mapTarget correlationId mapCategoryId"
    ),
}
FULL, SYNONYM = "900000000000003001", "900000000000013009"
PREFERRED, ACCEPTABLE = "900000000000548007", "900000000000549004"
SNOMED_ROWS = {
    "sct2_Concept_Snapshot_INT_20260101.txt": ["11;20250101;1;m;d", "12;20260101;1;m;d", "13;20250101;0;m;d"],
    "sct2_Description_Snapshot-en_INT_20260101.txt": [
        f"1;20250101;1;m;11;en;{FULL};Gouty toe (disorder);c",
        f"2;20250101;1;m;11;en;{SYNONYM};Podagra;c",
        f"3;20250101;1;m;11;en;{SYNONYM};Toe gout;c",
        f"4;20250101;0;m;11;en;{SYNONYM};Withdrawn;c",
        f"5;20250101;1;m;11;sv;{SYNONYM};Gikt;c",
        f"6;20250101;1;m;12;en;{FULL};Toe repair (procedure);c",
        f'7;20250101;1;m;12;en;{SYNONYM};Repair of "toe";c',
        f"8;20250101;1;m;13;en;{FULL};Inactive (disorder);c",
    ],
    "der2_cRefset_LanguageSnapshot-en_INT_20260101.txt": [
        f"r1;20250101;1;m;r;3;{PREFERRED}",
        f"r2;20250101;1;m;r;2;{ACCEPTABLE}",
    ],
    "der2_iisssccRefset_ExtendedMapSnapshot_US_20260101.txt": [
        "m1;20250101;1;m;6011000124106;11;1;1;TRUE;ALWAYS M10.9;M10.9;c;k",
        "m2;20250101;1;m;6011000124106;12;1;1;TRUE;ALWAYS S90.1;S90.1;c;k",
        "m3;20250101;1;m;6011000124106;12;2;1;TRUE;ALWAYS S90.2;S90.2;c;k",
    ],
}
HGNC = (
    "hgnc_id\tsymbol\tname\tlocus_group\tstatus\talias_symbol\tprev_symbol\tomim_id\n"
    'HGNC:1\tWSH\twish kinase\tprotein-coding gene\tApproved\tp88|wish|W1|A-2|6.34\t"OLD1|OLD2"\t123456\n'
    "HGNC:2\tPSEUDO1\tpseudo 1\tpseudogene\tApproved\t\t\t\n"
    "HGNC:4\tPROS1\tprotein S\tprotein-coding gene\tApproved\t\t\t\n"
    "HGNC:3\tGONE1\tgone 1\tprotein-coding gene\tEntry Withdrawn\t\t\t\n"
)


def snomed(folder):
    (folder / "Snapshot").mkdir(parents=True)
    for name, head in SNOMED_HEADS.items():
        lines = ["\t".join(head.split()), *("\t".join(row.split(";")) for row in SNOMED_ROWS[name])]
        (folder / "Snapshot" / name).write_text("\n".join(lines) + "\n")
    return folder


def rxnorm(folder):
    (folder / "rrf").mkdir(parents=True)
    (folder / "rrf" / "RXNCONSO.RRF").write_text(CONSO)
    (folder / "rrf" / "RXNSTY.RRF").write_text(STY)
    return folder


def read(path):
    (source,) = resolve(str(path))
    entries = {entry.id: entry for entry in source.entries()}
    (info,) = source.infos()
    return entries, info


def names(entry):
    return [term.text for term in entry.terms]


def test_loinc_names_the_usual_test_by_its_component(tmp_path):
    (tmp_path / "Loinc.csv").write_text(LOINC + "".join(LOINC_ROWS))
    entries, info = read(tmp_path / "Loinc.csv")
    assert list(entries) == ["LOINC:1-1", "LOINC:1-2", "LOINC:1-3", "LOINC:1-5"]
    assert names(entries["LOINC:1-2"]) == ["Sugar [Mass/volume] in Serum", "Sugar SerPl-mCnc", "Sugar"]
    assert "Sugar" not in names(entries["LOINC:1-1"])
    assert "Salt" not in names(entries["LOINC:1-3"])
    assert entries["LOINC:1-2"].types == ("Laboratory Procedure",)
    assert (info.name, info.version) == ("LOINC", "2.81")


def test_rxnorm_has_its_own_names_and_the_codes_of_others(tmp_path):
    entries, info = read(rxnorm(tmp_path / "RxNorm_full_01052026"))
    assert list(entries) == ["RXNORM:161", "RXNORM:202433"]
    assert names(entries["RXNORM:161"]) == ["acetaminophen", "paracetamol"]
    assert entries["RXNORM:161"].types == ("Organic Chemical", "Pharmacologic Substance")
    assert entries["RXNORM:161"].equivalents == ("MESH:D000082",)
    assert info.version == "RxNorm_full_01052026"


def test_snomed_has_active_names_types_by_tag_and_the_one_code_of_its_map(tmp_path):
    entries, info = read(snomed(tmp_path / "release"))
    toe, repair = entries["SNOMEDCT_US:11"], entries["SNOMEDCT_US:12"]
    assert len(entries) == 2
    assert names(toe) == ["Toe gout", "Podagra", "Gouty toe"]
    assert names(repair) == ['Repair of "toe"', "Toe repair"]
    assert (toe.types, repair.types[0]) == (("Disease or Syndrome",), "Therapeutic or Preventive Procedure")
    assert (toe.equivalents, repair.equivalents) == (("ICD10CM:M10.9",), ())
    assert info.version == "20260101"


def test_hgnc_has_symbols_that_are_no_words(tmp_path):
    (tmp_path / "hgnc_complete_set.txt").write_text(HGNC)
    entries, info = read(tmp_path / "hgnc_complete_set.txt")
    assert list(entries) == ["HGNC:1", "HGNC:4"]
    assert names(entries["HGNC:4"]) == ["PROS1"]
    assert names(entries["HGNC:1"]) == ["WSH", "p88", "OLD1", "OLD2", "wish kinase"]
    assert (entries["HGNC:1"].types, entries["HGNC:1"].equivalents) == (("Gene or Genome",), ("OMIM:123456",))
    assert info.licence == "CC0"


def test_releases_make_one_dictionary(tmp_path):
    (tmp_path / "Loinc.csv").write_text(LOINC + "".join(LOINC_ROWS))
    paths = [tmp_path / "Loinc.csv", rxnorm(tmp_path / "r"), snomed(tmp_path / "s")]
    build([source for path in paths for source in resolve(str(path))], tmp_path / "d")
    found = Dictionary.open(tmp_path / "d")
    assert [found.find(term)[0].concept for term in ("sugar", "tylenol", "podagra")] == [
        "LOINC:1-2",
        "RXNORM:202433",
        "SNOMEDCT_US:11",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            LOINC.replace("COMMON_TEST_RANK", "RANK"),
            r"Loinc\.csv:1: has no column COMMON_TEST_RANK; expected columns L",
        ),
        (LOINC + LOINC_ROWS[0] + "1-9,x\n", r"Loinc\.csv:3: the row has 2 columns; expected 40"),
        ("", r"Loinc\.csv:1: has no column LOINC_NUM"),
    ],
)
def test_a_table_of_other_columns_is_refused(tmp_path, content, message):
    (tmp_path / "Loinc.csv").write_text(content)
    with pytest.raises(DictionaryError, match=message):
        build(resolve(str(tmp_path / "Loinc.csv")), tmp_path / "d")


@pytest.mark.parametrize(
    ("file", "row", "message"),
    [
        ("RXNCONSO.RRF", "161|ENG\n", r"RXNCONSO\.RRF:7: the row has 1 columns; expected 18: RXCUI,LAT"),
        ("RXNSTY.RRF", "161|T109|A1|Organic Chemical|AT1|256\n", r"RXNSTY\.RRF:3: the row has 5 columns; expected 6"),
    ],
)
def test_an_rxnorm_row_of_other_columns_is_refused(tmp_path, file, row, message):
    folder = rxnorm(tmp_path / "r")
    with (folder / "rrf" / file).open("a") as opened:
        opened.write(row)
    with pytest.raises(DictionaryError, match=message):
        build(resolve(str(folder)), tmp_path / "d")


def test_an_incomplete_release_is_refused(tmp_path):
    folder = rxnorm(tmp_path / "r")
    (folder / "rrf" / "RXNSTY.RRF").unlink()
    with pytest.raises(DictionaryError, match=r"RXNSTY\.RRF: is missing"):
        resolve(str(folder))
    folder = snomed(tmp_path / "s")
    again = folder / "Snapshot" / "sct2_Concept_Snapshot_INT_20250101.txt"
    again.write_text("id\n")
    with pytest.raises(DictionaryError, match=r"does not have exactly one sct2_Concept_Snapshot_\*\.txt"):
        resolve(str(folder))


@pytest.mark.parametrize("name", sorted(SNOMED_HEADS))
def test_a_snomed_file_of_other_columns_is_refused(tmp_path, name):
    folder = snomed(tmp_path / "s")
    file = folder / "Snapshot" / name
    file.write_text(file.read_text().replace("active", "aktiv", 1))
    with pytest.raises(DictionaryError, match=rf"{name}:1: has no column active; expected columns "):
        build(resolve(str(folder)), tmp_path / "d")


def test_a_folder_of_nothing_known_is_refused(tmp_path):
    with pytest.raises(DictionaryError, match=r"MRCONSO\.RRF: is missing"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("name", ["maxo", "cmo", "mmo", "uberon"])
def test_ontologies_are_read_as_they_are(shared, tmp_path, name):
    build(resolve(str(shared(f"vocab/{name}.obo"))), tmp_path)
    info = Dictionary.open(tmp_path).info
    assert info.concepts > 700
    assert info.names > info.concepts
