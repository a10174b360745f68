"""The instructions of each format: templates beside the code."""

import json

from jinja2 import Environment, PackageLoader, StrictUndefined

from clinspan.labels import LabelSet

_TEMPLATES = Environment(
    loader=PackageLoader("clinspan", "formats"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=False,
    autoescape=False,  # prompts are plain text, never HTML
    auto_reload=False,  # or each prompt would ask the disk whether its templates have changed
)
# jinja's own filter of this kind escapes for HTML.
_TEMPLATES.filters["tojson_plain"] = lambda value: json.dumps(value, ensure_ascii=False)


def written(template: str, labels: LabelSet, **values: object) -> str:
    """The instructions in `template`.jinja for this label set."""
    return _TEMPLATES.get_template(f"{template}.jinja").render(labels=labels.labels, **values)
