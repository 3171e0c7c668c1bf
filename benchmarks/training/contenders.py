"""One contender of `throughput.py` in a process of its own: TRL's `SFTTrainer`, or a bare loop in PyTorch.

Run by `throughput.py`, which runs our own stage through its real worker. Prints one line of JSON: seconds and real
tokens of each step, the last loss (TRL: the mean over its run, which is what it logs), and how far the logits of a
document move when the one before it in its row changes (`leak`, as a share of the largest logit).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.training.common import Document, Shape, documents, lay_out, model
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
    """`isolated`: best-fit packing, which TRL trains padding-free; `leaking`: its `wrapped` packing with a causal mask.

    A padding-free batch is one long row, for which attention without a varlen kernel costs the square of the batch:
    TRL gets a row at a time with accumulation instead, which is faster here.
    """
    from datasets import Dataset  # type: ignore[import-untyped]  # noqa: PLC0415 - the bare loop needs none of these
    from tokenizers import Tokenizer, models  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415
    from trl.trainer.sft_config import SFTConfig  # noqa: PLC0415
    from trl.trainer.sft_trainer import SFTTrainer  # noqa: PLC0415

    isolated = asked["contender"] == "trl isolated"
    rows = [document for row in packed for document in row]
    data = Dataset.from_dict(
        {
            "input_ids": [document.ids.tolist() for document in rows],
            "labels": [
                [-100 if place < document.prompt else token for place, token in enumerate(document.ids.tolist())]
                for document in rows
            ],
        }
    )
    engine = Tokenizer(models.WordLevel({"<end>": 0, "<unk>": 1}, unk_token="<unk>"))  # noqa: S106 - a token of text
    make: Any = PreTrainedTokenizerFast
    ends = dict.fromkeys(("eos_token", "pad_token"), "<end>")
    tokenizer = make(tokenizer_object=engine, **ends)
    micro = 1 if isolated else shape.batch
    settings = SFTConfig(
        output_dir=str(folder / "trl"),
        max_steps=asked["steps"],
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=shape.batch // micro,
        learning_rate=asked["lr"],
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        adam_beta2=0.95,
        max_length=shape.length,
        packing=True,
        packing_strategy="bfd" if isolated else "wrapped",
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
    seconds: list[float] = []
    tokens: list[int] = []

    class Timed(SFTTrainer):
        """Counts the real tokens of each pass, and the seconds between the ends of optimizer steps."""

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            tokens.append(int(inputs["input_ids"].numel()))
            step: Any = super().training_step
            return step(model, inputs, num_items_in_batch)

    from transformers import TrainerCallback  # noqa: PLC0415

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(time.perf_counter())

    trainer = Timed(model=learner, args=settings, train_dataset=data, processing_class=tokenizer, callbacks=[Clock()])
    found = leak(learner, next(iter(trainer.get_train_dataloader())), shape)
    started = time.perf_counter()
    trainer.train()
    times = np.diff([started, *seconds]).tolist()
    passes = shape.batch // micro
    each = [sum(tokens[step * passes : (step + 1) * passes]) for step in range(asked["steps"])]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"seconds": times, "tokens": each, "loss": losses[-1], "leak": found}


@torch.no_grad()
def leak(learner: Any, batch: dict[str, Any], shape: Shape) -> float:
    """What the second document of the first row of a batch sees of the first."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    ids_T = inputs["input_ids"][0, : shape.length]
    ends = (ids_T == 0).nonzero().flatten()
    first, second = int(ends[0]), int(ends[1])
    learner.eval()
    before = learner(**inputs, use_cache=False).logits[0, first + 1 : second]
    changed = inputs["input_ids"].clone()
    changed[0, :first] = changed[0, :first] % (shape.vocab - 2) + 1
    after = learner(**{**inputs, "input_ids": changed}, use_cache=False).logits[0, first + 1 : second]
    learner.train()
    return float((before - after).abs().max() / before.abs().max())


if __name__ == "__main__":
    main(sys.argv[1])
