"""The language model that merges captions: from its options to who writes, and to one that does."""

from __future__ import annotations

from pseudolabel.captioners.language_protocol import (
    FLAG,
    WHAT,
    LanguageModel,
    LanguageModelIdentity,
    LanguageModelOptions,
    Written,
)
from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.sources import SERVER

__all__ = [
    "LanguageModel",
    "LanguageModelIdentity",
    "LanguageModelOptions",
    "Written",
    "identify_language_model",
    "load_language_model",
]


def identify_language_model(options: LanguageModelOptions) -> LanguageModelIdentity:
    """Who would write with these options; loads no weights.

    Resolves a Hub revision to its commit, hashes a local folder or file, and settles the dtype.
    A GGUF file on the Hub is downloaded, since its architecture is in it.

    Raises:
        CaptionerError: If there is no such model, or it cannot be used here.
        MissingExtraError: If it is a GGUF file, and what reads one is not installed.
    """
    if options.model.startswith(SERVER):
        from pseudolabel.captioners.language_server import find_server

        return find_server(options)[1]
    from pseudolabel.captioners.local_language_model import plan_language_model

    with asked_by(FLAG, WHAT):
        return plan_language_model(options).identity


def load_language_model(options: LanguageModelOptions) -> LanguageModel:
    """The language model that these options name, ready to write; `close` it when done.

    Its `identity` equals `identify_language_model(options)`.

    Raises:
        CaptionerError: If it cannot be found, loaded or reached, or cannot be used here.
        MissingExtraError: If it is a GGUF file, and what reads one is not installed.
    """
    if options.model.startswith(SERVER):
        from pseudolabel.captioners.language_server import ServerLanguageModel

        return ServerLanguageModel.connect(options)
    from pseudolabel.captioners.local_language_model import LocalLanguageModel

    return LocalLanguageModel.load(options)
