"""The library's calls for multi-token prediction heads, where this build has all of them.

They are C++ functions under their mangled names, which hold the types of their arguments: a release
that changes one leaves it out here, and the heads unused.
"""

from __future__ import annotations

from typing import Any

from engines.llama_cpp.library import llama


def _import_calls() -> Any:
    """None where a call or a setting is missing."""
    try:
        from llama_cpp import llama_cpp_ext
    except (ImportError, AttributeError):
        return None
    calls = (
        "llama_set_embeddings_nextn",
        "llama_get_embeddings_nextn",
        "llama_get_embeddings_nextn_ith",
    )
    has_settings = (
        hasattr(llama, "LLAMA_CONTEXT_TYPE_MTP")
        and hasattr(llama, "llama_model_n_layer_nextn")
        and hasattr(llama, "llama_model_n_embd_out")
        and hasattr(llama.llama_model_default_params(), "load_mtp")
        and hasattr(llama.llama_context_default_params(), "ctx_type")
    )
    return llama_cpp_ext if has_settings and all(map(llama_cpp_ext.__dict__.get, calls)) else None


nextn = _import_calls()
