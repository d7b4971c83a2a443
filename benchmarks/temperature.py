"""When temperature scaling helps: the log loss on other examples, as a dev set of some size chooses.

Scores are synthetic: calibrated, or all of them multiplied by a number. Printed is the mean change of the log
loss in nats over many dev sets, where the temperature is always scaled and where `temperature_gain` decides.

Usage: python benchmarks/temperature.py
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from elman.learning.calibration import best_temperature, temperature_gain

SETS = 100  # dev sets of each size
SIZES = 12, 50, 200
PROBLEMS = {2: 2.0, 6: 2.5, 10: 6.0}  # labels, and the deviation of their scores
MULTIPLES = 1.0, 2.0  # of calibrated scores


def draw(examples: int, labels: int, deviation: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return calibrated scores [B, K], and targets [B] drawn from their softmax."""
    scores = deviation * torch.randn(examples, labels, generator=generator, dtype=torch.float64)
    return scores, torch.multinomial(scores.softmax(1), 1, generator=generator).squeeze(1)


def main() -> None:
    """Print the table."""
    print("labels  accuracy  multiple  dev examples  always  if it gains  share scaled")
    generator = torch.Generator().manual_seed(0)
    for labels, deviation in PROBLEMS.items():
        other, right = draw(6000, labels, deviation, generator)
        accuracy = (other.argmax(1) == right).double().mean().item()
        for multiple in MULTIPLES:
            before = cross_entropy(multiple * other, right)
            for size in SIZES:
                changes, scaled = [], []
                for _ in range(SETS):
                    scores, targets = draw(size, labels, deviation, generator)
                    temperature = best_temperature(multiple * scores, targets)
                    changes.append(cross_entropy(multiple * other / temperature, right) - before)
                    gain, error = temperature_gain(multiple * scores, targets, torch.arange(size))
                    scaled.append(gain > error)
                change, used = torch.stack(changes), torch.tensor(scaled).double()
                print(
                    f"{labels:6}  {accuracy:8.2f}  {multiple:8.0f}  {size:12}  {change.mean():+.3f}  "
                    f"{(change * used).mean():+11.3f}  {used.mean():12.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
