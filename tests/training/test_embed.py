"""Documents as embeddings: what transformers makes of them, whatever their length and the kind of the model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from structdsl.plan import CompareEmbeddings, EmbedDocuments
from structdsl_runtime.model_folder import take
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.embed_documents import compare_embeddings, embed_documents
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context

LONG = "the tide of the harbour turns twice a day " * 9
TEXTS = {
    "a": "the tide turns",
    "b": "a baker of the harbour",
    "c": LONG,
    "d": LONG + "the baker",
    "e": "the tide turns",
}
LEFT = {"z": "what has left"}


KINDS: dict[str, tuple[Any, Any]] = {"bert": (BertConfig, BertModel), "roberta": (RobertaConfig, RobertaModel)}


@pytest.fixture(scope="module", params=[*KINDS, "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal model, and encoders of 32 positions as they come from the Hub: a token before and behind each text, no
    end of text. Those of RoBERTa begin behind the number of the padding token.
    """
    if request.param == "llama":
        base: Path = request.getfixturevalue("base")
        return base
    folder = tmp_path_factory.mktemp(request.param)
    words = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", *sorted(set(LONG.split())), "baker"]
    engine = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    engine.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 2)])
    wrapped: Any = PreTrainedTokenizerFast  # its constructor has no types
    wrapped(
        tokenizer_object=engine, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    configuration, network = KINDS[request.param]
    config = configuration(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32 if request.param == "bert" else 34,
        pad_token_id=1,
        eos_token_id=None,
    )
    network(config).save_pretrained(folder)
    taken = tmp_path_factory.mktemp("taken")
    take(folder, taken, "encoder", tokenizer=None, trust_code=False)
    return taken


def embedded(model: Path, where: Path) -> dict[str, Any]:
    outputs = FakeOutputs(where)
    texts = TEXTS | LEFT
    documents = pa.table({"doc_id": list(texts), "text": list(texts.values())})
    tables = {"documents": documents, "gone_0": pa.table({"doc_id": list(LEFT)})}
    embed_documents(EmbedDocuments(), FakeInputs(tables, {"model": model}), outputs, context(where, "corpus.web.embed"))
    return {row["doc_id"]: row["embedding"] for row in outputs.tables["embeddings"]}


@torch.inference_mode()
def expected(model: Path, text: str) -> Any:
    """The same by transformers alone, a window at a time."""
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    network: Any = AutoModel.from_pretrained(model).eval()
    size = min(network.config.max_position_embeddings, 32 if network.config.model_type != "llama" else 64)
    windows = tokenizer(text, truncation=True, max_length=size, return_overflowing_tokens=True)["input_ids"]
    states = [network(input_ids=torch.tensor([ids])).last_hidden_state[0] for ids in windows]
    return torch.nn.functional.normalize(torch.cat(states).sum(0), dim=0).numpy()


def test_embeddings_are_means_of_hidden_states(model: Path, tmp_path: Path) -> None:
    found = embedded(model, tmp_path)
    assert found.keys() == TEXTS.keys()
    for name, text in TEXTS.items():
        np.testing.assert_allclose(found[name], expected(model, text), atol=1e-5, err_msg=name)


def test_a_model_that_makes_no_numbers_is_told_of(base: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    weights = load_file(broken / "model.safetensors")
    save_file({name: tensor * torch.nan for name, tensor in weights.items()}, broken / "model.safetensors")
    with pytest.raises(Fault, match="no numbers of document `a`") as raised:
        embedded(broken, tmp_path / "run")
    assert raised.value.code == "E0715"


def test_pairs_of_embeddings_name_who_they_are_of(tmp_path: Path) -> None:
    def table(vectors: dict[str, list[float]]) -> pa.Table:
        return pa.table(
            {"doc_id": list(vectors), "embedding": pa.array(list(vectors.values()), pa.list_(pa.float32()))}
        )

    tables = {
        "embeddings": table({"b": [0, 1], "a": [1, 0], "c": [0.6, 0.8]}),
        "corpus.old": table({"a": [0.8, 0.6], "x": [-1, 0]}),
        "corpus.none": table({}),
    }
    outputs = FakeOutputs(tmp_path)
    compare_embeddings(
        CompareEmbeddings(above=0.8), FakeInputs(tables), outputs, context(tmp_path, "corpus.web.compare")
    )
    found = [tuple(row.values()) for row in outputs.tables["similar"]]
    assert [row[:3] for row in found] == [("c", "b", None), ("a", "a", "old"), ("c", "a", "old")]
    assert [row[3] for row in found] == pytest.approx([0.8, 0.8, 0.96])
