"""Published mean absolute differences on Middlebury 2005, in grey levels of 0..255."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """One method: per scale its six scenes in the order of `data.MIDDLEBURY_2005`, or None, and their mean."""

    method: str
    source: str
    scenes: dict[int, tuple[float, ...] | None]
    means: dict[int, float]


BRIDGENET_PAPER = "BridgeNet, ACM MM 2021, Table 1 (two decimals; means of the printed values)"

PUBLISHED = (
    PublishedRow(
        "CTKT",
        BRIDGENET_PAPER,
        {
            4: (0.25, 0.11, 0.16, 0.16, 0.13, 0.17),
            8: (0.53, 0.26, 0.36, 0.36, 0.27, 0.35),
            16: (1.44, 0.67, 0.65, 0.76, 0.69, 0.77),
        },
        {4: 0.163, 8: 0.355, 16: 0.830},
    ),
    PublishedRow(
        "BridgeNet (paper)",
        BRIDGENET_PAPER,
        {
            4: (0.30, 0.14, 0.19, 0.17, 0.15, 0.19),
            8: (0.58, 0.24, 0.34, 0.34, 0.26, 0.31),
            16: (1.49, 0.51, 0.64, 0.71, 0.54, 0.70),
        },
        {4: 0.190, 8: 0.345, 16: 0.765},
    ),
    PublishedRow(
        "HCGNet",
        "HCGNet's published means; the best known on this data",
        {4: None, 8: None, 16: None},
        {4: 0.159, 8: 0.288, 16: 0.712},
    ),
)
