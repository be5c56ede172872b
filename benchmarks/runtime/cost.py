"""Parameters and GFLOP of every training config: `python -m benchmarks.runtime.cost [--size 256]`."""

from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer.graph import BridgeNet, build_bridgenet
from training.config import load_config

CONFIGS = Path(__file__).parents[2] / "training" / "configs"


def gflop(model: BridgeNet, size: int, estimate_depth: bool) -> float:
    """GFLOP (a multiply-add is two) of one forward pass at size x size pixels."""
    d_up = torch.zeros(1, 2 if model.config.validity_input else 1, size, size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, size, size), d_up, estimate_depth)
    return float(counter.get_total_flops()) / 1e9


def main() -> None:
    """Print the table."""
    parser = command_line(__doc__, "cost")
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    size, configs = options.size, {}
    for path in sorted(CONFIGS.glob("*.toml")):
        model = build_bridgenet(load_config(path).model)
        alone, full = gflop(model, size, False), gflop(model, size, model.mde is not None)
        parameters = sum(p.numel() for p in model.parameters())
        configs[path.stem] = {"parameters": parameters, "D_SR GFLOP": alone, "full GFLOP": full}
    rows = [[name, f"{row['parameters']:,}", f"{row['D_SR GFLOP']:.2f}", f"{row['full GFLOP']:.2f}"]
            for name, row in configs.items()]  # fmt: skip
    print(text_table([f"{size} x {size}", "parameters", "D_SR GFLOP", "full GFLOP"], rows))
    write_json(options.out / "cost.json", {"size": size, "configs": configs})


if __name__ == "__main__":
    main()
