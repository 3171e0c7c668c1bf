"""One contender of `throughput.py` in a process of its own: TRL's `SFTTrainer`, or a bare loop in PyTorch.

Run by `throughput.py`, which runs our own stage through its real worker. Prints one line of JSON: seconds and real
tokens of each step, the last loss (TRL: the mean over its run, which is what it logs), and how far the logits of a
document move when the one before it in its row changes (`leak`, as a share of the largest logit).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.training.common import END, Document, Shape, documents, lay_out, model
from structdsl_runtime.training.rows import Rows


def main(text: str) -> None:
    asked = json.loads(text)
    shape = Shape(**asked["shape"])
    packed = documents(shape, asked["steps"] * shape.batch, prompts=asked["variant"] == "sft")
    learner: Any = model(shape)
    learner.load_state_dict(torch.load(asked["weights"], weights_only=True))
    folder = Path(asked["folder"])
    run = bare if asked["contender"] == "bare" else trl
    print(json.dumps(run(learner, shape, packed, asked, folder)))


def bare(
    learner: Any, shape: Shape, packed: list[list[Document]], asked: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Forward with an explicit block mask, cross entropy of all positions, backward, clip, AdamW."""
    rows = lay_out(packed, shape.length, folder / "bare")
    optimizer = torch.optim.AdamW(learner.parameters(), lr=asked["lr"], betas=(0.9, 0.95), fused=True)
    seconds, tokens, loss = [], [], torch.zeros(())
    learner.train()
    for step in range(asked["steps"]):
        started = time.perf_counter()
        taken = slice(step * shape.batch, (step + 1) * shape.batch)
        loss = bare_loss(learner, rows, taken)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
        tokens.append(rows.tokens(taken.start, taken.stop))
    return {"seconds": seconds, "tokens": tokens, "loss": float(loss.detach()), "leak": None}


def bare_loss(learner: Any, rows: Rows, taken: slice) -> torch.Tensor:
    input_BT = torch.from_numpy(rows.input_RT[taken].astype(np.int64))
    segment_BT = torch.from_numpy(rows.segment_RT[taken].astype(np.int64))
    predicts_BT = torch.from_numpy(rows.predicts_RT[taken].copy())
    place = torch.arange(input_BT.shape[1])
    starts_BT = torch.ones_like(predicts_BT)
    starts_BT[:, 1:] = segment_BT[:, 1:] != segment_BT[:, :-1]
    position_BT = place - torch.where(starts_BT, place, 0).cummax(1).values
    mask_BTT = (segment_BT[:, :, None] == segment_BT[:, None, :]) & (place[:, None] >= place)
    logits_BTV = learner(
        input_ids=input_BT, position_ids=position_BT, attention_mask=mask_BTT[:, None], use_cache=False
    ).logits
    target_BT = torch.where(predicts_BT, input_BT.roll(-1, 1), -100)
    return functional.cross_entropy(logits_BTV.flatten(0, 1), target_BT.flatten())


def trl(
    learner: Any, shape: Shape, packed: list[list[Document]], asked: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """`isolated`: best-fit packing, which TRL trains padding-free; `leaking`: its `wrapped` packing with a causal mask;
    `padded`: a sample a row, lengths grouped.

    Padding-free joins the `micro` rows of a pass to one. Without a varlen kernel, and a CPU has none that trains (flex
    attention refuses a backward pass there), transformers masks that row by its position ids: nothing leaks, and
    attention costs the square of the pass. So what is best for `micro` is measured. The collator that leaves rows apart
    sends a mask of ones along, with which position ids isolate nothing.
    """
    from datasets import Dataset  # type: ignore[import-untyped]  # noqa: PLC0415 - the bare loop needs none of these
    from tokenizers import Tokenizer, models  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415
    from trl.trainer.sft_config import SFTConfig  # noqa: PLC0415
    from trl.trainer.sft_trainer import SFTTrainer  # noqa: PLC0415

    layout, micro = asked["contender"], asked["micro"]
    samples = [document for row in packed for document in row]
    each_step = len(samples) // asked["steps"] if layout == "padded" else shape.batch
    data = Dataset.from_dict(
        {
            "input_ids": [document.ids.tolist() for document in samples],
            "labels": [
                [-100 if place < document.prompt else token for place, token in enumerate(document.ids.tolist())]
                for document in samples
            ],
            "length": [len(document.ids) for document in samples],
        }
    )
    engine = Tokenizer(models.WordLevel({"<end>": 0, "<unk>": 1}, unk_token="<unk>"))  # noqa: S106 - a token of text
    make: Any = PreTrainedTokenizerFast
    ends = dict.fromkeys(("eos_token", "pad_token"), "<end>")
    tokenizer = make(tokenizer_object=engine, **ends)
    settings = SFTConfig(
        output_dir=str(folder / "trl"),
        max_steps=asked["steps"],
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=max(1, each_step // micro),
        learning_rate=asked["lr"],
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        adam_beta2=0.95,
        max_length=shape.length,
        packing=layout != "padded",
        packing_strategy="wrapped" if layout == "leaking" else "bfd",
        train_sampling_strategy="group_by_length" if layout == "padded" else "random",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to=[],
        logging_steps=asked["steps"],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        dataset_num_proc=None,
    )
    ends_at: list[float] = []
    tokens: list[int] = []
    passes: list[int] = []

    class Timed(SFTTrainer):
        """Counts the real tokens of each pass."""

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            real = inputs.get("attention_mask", inputs["input_ids"] >= 0)
            passes.append(int(real.sum()))
            step: Any = super().training_step
            return step(model, inputs, num_items_in_batch)

    from transformers import TrainerCallback  # noqa: PLC0415

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends_at.append(time.perf_counter())
            tokens.append(sum(passes))
            passes.clear()

    trainer = Timed(model=learner, args=settings, train_dataset=data, processing_class=tokenizer, callbacks=[Clock()])
    found = leak(learner, trainer.get_train_dataloader(), shape) if layout != "padded" else 0.0
    started = time.perf_counter()
    trainer.train()
    seconds = np.diff([started, *ends_at]).tolist()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"seconds": seconds, "tokens": tokens, "loss": losses[-1], "leak": found}


@torch.no_grad()
def leak(learner: Any, batches: Iterable[dict[str, Any]], shape: Shape) -> float:
    """What the second document of a row sees of the first: in the first batch whose first row has two that end."""
    found = ((batch, (batch["input_ids"][0] == END).nonzero().flatten()) for batch in batches)
    batch, ends = next((batch, ends) for batch, ends in found if len(ends) > 1)
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    first, second = int(ends[0]), int(ends[1])
    learner.eval()
    before = learner(**inputs, use_cache=False).logits[0, first + 1 : second]
    changed = inputs["input_ids"].clone()
    changed[0, :first] = changed[0, :first] % (shape.vocab - 1) + 1
    after = learner(**{**inputs, "input_ids": changed}, use_cache=False).logits[0, first + 1 : second]
    learner.train()
    return float((before - after).abs().max() / before.abs().max())


if __name__ == "__main__":
    main(sys.argv[1])
