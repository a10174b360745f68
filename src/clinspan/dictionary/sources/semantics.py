"""Semantic types for vocabularies that state none: each concept takes the UMLS type of the branch it stands in.

The branches were read off the vocabularies' own hierarchies; docs/reference/dictionary.md shows the table.
"""

from collections.abc import Container, Iterable

Types = tuple[str, ...]

DISEASE: Types = ("Disease or Syndrome",)
NEOPLASM: Types = ("Neoplastic Process",)
MENTAL: Types = ("Mental or Behavioral Dysfunction",)
CONGENITAL: Types = ("Congenital Abnormality",)
INJURY: Types = ("Injury or Poisoning",)
SYMPTOM: Types = ("Sign or Symptom",)
FINDING: Types = ("Finding",)
PROCESS: Types = ("Pathologic Function",)
ATTRIBUTE: Types = ("Functional Concept",)

_MONDO = (
    ("MONDO:0042489", FINDING),  # susceptibility to a disease
    ("MONDO:0045024", NEOPLASM),
    ("MONDO:0002025", MENTAL),
    ("MONDO:0021178", INJURY),
)
_MONDO_ROOTS = frozenset({"MONDO:0000001", "MONDO:0700096", "MONDO:0021125"})


def mondo_types(identifier: str, ancestors: Container[str]) -> Types | None:
    """Types of a MONDO term; None for qualifiers, and for the roots, which say no more than "disease"."""
    if identifier in _MONDO_ROOTS or "MONDO:0021125" in ancestors:
        return None
    for branch, types in _MONDO:
        if identifier == branch or branch in ancestors:
            return types
    return DISEASE


_DOID = (("DOID:14566", NEOPLASM), ("DOID:150", MENTAL))


def doid_types(identifier: str, kinds: frozenset[str]) -> Types | None:
    """Types of a Disease Ontology term; None for the root."""
    if identifier == "DOID:4":
        return None
    return next((types for branch, types in _DOID if branch in kinds), DISEASE)


_HPO = (("HP:0002664", NEOPLASM), ("HP:0025142", SYMPTOM), ("HP:0012531", SYMPTOM))


def hpo_types(identifier: str, kinds: frozenset[str]) -> Types | None:
    """Types of an HPO term; None for what is no abnormality: inheritance, frequency, modifiers."""
    if "HP:0000118" not in kinds or identifier == "HP:0000118":
        return None
    for branch, types in _HPO:
        if branch in kinds:
            return types
    return FINDING


_MESH = (
    ("C23.550.291", ATTRIBUTE),  # recurrence, progression, susceptibility
    ("C04", NEOPLASM),
    ("F03", MENTAL),
    ("C16.131", CONGENITAL),
    ("C25", INJURY),
    ("C26", INJURY),
    ("C23.888", SYMPTOM),
    ("C23", PROCESS),
    ("C", DISEASE),
)


def mesh_types(trees: Iterable[str]) -> Types:
    """Types of a MeSH heading by its tree numbers; empty for what is no disease (behaviour, services)."""
    trees = tuple(trees)
    kinds = [types for branch, types in _MESH if any(tree.startswith(branch) for tree in trees)]
    if ATTRIBUTE in kinds:
        return ATTRIBUTE
    specific = tuple(dict.fromkeys(kind for kinds_ in kinds for kind in kinds_ if kinds_ is not DISEASE))
    return specific or (DISEASE if DISEASE in kinds else ())


def icd10cm_types(code: str) -> Types:
    """Types of an ICD-10-CM code by its chapter; empty for external causes and contacts with services (V to Z)."""
    letter = code[:1]
    if letter == "C" or (letter == "D" and code[1:3] < "50"):
        return NEOPLASM
    if letter in "VWXYZ" or not letter:
        return ()
    return {"F": MENTAL, "Q": CONGENITAL, "R": SYMPTOM, "S": INJURY, "T": INJURY}.get(letter, DISEASE)
