"""An LLM in one string: `none`, `openai:MODEL` and others of a table, to which packages add.

A package adds a kind of LLM as an entry point of the group `clinspan.llms` that names an `LLMKind`. The entry point's
name is what stands before the colon.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import cast

from clinspan.errors import ConfigError, did_you_mean
from clinspan.llms.base import LLM
from clinspan.plugins import added

GROUP = "clinspan.llms"
"""The entry points that name kinds of LLMs of other packages."""


@dataclass(frozen=True, slots=True)
class LLMKind:
    """A kind of LLM that a spec can name.

    Attributes:
        llm: the class, as module:name, imported on use; called with the spec's argument and the settings.
        settings: the class of its settings, as module:name.
        options: the settings that the user may give beside the spec.
        argument: what follows the colon, as the documentation calls it.
        default: the argument that a spec without one means; None where it must be given.
    """

    llm: str
    settings: str
    options: frozenset[str]
    argument: str
    default: str | None = None


_SERVED = frozenset({"base_url", "allow_remote", "timeout", "retries", "concurrency", "context", "temperature"})
_IN_PROCESS = frozenset({"context", "threads", "adapter", "adapter_scale", "as_shipped"})

KINDS: Mapping[str, LLMKind] = {
    "embedded": LLMKind(
        "clinspan.llms.embedded:EmbeddedLLM.pulled",
        "clinspan.llms.embedded:EmbeddedSettings",
        _IN_PROCESS,
        "MODEL",
        default="smollm2-135m-instruct",
    ),
    "llamacpp": LLMKind(
        "clinspan.llms.embedded:EmbeddedLLM", "clinspan.llms.embedded:EmbeddedSettings", _IN_PROCESS, "PATH"
    ),
    "hf": LLMKind(
        "clinspan.llms.huggingface:opened",
        "clinspan.llms.huggingface:HuggingFaceSettings",
        frozenset({"context", "threads"}),
        "OWNER/NAME[@REV]",
    ),
    "openai": LLMKind(
        "clinspan.llms.openai:OpenAILLM",
        "clinspan.llms.openai:OpenAISettings",
        _SERVED | {"grammar", "seed"},
        "MODEL",
    ),
    "azure": LLMKind(
        "clinspan.llms.openai:AzureLLM", "clinspan.llms.openai:AzureSettings", _SERVED | {"seed"}, "DEPLOYMENT"
    ),
    "anthropic": LLMKind(
        "clinspan.llms.anthropic:AnthropicLLM", "clinspan.llms.served:ServerSettings", _SERVED, "MODEL"
    ),
    "replay": LLMKind("clinspan.llms.replay:ReplayLLM", "clinspan.llms.replay:ReplaySettings", frozenset(), "FILE"),
}
"""Those of clinspan itself."""


@cache
def kinds() -> Mapping[str, LLMKind]:
    """All kinds by name.

    Raises:
        ConfigError: when an entry point of a package names no kind, or one whose name is taken.
    """
    found = dict(KINDS)
    for name, kind, where in added(GROUP):
        if not isinstance(kind, LLMKind):
            raise ConfigError(f"is {type(kind).__name__}", where=where, expected="an LLMKind")
        if name in ("auto", "none") or name in found:
            raise ConfigError(f"the LLM {name!r} is there already", where=where, expected="another name")
        found[name] = kind
    return found


def spec_forms(known: Mapping[str, LLMKind] = KINDS) -> list[str]:
    """Every form a spec can have, for help texts and errors."""
    return ["none", *(f"{name}[:{k.argument}]" if k.default else f"{name}:{k.argument}" for name, k in known.items())]


def takes(spec: str, option: str) -> bool:
    """Whether the kind of LLM that `spec` names has such a setting."""
    kind = kinds().get(spec.partition(":")[0])
    return kind is not None and option in kind.options


def load(spec: str, **options: object) -> LLM | None:
    """The LLM that `spec` names, or None for `none`.

    Args:
        spec: one of the forms that `spec_forms` lists.
        options: settings of that kind of LLM (`base_url`, `allow_remote`, ...); those that are None are left at their
            defaults.

    Raises:
        ConfigError: when the spec is none of the forms (offers the nearest), or an option is not one of that kind's.
        ClinspanError: whatever the LLM raises when it cannot be made.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    name, _, argument = spec.partition(":")
    if spec == "none":
        _refuse(spec, given, frozenset())
        return None
    known = kinds()
    if name not in known:
        near = did_you_mean(name, ["none", *known])
        fix = "An encoder is not an LLM: use --llm none --encoder FOLDER." if name == "encoder" else near
        raise ConfigError(f"{spec!r} names no LLM", expected=", ".join(spec_forms(known)), fix=fix)
    kind = known[name]
    argument = argument or kind.default or ""
    if not argument:
        raise ConfigError(f"the LLM {spec!r} is not complete", expected=f"{name}:{kind.argument}")
    _refuse(spec, given, kind.options)
    settings = resolve_name(kind.settings)(**given)
    return cast(LLM, resolve_name(kind.llm)(argument, settings))


def _refuse(spec: str, given: Mapping[str, object], known: frozenset[str]) -> None:
    for option in given:
        if option not in known:
            shown = option.replace("_", "-")
            takes = ", ".join(sorted(known)) or "no options"
            raise ConfigError(f"the LLM {spec!r} does not take --{shown}", expected=takes.replace("_", "-"))
