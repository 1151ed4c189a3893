"""The benchmarks' records as tables; drawing them is somebody else's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

Record = dict[str, Any]
Cells = tuple[str, ...]
NOTHING = "—"
MB = 1e6


@dataclass(frozen=True, slots=True)
class Table:
    """The first `text_columns` columns are words, the others figures."""

    title: str
    columns: Cells
    rows: tuple[Cells, ...]
    text_columns: int = 2
    note: str = ""

    def to_markdown(self) -> str:
        marks = ["---"] * self.text_columns
        marks += ["---:"] * (len(self.columns) - self.text_columns)
        lines = [self.columns, tuple(marks), *self.rows]
        table = "\n".join(f"| {' | '.join(_escaped(line))} |" for line in lines)
        return "\n\n".join(part for part in (f"### {self.title}", table, self.note) if part)


def tables_of(records: Sequence[Record]) -> list[Table]:
    """A table for every benchmark among the records, and a note for each failure."""
    tables = list[Table]()
    for bench, build in _BUILDERS.items():
        found = [record for record in records if record["bench"] == bench]
        measured = [record for record in found if "error" not in record]
        if measured:
            tables += build(measured)
        tables += [_failure(record) for record in found if "error" in record]
    return tables


def number(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, sign: bool = False) -> str:
    return NOTHING if value is None else f"{100 * value:{'+' if sign else ''}.0f} %"


def with_range(value: float | None, ends: Sequence[float] | None, digits: int = 1) -> str:
    """`41.3 (39.8 to 42.0)`: the median, and the range where there is one."""
    if value is None or not ends or ends[0] == ends[1]:
        return number(value, digits)
    return f"{value:,.{digits}f} ({ends[0]:,.{digits}f} to {ends[1]:,.{digits}f})"


def _decode(records: Sequence[Record]) -> Iterator[Table]:
    columns = (
        "engine", "model", "weights", "ours tok/s", "library tok/s", "ratio", "ratio of best",
        "effective tok/s", "ceiling tok/s", "share",
    )  # fmt: skip
    rows = tuple(
        (
            record["engine"],
            record["model"],
            record["quantization"],
            with_range(record["ours_tps"], record["ours_range_tps"]),
            with_range(record["library_tps"], record["library_range_tps"]),
            number(record["ratio_to_library"], 3),
            number(record["ratio_of_best"], 3),
            number(record["effective_tps"]),
            number(record["bandwidth_ceiling_tps"]),
            percent(record["share_of_ceiling"]),
        )
        for record in records
    )
    libraries = ", ".join(dict.fromkeys(record["library"] for record in records))
    tools = [
        f" {record['tool']} on {record['model']}: {number(record['tool_tps'])} tok/s, ratio"
        f" {number(record['ratio_to_tool'], 3)}."
        for record in records
        if record.get("tool")
    ]
    note = (
        "Medians (and range) of pairs of runs in alternating order, greedy, on the same loaded"
        f" weights; library: {libraries}. Ratio: median over the pairs. Best: fastest run of each."
        " Ceiling: memory bandwidth ÷ bytes read per token; a model that fits into the processor's"
        " cache can exceed it. Effective: generated tokens ÷ whole wall time, prefill included."
        f"{''.join(tools)}"
    )
    yield Table("Decode", columns, rows, 3, note)


def _prefill(records: Sequence[Record]) -> Iterator[Table]:
    columns = ("engine", "model", "prompt tokens", "ours tok/s", "library tok/s", "ratio")
    rows = tuple(
        (
            record["engine"],
            record["model"],
            f"{row['prompt_tokens']:,}",
            with_range(row["ours_tps"], row["ours_range_tps"], 0),
            with_range(row["library_tps"], row["library_range_tps"], 0),
            number(row["ratio_to_library"], 3),
        )
        for record in records
        for row in record["prefill"]
    )
    note = "Prompt tokens ÷ time to the first generated token, in alternating order."
    yield Table("Prefill", columns, rows, 2, note)


def _speculative(records: Sequence[Record]) -> Iterator[Table]:
    columns = (
        "engine", "prompts", "plain tok/s", "ours tok/s", "net gain", "library tok/s",
        "library gain", "acceptance", "best possible gain", "identical",
    )  # fmt: skip
    rows = tuple(
        (
            record["engine"],
            name,
            number(row["plain_tps"]),
            number(row["ours_tps"]),
            number(row["net_gain"], 2),
            number(row["library_tps"]),
            number(row["library_net_gain"], 2),
            percent(row["acceptance"]),
            number(record["best_possible_gain"], 2),
            "yes" if row["identical"] else f"no, {row['differing_runs']} differ",
        )
        for record in records
        for name, row in record["prompt_classes"].items()
    )
    note = (
        "Greedy; net gain is drafted ÷ plain decode of the same answer, medians over prompts. Best"
        " possible: if every draft were free, all right and of the length that the cost of"
        " verifying rows here favors most."
    )
    yield Table("Speculation", columns, rows, 2, note)
    yield _long_turns(records)
    counts = list(records[0]["row_costs"])
    costs = tuple(
        (record["engine"], record["model"], *(number(record["row_costs"][n], 2) for n in counts))
        for record in records
    )
    yield Table(
        "Cost of verifying rows",
        ("engine", "model", *(f"{n} rows" for n in counts)),
        costs,
        2,
        "Time of one pass over so many tokens ÷ time of a pass over one.",
    )


def _long_turns(records: Sequence[Record]) -> Table:
    rows = tuple(
        (
            record["engine"],
            name,
            " and ".join(str(tokens) for tokens in row["tokens"]),
            number(row["plain_tps"]),
            number(row["fresh_net_gain"], 3),
            number(row["warmed_net_gain"], 3),
            number(row["worst_net_gain"], 3),
            percent(row["noise"]),
        )
        for record in records
        for name, row in record["long_turns"]["classes"].items()
    )
    return Table(
        "Long turns: drafts never cost much",
        ("engine", "prompts", "tokens", "plain tok/s", "fresh", "warmed", "worst turn", "noise"),
        rows,
        3,
        "Drafted ÷ plain decode, fastest runs, by an engine that knows nothing yet of the cost of"
        " drafts, and by one that does. Sampled from one seed and kept from ending, but for"
        " copy-heavy. Noise: how far apart equal runs of plain decode are.",
    )


def _kv(records: Sequence[Record]) -> Iterator[Table]:
    figures: dict[str, Callable[[Record], str]] = {
        "turn 10 ÷ turn 1, TTFT": lambda r: number(r["turn10_over_turn1"], 2),
        "the same of the bare library": lambda r: number(r["bare_turn10_over_turn1"], 2),
        "turn 1 ÷ bare library, TTFT": lambda r: number(r["turn1_over_bare"], 2),
        "turn 10 ÷ bare library, TTFT": lambda r: number(r["turn10_over_bare"], 2),
        "tokens prefilled, turn 1 and 10": lambda r: (
            f"{r['turn_prefilled_tokens'][0]} and {r['turn_prefilled_tokens'][-1]}"
        ),
        "restart: conversation tokens": _restart_tokens,
        "restart: prefilling it, s": lambda r: number(r["cold_ttft_s"], 2),
        "restart: reopening it, s": lambda r: number(r["restart_ttft_s"], 3),
        "restart: speed-up": lambda r: number(r["restart_speedup"]),
        "restart: prefilled again, tokens": lambda r: str(r["restart_prefilled_tokens"]),
        "switch back: prefilled again, tokens": lambda r: str(r["switch_back_prefilled_tokens"]),
        "branch: prefilled again, tokens": lambda r: str(r["branch_prefilled_tokens"]),
        "memory growth over loads": lambda r: percent(r["rss_growth"]["growth"], sign=True),
        "the same after five of them": lambda r: percent(
            r["rss_growth"]["growth_after_warm_up"], sign=True
        ),
    }
    for kv_type in records[0]["kv_bytes_per_token"]:
        figures[f"bytes per token, {kv_type}"] = partial(_kv_bytes, kv_type)
    columns = ("figure", *(f"{record['engine']}, {record['model']}" for record in records))
    rows = tuple((name, *(show(record) for record in records)) for name, show in figures.items())
    yield Table("KV cache", columns, rows, 1)


def _restart_tokens(record: Record) -> str:
    limit = record["restart_limited_by"]
    return f"{record['restart_context_tokens']:,}" + (f" (limit: {limit})" if limit else "")


def _kv_bytes(kv_type: str, record: Record) -> str:
    return number(record["kv_bytes_per_token"][kv_type], 0)


def _context(records: Sequence[Record]) -> Iterator[Table]:
    columns = (
        "engine", "model", "KV type", "context tokens", "decode tok/s", "prefill tok/s",
        "effective tok/s", "KV cache MB",
    )  # fmt: skip
    rows = tuple(
        _context_row(record["engine"], record["model"], row)
        for record in records
        for row in record["context"]
    )
    yield Table("Context length and KV cache types", columns, rows, 3)


def _context_row(engine: str, model: str, row: Record) -> Cells:
    return (
        engine,
        model,
        row["kv_type"],
        f"{row['context_tokens']:,}",
        number(row["decode_tps"]),
        number(row["prefill_tps"], 0),
        number(row["effective_tps"]),
        number(row["kv_cache_bytes"] / MB),
    )


def _compare(records: Sequence[Record]) -> Iterator[Table]:
    first, second = records[0]["engines"]
    advantage = f"{first} advantage"
    yield Table(
        "Generation speed (decode tok/s)",
        ("model", "weights", first, second, advantage),
        tuple(
            (
                record["title"],
                " | ".join(dict.fromkeys(record["quantization"].values())),
                *(number(record["decode_tps"].get(name)) for name in (first, second)),
                percent(record["advantage"], sign=True),
            )
            for record in records
        ),
        2,
        " ".join(f"{name}: {why}" for record in records for name, why in record["refused"].items()),
    )
    yield Table(
        "Prefill (tok/s and time to first token)",
        ("model", "prompt tokens", first, second, advantage, f"{first} TTFT s", f"{second} TTFT s"),
        tuple(
            (
                record["title"],
                f"{row['prompt_tokens']:,}",
                *(number(row["prefill_tps"].get(name), 0) for name in (first, second)),
                percent(row["advantage"], sign=True),
                *(number(row["ttft_s"].get(name), 2) for name in (first, second)),
            )
            for record in records
            for row in record["prefill"]
        ),
        1,
    )
    sweeps = tuple(
        _context_row(engine, record["title"], row)
        for record in records
        for engine, result in record["context"].items()
        for row in result["context"]
    )
    columns = (
        "engine", "model", "KV type", "context tokens", "decode tok/s", "prefill tok/s",
        "effective tok/s", "KV cache MB",
    )  # fmt: skip
    yield Table("Context length and KV cache types", columns, sweeps, 3)


def _failure(record: Record) -> Table:
    where = f"{record['bench']}, {record['engine']}, {record['model']}"
    return Table(f"{where}: not measured", ("reason",), ((record["error"],),), 1)


def _escaped(cells: Sequence[str]) -> list[str]:
    return [cell.replace("|", "\\|") for cell in cells]


_BUILDERS: dict[str, Callable[[Sequence[Record]], Iterator[Table]]] = {
    "decode": _decode,
    "prefill": _prefill,
    "speculative": _speculative,
    "kv": _kv,
    "context": _context,
    "compare": _compare,
}
