"""Measures the engines of this program beside the bare loops of their libraries.

    with Workbench(LoadRequest("llama.cpp", "demo:target")) as bench:
        result = measure_decode(bench, tokens=256, repeat=5)
        result.to_json()["ratio_to_library"]

Nothing here draws. Figures of ours and of the library come from the same process, the same thread
and, in alternating order, the same minutes; a ratio is only ever formed between two such figures.
"""
