"""How a model that generates is sampled."""

from dataclasses import dataclass

from elman.tasks.settings import option


@dataclass(frozen=True)
class Sampling:
    """How to draw what a model speaks; raises ValueError for a value out of its range."""

    temperature: float = option(1.0, "above 1 bolder, below 1 safer, 0 always the most probable")
    top_k: int | None = option(None, "draw from the K most probable only", kind=int)
    top_p: float | None = option(None, "draw from the fewest that have probability P together", kind=float)
    longest: int | None = option(None, "units after which to stop; of music, quarter notes", kind=int)
    seed: int = option(0, "seed of what is drawn")

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be greater than 0 and at most 1, got {self.top_p}")
        if self.longest is not None and self.longest < 1:
            raise ValueError(f"longest must be at least 1, got {self.longest}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2^63 - 1, got {self.seed}")
