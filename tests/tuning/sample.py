"""Labels, documents and a tokenizer of characters for the tests of tuning."""

from clinspan.document import Document, Entity, Span
from clinspan.labels import Label, LabelSet
from clinspan.tuning.gold import Gold

DISEASE = LabelSet("disease", (Label("disease", "An illness."),))
BOTH = LabelSet("both", (Label("chemical", "A substance."), Label("disease", "An illness.")))


class Characters:
    """A token for each character; the chat is its messages one after the other."""

    end = 0

    def chat(self, messages):
        return tuple(ord(c) for m in messages for c in f"<{m.content}>")

    def piece(self, text):
        return tuple(map(ord, text))


def document(id, marked, label="disease"):
    """A document from a text with {mentions}, or {label:mentions}."""
    text, entities = "", []
    for i, part in enumerate(marked.replace("}", "{").split("{")):
        if i % 2:
            name, _, mention = part.rpartition(":")
            entities.append(Entity(Span(len(text), len(text) + len(mention)), name or label, mention))
            part = mention
        text += part
    return Document(id, text, tuple(entities))


def gold(*documents, labels=DISEASE, name="gold"):
    return Gold(name, documents, labels, "0" * 64)
