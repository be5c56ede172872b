"""The configuration of the graph: every choice that the paper leaves open, in one frozen dataclass."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

Guidance = Literal["habdg", "concat", "none"]
Activation = Literal["relu", "silu"]
Reference = Literal["local", "image"]


@dataclass(frozen=True)
class BridgeNetConfig:
    """Shape of one BridgeNet; stored in every checkpoint's metadata.

    The defaults are the paper's wiring at 64 channels (the paper names no width).

    Parameters
    ----------
    dsr_widths
        DSRNet channels at strides 1, 2, 4, 8.
    mde_widths
        MDENet channels at strides 1 (stem), 2, 4, 8, 16.
    pyramid_width
        Channels of MDENet's feature pyramid and of the CLIFF modules.
    entry_blocks
        Residual blocks at stride 1 (Figure 2 draws two).
    stage_blocks
        Residual blocks of the three transformation modules (Section 3.1: four each).
    trunk_blocks
        Stacked residual blocks at stride 8 (Figure 2: N = 32).
    mde_blocks
        Residual blocks of each MDENet stage.
    attention_reduction
        Squeeze factor of the channel attention.
    activation
        "relu" or "silu", in residual blocks and decoder.
    decoder_skips
        1x1 convs from the HABdg outputs at strides 4 and 2 into the decoder; not in the paper.
    decoder_blocks
        Residual blocks after decoder levels 1 and 2, where guidance and context meet; 0 in the paper.
    validity_input
        D_up has a second channel: the share of each pixel that was measured rather than filled.
    normalisation
        D_up is normalised by its "local" range, or as by the first generation of weights by that of the whole "image".
    expected_error
        A head for the expected error of D_SR, trained after all else (not in the paper).
    mde
        False builds DSRNet alone (Table 3, first row).
    guidance
        "habdg" (the paper), "concat" (Table 4: plain concatenation) or "none" (Table 3).
    content_guidance
        CGBdg on decoder levels 1 and 2 (Table 3).
    mde_loss_reaches_dsr
        Let L_MDE's gradient pass through CGBdg into DSRNet.
    dsr_loss_reaches_mde
        Let L_DSR's gradient pass through HABdg into MDENet stages 1-3.

    Raises
    ------
    ValueError
        If a size is not positive or a bridge is asked for without MDENet.
    """

    dsr_widths: tuple[int, int, int, int] = (64, 64, 64, 64)
    mde_widths: tuple[int, int, int, int, int] = (64, 64, 64, 64, 64)
    pyramid_width: int = 64
    entry_blocks: int = 2
    stage_blocks: tuple[int, int, int] = (4, 4, 4)
    trunk_blocks: int = 32
    mde_blocks: int = 2
    attention_reduction: int = 16
    activation: Activation = "relu"
    decoder_skips: bool = False
    decoder_blocks: int = 0
    validity_input: bool = False
    normalisation: Reference = "local"
    expected_error: bool = False
    mde: bool = True
    guidance: Guidance = "habdg"
    content_guidance: bool = True
    mde_loss_reaches_dsr: bool = True
    dsr_loss_reaches_mde: bool = True

    def __post_init__(self) -> None:
        # JSON and TOML give lists
        for name, length in (("dsr_widths", 4), ("mde_widths", 5), ("stage_blocks", 3)):
            value = tuple(getattr(self, name))
            if len(value) != length or any(type(v) is not int or v < 1 for v in value):
                raise ValueError(f"{name} needs {length} positive integers, got {value}")
            object.__setattr__(self, name, value)
        for name in ("pyramid_width", "entry_blocks", "trunk_blocks", "mde_blocks", "attention_reduction"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a positive integer, got {getattr(self, name)!r}")
        if type(self.decoder_blocks) is not int or self.decoder_blocks < 0:
            raise ValueError(f"decoder_blocks must be an integer from 0, got {self.decoder_blocks!r}")
        for field in dataclasses.fields(self):
            if field.type == "bool" and type(getattr(self, field.name)) is not bool:
                raise ValueError(f"{field.name} must be true or false, got {getattr(self, field.name)!r}")
        if self.activation not in ("relu", "silu"):
            raise ValueError(f"activation must be 'relu' or 'silu', got {self.activation!r}")
        if self.normalisation not in ("local", "image"):
            raise ValueError(f"normalisation must be 'local' or 'image', got {self.normalisation!r}")
        if self.guidance not in ("habdg", "concat", "none"):
            raise ValueError(f"guidance must be 'habdg', 'concat' or 'none', got {self.guidance!r}")
        if not self.mde and (self.guidance != "none" or self.content_guidance):
            raise ValueError("without MDENet (mde=False), guidance must be 'none' and content_guidance False")

    @property
    def block_count(self) -> int:
        """Residual blocks of DSRNet and MDENet, all stages together."""
        return self.entry_blocks + sum(self.stage_blocks) + self.trunk_blocks + self.mde_blocks + self.decoder_blocks

    def to_json(self) -> str:
        """One-line JSON of all fields, for checkpoint metadata."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BridgeNetConfig:
        """Inverse of `to_json`.

        Raises
        ------
        ValueError
            If the text is no JSON object or has unknown or ill-typed fields.
        """
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, fields: Any) -> BridgeNetConfig:
        """Build from a mapping; ValueError if it is none, or names the fields that do not exist."""
        if not isinstance(fields, dict):
            raise ValueError(f"a config must be a JSON object, got {type(fields).__name__}")
        unknown = set(fields) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown config fields: {sorted(unknown)}")
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"ill-typed config: {error}") from error
