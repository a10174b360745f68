"""Opens the parts of a tagger by the names that users give them."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clinspan.assertion.assess import Reads
from clinspan.classifier.folder import for_descriptions, for_labels, named, shipped
from clinspan.dictionary.build import open_default
from clinspan.dictionary.store import Dictionary
from clinspan.errors import ConfigError, LabelError, did_you_mean
from clinspan.examples import notes
from clinspan.examples.pool import Pool
from clinspan.formats import by_name
from clinspan.formats.base import Format
from clinspan.fusion import model as fusion
from clinspan.fusion.heard import Source
from clinspan.fusion.model import FusedModel
from clinspan.labels import LabelSet, builtin_names
from clinspan.llms import spec
from clinspan.llms.base import LLM, Particular
from clinspan.llms.encoder import EncoderLLM, EncoderSettings
from clinspan.llms.spec import kinds, takes
from clinspan.models import adapters
from clinspan.models.registry import path_of
from clinspan.settings import TAGGING_SETTINGS
from clinspan.tagging.calibration import Calibration
from clinspan.tagging.evidence import reads
from clinspan.tagging.knowledge import Lookup
from clinspan.tagging.settings import profile_name
from clinspan.tagging.way import Doubter, reads_beside

_OF_ENCODERS = frozenset({"threads", "batch"})
_EMBEDDED = "smollm2-135m-instruct"


def labels(given: LabelSet | str | Path | Iterable[str]) -> LabelSet:
    """A label set: one, its name or path, or the names of some labels of one that comes with clinspan.

    Raises:
        LabelError: when there is no such set, or no set has all the labels.
    """
    if isinstance(given, LabelSet):
        return given
    if isinstance(given, str | Path):
        return LabelSet.load(str(given))
    wanted = tuple(given)
    sets = [LabelSet.builtin(name) for name in builtin_names()]
    holding = [one for one in sets if set(wanted) <= set(one.names)]
    if not wanted or not holding:
        known = "; ".join(f"{one.name}: {', '.join(one.names)}" for one in sets)
        raise LabelError(
            f"no label set that comes with clinspan has {', '.join(map(repr, wanted)) or 'no labels'}",
            expected=f"labels of one of these sets ({known})",
            fix="Name a set, or write a labels.toml of your own.",
        )
    smallest = min(holding, key=lambda one: len(one.names))
    return smallest if set(smallest.names) == set(wanted) else smallest.only(*wanted)


def form(given: Format | str) -> Format:
    """A format, by name."""
    return by_name(given) if isinstance(given, str) else given


_Options = dict[str, object]


def divided(
    options: Mapping[str, object], llm: LLM | str | None, encoder: LLM | str | Path | None
) -> tuple[_Options, _Options, _Options]:
    """Keyword arguments of `Tagger.open`: those that say how to tag, those of the LLM, and those of the encoder.

    Raises:
        ConfigError: when one is neither, or an LLM that is open already would need it.
    """
    chosen = {key: value for key, value in options.items() if key in TAGGING_SETTINGS}
    asked = {key: value for key, value in options.items() if key not in chosen}
    read: _Options = {}
    if isinstance(encoder, str | Path):
        read = {key: asked[key] for key in _OF_ENCODERS & asked.keys()}
        asked = {key: value for key, value in asked.items() if key not in read or (llm and takes(str(llm), key))}
    of_llms = _OF_ENCODERS | {option for kind in kinds().values() for option in kind.options}
    for key, value in asked.items():
        if key not in of_llms:
            known = [*TAGGING_SETTINGS, *sorted(of_llms)]
            raise ConfigError(f"there is no setting {key!r}", fix=did_you_mean(key, known))
        if value is not None and llm is not None and not isinstance(llm, str):
            raise ConfigError(f"{key} is for an LLM that is opened by its name, and {llm.name} is open already")
    return chosen, asked, read


def encoder(
    given: LLM | str | Path | None, labels: LabelSet, form: Format, *, alone: bool, **options: Any
) -> LLM | None:
    """A tuned encoder, by its folder.

    Args:
        given: an encoder is given back as it is; a name is one that comes with clinspan.
        labels: what will be asked for.
        form: how an LLM would answer; an encoder that decides alone copies the text.
        alone: whether there is no LLM.
        options: `threads` and `batch`.

    Raises:
        ConfigError: when it was not tuned for the labels.
        InputError: when the folder holds no encoder.
    """
    if not isinstance(given, str | Path):
        return given
    settings = {key: value for key, value in options.items() if value is not None}
    # Beside an LLM it reads once: what was fitted over both knows its scores so.
    opened = EncoderLLM.opened(named(given), EncoderSettings(**settings), labels=labels, once=not alone)
    opened.check(labels.names, form if alone else by_name("tanl"))
    return opened


AUTOMATIC = "auto"
"""The name of the LLM where the user leaves it to clinspan."""


def chosen(
    llm: LLM | str | None,
    encoder: LLM | str | Path | None,
    labels: LabelSet,
    form: Format,
    *,
    adapter: str | None = None,
    effort: str | None = None,
) -> tuple[LLM | str | None, LLM | str | Path | None]:
    """LLM and encoder where the user leaves the choice to clinspan; what he names is taken as it is.

    An encoder decides where one comes with clinspan as the default for the labels, else the embedded model with the
    adapter that comes with clinspan for them, else the encoder that reads each label's description. A small LLM that
    was not tuned for the labels would change nothing.

    Args:
        llm: `auto` for the choice.
        encoder: decides alone where it is given and the LLM is `auto`.
        labels: what will be asked for.
        form: how an LLM would answer.
        adapter: for the embedded model, where the user names one.
        effort: `fast` leaves an LLM out, whoever names it: an encoder decides where there is one for the labels.
    """
    if effort == "fast":
        return "none", encoder if encoder is not None else for_labels(labels.names) if form.repeats_text else None
    if llm != AUTOMATIC:
        return llm, encoder
    if adapter is not None:
        return "embedded", encoder
    if encoder is not None:
        return "none", encoder
    reader = for_labels(labels.names) if form.repeats_text else None
    if reader is not None:
        return "none", reader
    tuned = adapters.for_labels(labels.names)
    if tuned is not None and adapters.read(tuned).format == form.name:
        return "embedded", None
    return "none", for_descriptions() if form.repeats_text else None


def llm(
    given: LLM | str | None, labels: LabelSet, form: Format, *, adapter: str | None = None, **options: object
) -> LLM | None:
    """An LLM, by spec.

    Args:
        given: an LLM is given back as it is.
        labels: what will be asked for: without `adapter`, the embedded model takes the adapter that comes with clinspan
            for these labels and this format, where there is one.
        form: how it will answer; an adapter knows one format only.
        adapter: a folder made by `clinspan tune`, or `none`.
        options: the LLM's settings, see `llms.spec`.

    Raises:
        ModelError: when the adapter was made for another base.
        ConfigError: when the adapter answers in another way than this LLM is asked, or an option is wrong.
    """
    if not isinstance(given, str):
        return given
    if adapter == "none":
        return _loaded(given, labels, form, **options)
    if adapter is not None:
        return spec.load(given, adapter=_checked(adapters.read(Path(adapter)), given, labels, form).path, **options)
    if given == "embedded":
        shipped = adapters.for_labels(labels.names)
        if shipped is not None and adapters.read(shipped).format == form.name:
            return spec.load(given, adapter=adapters.read(shipped).path, **options)
    return _loaded(given, labels, form, **options)


def _loaded(given: str, labels: LabelSet, form: Format, **options: object) -> LLM | None:
    """The LLM of a spec; one that cannot answer what will be asked is refused before any note is read."""
    loaded = spec.load(given, **options)
    if isinstance(loaded, Particular):
        loaded.check(labels.names, form)
    return loaded


def _checked(adapter: adapters.Adapter, llm: str, labels: LabelSet, form: Format) -> adapters.Adapter:
    kind, _, argument = llm.partition(":")
    if kind not in ("embedded", "llamacpp"):
        raise ConfigError(f"--adapter does not work with {llm!r}", expected="embedded or llamacpp:PATH")
    if not adapter.covers(labels.names):
        known = " or ".join(", ".join(names) for names in adapter.label_sets)
        raise ConfigError(f"the adapter {adapter.name!r} was not tuned for {', '.join(labels.names)}", expected=known)
    if adapter.format != form.name:
        raise ConfigError(f"the adapter {adapter.name!r} does not answer in {form.name}", expected=adapter.format)
    adapter.check_base(Path(argument) if kind == "llamacpp" else path_of(argument or _EMBEDDED))
    adapter.check_file()
    return adapter


def dictionary(given: Dictionary | str | Path | None) -> Dictionary | None:
    """A dictionary: `open` for the packaged vocabularies, `none`, or a folder."""
    if given is None or given == "none":
        return None
    if isinstance(given, Dictionary):
        return given
    return open_default() if given == "open" else Dictionary.open(given)


def calibration(given: Calibration | str | Path | None, llm: LLM | None, labels: LabelSet) -> Calibration:
    """A calibration.

    Args:
        given: one, its file, `none` for one that changes nothing; None for what came with the LLM.
        llm: whose scores it is for.
        labels: that are asked for.
    """
    if given is None and llm is not None and (known := llm.traits.calibration(labels.names)) is not None:
        return Calibration.parse(known, where=f"the calibration of {llm.name}")
    if given is None or given == "none":
        return Calibration()
    return given if isinstance(given, Calibration) else Calibration.from_toml(given)


def fused(
    given: FusedModel | str | Path | None, labels: LabelSet, sources: Mapping[Source, str], *, plain: bool
) -> FusedModel | None:
    """A fused model.

    Args:
        given: one, its file, or `none`; None for the one that comes with clinspan.
        labels: what is asked for.
        sources: what is heard.
        plain: whether the one that comes with clinspan may be taken: nothing else was named that decides.

    Raises:
        ConfigError: when one is named that was fitted over other labels or sources.
    """
    if given is None:
        return fusion.for_sources(labels.names, sources) if plain else None
    if given == "none":
        return None
    model = given if isinstance(given, FusedModel) else FusedModel.read(Path(given))
    model.check(labels.names, sources)
    return model


def check_doubt(fused: FusedModel | None, llm: LLM | None, encoder: LLM | None) -> None:
    """Makes sure that something can tell where asking an LLM pays.

    Raises:
        ConfigError: when nothing can.
    """
    if not _tells(fused, llm, encoder):
        raise ConfigError(
            "nothing can tell which windows are worth asking the LLM about",
            expected="an LLM, an encoder and a fused model over both",
            fix="Fit one (clinspan fuse GOLD --llm ... --encoder ...) and name it with --fused, or take --effort full.",
        )


def _tells(fused: FusedModel | None, llm: LLM | None, encoder: LLM | None) -> bool:
    return llm is not None and encoder is not None and fused is not None and "with llm" in fused.tables


def asked(effort: str | None, given: object, fused: FusedModel | None, llm: LLM | None, encoder: LLM | None) -> object:
    """Where an LLM is asked, for the effort that is wanted; None for what suits the LLM.

    Args:
        given: where the user says it, which goes first.

    Raises:
        ConfigError: when it is to be asked where it pays, and nothing can tell where.
    """
    if llm is None or encoder is None or given is not None:
        # One source has nothing to choose between.
        return given
    if effort == "balanced":
        check_doubt(fused, llm, encoder)
    if effort == "full":
        return "always"
    return "doubt" if _tells(fused, llm, encoder) else None


def uncalibrated(llm: LLM | None, labels: LabelSet) -> bool:
    """Whether a model brings what its scores mean, but not for these labels: then nobody knows it."""
    return llm is not None and bool(llm.traits.calibrations) and llm.traits.calibration(labels.names) is None


def doubter(llm: LLM | None, labels: LabelSet, dictionary: Dictionary | None) -> Doubter | None:
    """Who takes back what the adapter that comes with clinspan marks and is no disease; None where nobody can."""
    second = reads_beside(labels) if llm is not None and profile_name(llm) in ("tuned", "told") else None
    both = LabelSet.builtin("chemical-disease")
    return Doubter(second, both, Lookup(dictionary, both)) if second is not None else None


@cache
def assessor(labels: LabelSet, *, threads: int | None = None) -> EncoderLLM | None:
    """The encoder that comes with clinspan and says attributes of mentions, whoever found them.

    It is None where the labels declare none that it knows, and where the packages that run it are not installed: then
    the rules say them.

    Args:
        threads: that it reads with; as many as there are processors where None.
    """
    if find_spec("onnxruntime") is None or find_spec("tokenizers") is None:
        return None
    declared = {own.name: set(own.value_names) for label in labels.labels for own in label.attributes}
    for folder, card in shipped():
        if any(declared.get(known.name, {""}) <= set(known.values) for known in card.attributes):
            return EncoderLLM.opened(folder, EncoderSettings(threads=threads))
    return None


def given_attributes(labels: LabelSet, *, threads: int | None = None) -> Reads | None:
    """What `assessor` says of entities of any label; None where it is None."""
    encoder = assessor(labels, threads=threads)
    return reads(encoder, encoder.classifier.attributes[0].labels[0]) if encoder is not None else None


def examples(given: Pool | str | Path | None, labels: LabelSet) -> Pool | None:
    """A pool of examples, the folder of one, or `notes` for the pool that comes with clinspan."""
    if given is None or isinstance(given, Pool):
        return given
    return notes.pool(labels.names) if notes.is_named(given) else Pool.open(given)


def shows_notes(llm: LLM | None, labels: LabelSet) -> bool:
    """Whether an LLM is shown the notes that come with clinspan where the user names no examples.

    It follows instructions, and the notes were annotated for what the labels mean.
    """
    return llm is not None and profile_name(llm) in ("served", "prompted") and notes.taught_for(labels)
