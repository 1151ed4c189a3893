"""Chat templates in the manner of well-known model families."""

from __future__ import annotations

CHATML = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}"""

MISTRAL = """\
{{- bos_token }}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate user/assistant/user/assistant') }}
    {%- endif %}
    {%- if message.role == 'user' %}{{ '[INST] ' + message.content + ' [/INST]' }}
    {%- else %}{{ ' ' + message.content + eos_token }}{% endif %}
{%- endfor %}"""

LLAMA = """\
{{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}
{{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
"""

STRIPS_REASONING = """\
{%- for message in messages -%}
{%- set content = message.content.split('</think>')[-1].lstrip() -%}
<|im_start|>{{ message.role }}
{{ content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think>

</think>

{% endif %}
{%- endif -%}"""

SHOUTS = """\
{%- for message in messages -%}
{{ message.role }}: {{ message.content | upper }}
{% endfor -%}
{%- if add_generation_prompt -%}assistant: {% endif -%}"""
"""Does not carry an answer through as it is."""

REPEATS_ANSWERS = """\
{%- for message in messages -%}
{{ message.role }}: {{ message.content }}
{% endfor -%}
{%- for message in messages if message.role == 'assistant' -%}
recall: {{ message.content }}
{% endfor -%}
{%- if add_generation_prompt -%}assistant: {% endif -%}"""
"""Carries every answer through twice."""

FORGETS_LATER_ANSWERS = """\
{%- for message in messages -%}
{%- if message.role != 'assistant' or loop.index < 3 -%}
{{ message.role }}: {{ message.content }}
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}assistant: {% endif -%}"""
