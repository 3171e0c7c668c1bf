"""A workshop for each test, and one small tokenizer for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.plan import TrainTokenizer
from structdsl_runtime.operations.tokenizer import train_tokenizer
from structdsl_runtime.text import tokens
from tests.runtime.data.workshop import WORLD, Workshop


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tokenizer")
    workshop = Workshop(root, root)
    workshop(train_tokenizer, TrainTokenizer(vocab=600), {"notes": [{"text": WORLD}]})
    return workshop.output("tokenizer")


@pytest.fixture
def run(tmp_path: Path, tokenizer_folder: Path) -> Workshop:
    return Workshop(tmp_path, tokenizer_folder)


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> tokens.Tokenizer:
    return tokens.load(tokenizer_folder)


@pytest.fixture
def world() -> str:
    return WORLD


@pytest.fixture(scope="session")
def books() -> Path:
    """The folder of real textbooks beside the repository; they are no part of it."""
    folder = Path(__file__).parents[3].parent / "shared" / "data"
    if not (folder / "microbiology").is_dir():
        pytest.skip(f"the textbooks are not at {folder}")
    return folder
