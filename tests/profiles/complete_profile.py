"""A profile that has every key but `extends` and `grammar`."""

from __future__ import annotations

EVERYTHING = """
title = "Mine"
description = "for all"
task = "long-document Q&A"
engine = "auto"
quantization = "Q5_K_M"
adapter = "./lora"
draft_depth = 7
kv_type = "q8_0"
flash_attention = true
prefill_chunk = 256
gpu_layers = 20
context_window = 4096
max_tokens = 100
reasoning = true
reasoning_effort = "high"
system_prompt = "Be brief."
stop = ["###"]
tools = ["read_file", "run-tests"]
keep_alive = "10m"
json_schema = "form.json"
[model]
mlx = "org/x"
"llama.cpp" = "ollama:x"
[draft]
mlx = "org/d"
[sampling]
top_k = 5
[permissions]
read = "ask"
run = "deny"
"""
