"""Times the input gradients that a replay may take on a CPU against TensorFlow's own, layer by layer.

    python scripts/kernels.py [--model resnet50] [--model FILE] [--batch 1] [--rounds 15]

`tfviz/network/replay/input_gradients.py` and `pool_gradients.py` choose by the shapes for which the ratio (median over
alternating rounds of the other's time / TensorFlow's own) is below 1; such rows are marked where the choice takes them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark import arguments
from benchmark.workers.networks import file_of, open_model

import tfviz
from tfviz.errors import TfvizError
from tfviz.quiet import start_tensorflow

HEAD = """\
| network | layer | images | kernel or window | stride | own | other | ratio | taken |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    given = read_arguments()
    try:
        start_tensorflow()
        print_rows(given)
    except TfvizError as error:
        raise SystemExit(f"kernels.py: {error}") from error


def print_rows(given: argparse.Namespace) -> None:
    """Print the table, row by row."""
    from benchmark.layers import rows  # imports TensorFlow, which is silent by now

    for number, name in enumerate(given.model or ["demo"]):
        network = tfviz.trace(file_of(name) or open_model(name))
        if not number:
            print(HEAD)
        for row in rows(network, given.batch, given.rounds):
            print(f"| {Path(name).stem} | {' | '.join(map(str, row))} |", flush=True)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = f"{arguments.EXPECTED}; several times (default demo)"
    parser.add_argument("--model", action="append", type=arguments.network, help=models)
    parser.add_argument("--batch", type=arguments.count, default=1, help="(default %(default)s)")
    parser.add_argument("--rounds", type=arguments.count, default=15, help="(default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
