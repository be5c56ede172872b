"""Entry point of all campaigns: `python -m robustness calls --calls 10000`; each campaign parses its own options."""

import sys
from importlib import import_module

CAMPAIGNS = {
    "calls": "calls.campaign",
    "files": "files.campaign",
    "weights": "weights.campaign",
    "kills": "processes.kills",
    "disks": "processes.disks",
    "load": "processes.load",
    "page": "page.campaign",
    "signals": "ros.signals",
    "camera": "ros.camera",
    "mutation": "mutation.campaign",
}


def main() -> int:
    """Run the campaign that the first argument names; 2 if there is none of that name."""
    name, *rest = sys.argv[1:] or [""]
    if name not in CAMPAIGNS:
        print(f"usage: python -m robustness {{{','.join(CAMPAIGNS)}}} ...", file=sys.stderr)
        return 2
    sys.argv[0] = f"python -m robustness {name}"
    return int(import_module(f"robustness.{CAMPAIGNS[name]}").main(rest) or 0)


if __name__ == "__main__":
    sys.exit(main())
