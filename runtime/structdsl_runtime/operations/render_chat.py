"""Samples in a chat template: the turns before the last answer as the prompt, the answer and its end as the response.

Only the response is supervised, as without a template. A sample that is no conversation is one question of a user.
"""

from __future__ import annotations

from structdsl.plan import RenderChat
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text import chat, tokens


def render_chat(arguments: RenderChat, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """The samples in their order; raises the faults of a template that cannot be used (E0515, E0721, E0731)."""
    template = chat.of_step(arguments.template, tokens.load(inputs.folder("tokenizer")), inputs, context)
    total = inputs.count("samples")
    with outputs.table("samples") as samples:
        for done, row in enumerate(inputs.rows("samples", order="position"), 1):
            turns = chat.asked(row.pop("messages"), row["prompt"])
            samples.row(**row | template.sample(row, turns))
            context.progress(done, total, "samples")
