"""Shared fixtures: a tiny random graph, its checkpoint, and the optional real data."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from bridgenet_infer.graph import BridgeNet
from bridgenet_infer.upsampler import DepthUpsampler
from bridgenet_infer.weights import Checkpoint
from testing import tiny
from testing.command_lines import ParsedError

settings.register_profile(
    "default", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("default")


@pytest.fixture(scope="session")
def tiny_model() -> BridgeNet:
    return tiny.tiny_model()


@pytest.fixture(scope="session")
def tiny_upsampler(tiny_model: BridgeNet) -> DepthUpsampler:
    return DepthUpsampler(Checkpoint(tiny_model, name="tiny"), device="cpu")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="session")
def shipped() -> DepthUpsampler:
    return DepthUpsampler.from_pretrained("default", device="cpu")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every argument parser stops after parsing."""
    original = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, *arguments: object, **named: object) -> None:
        original(self, *arguments, **named)  # type: ignore[call-overload]
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
