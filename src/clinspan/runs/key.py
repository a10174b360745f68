"""What a request is known by: everything that its answer depends on, and nothing else."""

import hashlib
import json
from dataclasses import asdict

from clinspan.llms.base import LLM
from clinspan.messages import Request

_VERSION = 1
"""Raised when what is hashed changes, so that an older answer is never taken for another question's."""


def content_key(llm: LLM, request: Request) -> bytes:
    """A hash of the model (name, weights, adapter, address), whether it keeps to constraints, and the whole request.

    Of 16 bytes: among a hundred million requests, the chance that any two share one is below 1e-22.
    """
    question = {
        "version": _VERSION,
        "model": llm.name,
        "constrains": llm.constrains,
        "messages": [(message.role, len(message.content)) for message in request.messages],
        "max_tokens": request.max_tokens,
        # Sent or not, each changes nothing for an LLM that does not heed it but the key.
        "constraint": asdict(request.constraint) if request.constraint is not None and llm.constrains else None,
        "json_schema": request.json_schema,
    }
    # ASCII keeps halves of surrogate pairs, which UTF-8 has no bytes for.
    told = json.dumps(question, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    key = hashlib.blake2b(told.encode("ascii"), digest_size=16)
    # The long texts are not put through JSON; their lengths above say where each ends.
    for message in request.messages:
        key.update(message.content.encode("utf-8", "surrogatepass"))
    return key.digest()
