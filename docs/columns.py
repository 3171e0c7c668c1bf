"""What the columns of the promised tables mean, but for signals, which say it themselves.

A name means the same in every table that has it, unless the table says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

SHARED: Mapping[str, str] = {
    "answer": "What is to be answered.",
    "bytes": "What it takes on the disk.",
    "chunk_id": "The chunk: its corpus, document and number in it, as in `notes/cells.md#0003`.",
    "corpus": "The corpus, by its name without `corpus.`.",
    "doc_id": (
        "The document in its corpus: its `id` in the source, else the name of its file below the fixed part of the "
        "pattern, for rows with their number."
    ),
    "end_byte": "The first byte of that `text` behind it.",
    "epoch": "Which pass over its corpus, from 1.",
    "evidence": "What decided it, as words, a path or an id.",
    "finished_at": "When it ended, in UTC.",
    "kind": "What it is.",
    "lang": "The language as the source says it; else what was identified, where the spec asks for it.",
    "length": "Tokens of the stretch.",
    "meta": "What else the source says of it, by its names there.",
    "model": "The model that was asked, by its address.",
    "n_chars": "Characters of `text`.",
    "n_supervised": "Tokens that are learnt.",
    "n_tokens": "Tokens of `text`, by the tokenizer of the model that is trained; without one an estimate.",
    "node_id": "The node of the taxonomy.",
    "path": "The titles from the root to it as slugs, joined by `/`.",
    "piece": "Which part of a sample that is longer than a row, from 0.",
    "position": "Its place in the order, from 0.",
    "prompt": "What is shown, and not learnt.",
    "question": "What is asked.",
    "reason": "Why.",
    "role": "The `role` of its corpus.",
    "run_id": "The run, as `--run` takes it; later ones sort behind.",
    "sample_id": "The sample: a chunk by its `chunk_id`, a row by its corpus and `doc_id`, a recall by its root.",
    "score": "How sure the rule is, from 0 to 1, or what it counted.",
    "seconds": "How long it took.",
    "source": "The file, relative to the spec, and behind `#L` the line in it or behind `#R` the row.",
    "start_byte": "Its first byte in the `text` of its document.",
    "started_at": "When it began, in UTC.",
    "status": "How it stands or has ended.",
    "step": "The step that did it.",
    "task": "The name of the task.",
    "text": "The text, cleaned as the corpus asks.",
    "title": "Its title: a column of the source; of a whole file its first heading of level 1, else its name.",
    "tokens": "How many tokens.",
}

OWN: Mapping[str, Mapping[str, str]] = {
    "corpus.<c>": {
        "aliases": "Other answers that are right.",
        "answer_idx": "The key of the option that is right.",
        "chosen": "The better answer.",
        "chunk_id": "The chunk that it is about, where that is known.",
        "messages": "The turns of a conversation, the reply that is learnt last.",
        "options": "What may be chosen from.",
        "path": "The path of the taxonomy that it is about, where that is known.",
        "prompt": "What both answers answer.",
        "rejected": "The worse answer.",
        "shape": "Which columns of the source it was made of, as the guide names them.",
    },
    "corpus.<c>_dropped": {
        "step": "`read`, `keep`, `dedup` or `decontaminate`.",
        "reason": "What was wrong in the row, the rule that it fails, the method that found it.",
        "evidence": "The condition that failed, the document that stays in its place, the item of an exam.",
    },
    "corpus.<c>_redactions": {"kind": "An entry of `redact`, such as `email`.", "n": "How often."},
    "corpus.<c>_chunks": {
        "position": "Its place in the document, from 0.",
        "text": "Its text; those of a document make up the whole, unless windows overlap.",
        "heading_path": "The headings above it, outermost first.",
        "heading_id": "The last of them.",
    },
    "corpus.<c>_clusters": {
        "cluster_id": "The document that stands for the cluster, with its corpus where that is another.",
        "kept": "Whether this one stays.",
        "method": "`exact`, `minhash` or `semantic`.",
        "similarity": "The greatest that it has with another of the cluster.",
    },
    "corpus.<c>_matches": {
        "exam": "What it was held against.",
        "item": "The item there, by its `doc_id`.",
        "evidence": "The words that both have.",
        "chunk_id": "The chunk; none where whole rows are compared.",
    },
    "corpus.<c>_offsets": {
        "text_byte": "The first byte in `text`; NULL where a row of a file is known as a whole only.",
        "file_byte": "The first byte in the file, of a compressed one in what it holds.",
        "n_bytes": "How many bytes are the same from there.",
    },
    "corpus.<c>_signals": {},
    "taxonomy.<t>": {
        "parent_id": "The node above; NULL at a root.",
        "depth": "0 at a root.",
        "position": "Its place in the order of reading.",
        "title": "Its title.",
        "n_chunks": "Chunks of its own.",
        "n_chunks_total": "These, and those of all nodes below it.",
        "n_tokens": "Tokens of all these.",
    },
    "taxonomy.<t>_links": {
        "rule": "The rule that answered; `root` where none did.",
        "evidence": "What it went by: headings, terms, what was matched.",
    },
    "taxonomy.<t>_titles": {"source": "Where the title comes from.", "title": "The title."},
    "taxonomy.<t>_attempts": {
        "rule": "The rule that asked.",
        "attempt": "Which try.",
        "call_id": "The call in `llm.calls`.",
        "path": "The path that was answered.",
        "verdict": "What became of it.",
    },
    "mixture.<m>": {},
    "mixture.<m>_summary": {
        "population": "Tokens that the corpus has.",
        "target": "Tokens that were asked of it.",
        "realised": "Tokens that were drawn.",
        "share": "Its part of all that was drawn, from 0 to 1.",
        "epochs": "How often it is read: `realised` / `population`.",
        "binding": "What bound it.",
    },
    "stage.<s>_samples": {
        "kind": (
            "`plain` text; a `chunk` under its map; the `recall` of a map; a `question`, or `structured`, one with its "
            "place before the answer."
        ),
        "response": "What is learnt; of `plain` text it is all.",
        "n_tokens": "Tokens of both, with the end of text.",
        "mask_reason": "Why some of it is not learnt: `prompt`; NULL where all is.",
        "position": "Its place in the order of reading, from 0; what packed rows call it by.",
        "chunk_id": "The chunk; NULL where it is of none.",
        "node_id": "Its node in the `structure` of the stage.",
    },
    "stage.<s>_packed": {
        "row": "The number of the row, from 0.",
        "input_ids": "Its `length` tokens.",
        "labels": "The same where they are learnt, elsewhere -100.",
        "segments": (
            "The samples in it: `position` and `piece` of the sample, `start` and `length` in the row, in tokens."
        ),
        "density": "The part of the row that is no padding.",
    },
    "stage.<s>_lineage": {
        "row": "The row of `stage.<s>_packed`.",
        "start": "The first token of the stretch in the row, from 0.",
        "position": "The sample, by its place in `stage.<s>_samples`.",
        "kind": "That of the sample.",
        "file_start": "The first byte of the file that it was made of; NULL where that is not known.",
        "file_end": "The first byte behind them.",
    },
    "stage.<s>_log": {
        "step": "The optimizer step, from 1.",
        "loss": "What is minimised.",
        "grad_norm": "The norm of the gradient, before it is clipped.",
        "lr": "The learning rate.",
        "tokens": "Tokens so far, without padding.",
        "tokens_per_second": "In this step, without padding.",
        "ntp": "Nats a supervised token of predicting what follows.",
        "kl": "The divergence from the teacher, in nats a supervised token.",
        "supervised": "Tokens that were learnt in this step.",
        "mfu": "The part of the peak of the devices that was used, from 0 to 1; NULL on a CPU.",
        "memory": "Bytes that a process has held at most so far.",
        "loss_scale": "The factor of the loss, in fp16.",
        "skipped": "Whether the step was left out, as its gradient overflowed in fp16.",
    },
    "stage.<s>_loss": {
        "step": "The optimizer step; 0 is before the first.",
        "loss": "Nats a supervised token, without label smoothing.",
        "tokens": "Supervised tokens that this is the mean of.",
        "kind": "`training`, or `followed` for what `track` names.",
        "bits_per_byte": "The same in bits a byte of the text, of what is followed.",
    },
    "stage.<s>_checkpoints": {"step": "The optimizer step.", "path": "The folder."},
    "teacher.<s>": {
        "offset": "The first of these tokens in the sample.",
        "ids": "The tokens.",
        "logprobs": "What the teacher gives them.",
    },
    "evaluation.<e>": {
        "item": "The question or the text, by its `doc_id`.",
        "prompt": "What the model was shown.",
        "output": "What it wrote.",
        "parsed": "The first line of that with text in it.",
        "score": "1 for a right answer, 0 for another; of a text nats a token, of a divergence likewise.",
        "path": "That of the question.",
        "n_tokens": "Tokens of the output, or of the text.",
        "n_bytes": "Bytes of the same.",
    },
    "evaluation.<e>_scores": {
        "metric": "What is measured.",
        "value": "How much.",
        "low": "The lower end of its interval at 95%.",
        "high": "The upper end.",
        "n": "How many items.",
    },
    "llm.calls": {
        "call_id": "The call.",
        "prompt": "What was asked.",
        "response": "What was answered.",
        "attempt": "Which try.",
        "error": "What went wrong.",
        "tokens": "Tokens of both.",
    },
    "meta.runs": {
        "spec": "The file.",
        "parameters": "The values of its params.",
        "status": "`running`, `done`, `failed`, `interrupted` or `killed`.",
    },
    "meta.steps": {
        "address": "The step.",
        "op": "What it does.",
        "status": "`done` in this run, `reused`, `running`, `pending`, `failed`, or `left` undone.",
        "rows": "Rows of all that it made; NULL for views and folders.",
        "recipe": "What the spec asks for, as a hash.",
        "key": "What its result is kept under: a hash of what it does and of all that it reads.",
        "error": "What went wrong.",
    },
    "meta.lineage": {"source": "A step.", "target": "A step that reads what that one made."},
}


def meaning(table: str, column: str) -> str:
    """What a column of a table means; raises `KeyError` where that is said nowhere."""
    own = OWN[table]
    return own[column] if column in own else SHARED[column]
