"""The loss and the isolation of samples, on a real model in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from structdsl_runtime.evaluation import tasks
from structdsl_runtime.operation import Fault
from structdsl_runtime.training import isolation, rows, stage
from structdsl_runtime.training.batches import PackedRows
from structdsl_runtime.training.objective import NextToken, PredictingHead
from tests.training.stage_fakes import FakeInputs, loaded, packed

CPU = torch.device("cpu")


@pytest.fixture
def model(base: Path) -> Any:
    """Weights ten times as large as fresh ones: what leaks shows."""
    found = loaded(base)
    with torch.no_grad():
        for parameter in found.parameters():
            if parameter.dim() > 1:
                parameter.mul_(10)
    return found


@pytest.fixture
def data(tmp_path: Path) -> PackedRows:
    table = packed(5, 64)
    return PackedRows(rows.write(FakeInputs(tables={"packed": table}), tmp_path, 64), batch=8)


def isolated(model: Any) -> isolation.Logits:
    @torch.no_grad()
    def logits(*parts: Tensor) -> Tensor:
        found: Tensor = model(**isolation.forward_arguments(model.config, *parts)).logits
        return found

    return logits


def test_samples_do_not_see_each_other(model: Any) -> None:
    assert isolation.leak(isolated(model), 258, CPU).alone < 1e-5
    isolation.check(isolated(model), vocabulary=258, device=CPU, dtype=torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_leak_is_found(model: Any, base: Path, dtype: torch.dtype, *, fresh: bool) -> None:
    model = (loaded(base) if fresh else model).to(dtype)
    isolation.check(isolated(model), vocabulary=258, device=CPU, dtype=dtype)

    @torch.no_grad()
    def leaking(input_BT: Tensor, segment_BT: Tensor, position_BT: Tensor) -> Tensor:
        one = torch.zeros_like(segment_BT)
        found: Tensor = model(**isolation.forward_arguments(model.config, input_BT, one, position_BT)).logits
        return found

    with pytest.raises(Fault) as caught:
        isolation.check(leaking, vocabulary=258, device=CPU, dtype=dtype)
    assert caught.value.code == "E0712"


def test_padding_that_brings_forth_nan_is_found(model: Any) -> None:
    def poisoned(input_BT: Tensor, segment_BT: Tensor, position_BT: Tensor) -> Tensor:
        return isolated(model)(input_BT, segment_BT, position_BT).masked_fill(segment_BT[..., None] < 0, torch.nan)

    with pytest.raises(Fault) as caught:
        isolation.check(poisoned, vocabulary=258, device=CPU, dtype=torch.float32)
    assert caught.value.code == "E0712"


def test_an_architecture_that_caps_its_attention_is_measured_and_not_trained(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {
        "vocab_size": 32,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "head_dim": 8,
    }
    config = Gemma2Config(**sizes, num_attention_heads=2, num_key_value_heads=1, pad_token_id=0)
    Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(Fault, match="cannot share a row in a model of type `gemma2`") as caught:
        stage.load(tmp_path, config, "fp32", gpu=False)
    assert caught.value.code == "E0712"
    assert "caps the scores" in caught.value.notes[0]
    assert tasks.load(tmp_path).config._attn_implementation == "eager"


def test_a_broken_model_is_no_leak(model: Any) -> None:
    torch.nn.init.constant_(model.model.norm.weight, torch.nan)
    with pytest.raises(Fault) as caught:
        isolation.check(isolated(model), vocabulary=258, device=CPU, dtype=torch.float32)
    assert caught.value.code == "E0714"


def test_sliding_windows_stay() -> None:
    config = MistralConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=4,
    )
    torch.manual_seed(0)
    mistral = MistralForCausalLM(config)
    mistral.train(mode=False)
    input_BT = torch.arange(12)[None]
    alone = mistral(input_BT, use_cache=False).logits
    ours = isolated(mistral)(input_BT, torch.zeros_like(input_BT), torch.arange(12)[None])
    assert torch.allclose(alone, ours, atol=1e-5)
    assert isolation.leak(isolated(mistral), 50, CPU).alone < 1e-5


def test_the_loss_is_the_mean_over_the_whole_step(model: Any, data: PackedRows) -> None:
    objective = NextToken(PredictingHead(model), label_smoothing=0.0, processes=1)
    parts = [data.__getitems__(numbers) for numbers in ([0, 1], [2, 3], [4, 5], [6, 7])]
    losses = [objective(model, model.config, part).total for part in parts]
    whole = data.__getitems__(list(range(8)))
    logits = model(
        **isolation.forward_arguments(model.config, whole["input_BT"], whole["segment_BT"], whole["position_BT"])
    ).logits.reshape(-1, 258)
    expected = functional.cross_entropy(logits[whole["predict_N"]], whole["target_N"])
    assert torch.stack(losses).sum().item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_pass_without_targets_gives_zero_and_no_gradient(model: Any, data: PackedRows) -> None:
    loss = NextToken(PredictingHead(model), label_smoothing=0.0, processes=1)(
        model, model.config, data.__getitems__([6, 7])
    )
    torch.autograd.backward(loss.total)
    assert loss.total.item() == 0.0
    assert all(not parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None)


def test_label_smoothing(model: Any, data: PackedRows) -> None:
    batch = data.__getitems__(list(range(8)))
    plain = NextToken(PredictingHead(model), label_smoothing=0.0, processes=1)(model, model.config, batch)
    smooth = NextToken(PredictingHead(model), label_smoothing=0.1, processes=1)(model, model.config, batch)
    with torch.no_grad():
        arguments = isolation.forward_arguments(
            model.config, batch["input_BT"], batch["segment_BT"], batch["position_BT"]
        )
        uniform = -model(**arguments).logits.log_softmax(-1).mean(-1).reshape(-1)[batch["predict_N"]].mean()
    assert smooth.total.item() == pytest.approx(0.9 * plain.total.item() + 0.1 * uniform.item(), rel=1e-5)
    assert torch.equal(smooth.ntp_N, plain.ntp_N)
