"""What a model says that speaks symbol by symbol: the most probable, what is drawn, or what a beam finds.

The model is a function `step`: it takes the symbols that were said last, [B], and the state, and returns the
log-probabilities of what comes next, [B, K], and the state behind. The state that a beam searches gives that
of some of its rows as `state[rows]`.

Letters: B sequences, K symbols, W width of the beam, A sequences whose search goes on.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def draw(
    scores: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw a symbol for each row.

    Args:
        scores: [B, K], log-probabilities, or what differs from them by a constant a row.
        temperature: by which scores are divided; at 0 the most probable symbol is taken.
        top_k: draw from so many most probable symbols only.
        top_p: draw from the fewest symbols that have this probability together (Holtzman et al. 2020, "The
            curious case of neural text degeneration").
        generator: the source of randomness; torch's own where absent.

    Returns:
        [B] numbers of symbols.

    >>> draw(torch.tensor([[0.0, 2.0, 1.0]]), temperature=0)
    tensor([1])
    """
    if temperature == 0:
        return scores.argmax(1)
    scores = scores.double()
    probabilities = ((scores - scores.amax(1, keepdim=True)) / temperature).softmax(1)
    probabilities, symbols = probabilities.sort(dim=1, descending=True, stable=True)
    if top_k is not None:
        probabilities, symbols = probabilities[:, :top_k], symbols[:, :top_k]
    if top_p is not None:
        probabilities = probabilities / probabilities.sum(1, keepdim=True)
        before = probabilities.cumsum(1) - probabilities  # of all that are more probable
        probabilities = probabilities.masked_fill(before >= top_p, 0.0)
    chosen = torch.multinomial(probabilities, 1, generator=generator)
    return symbols.gather(1, chosen)[:, 0]


def speak(
    step: Step,
    symbols: Tensor,
    state: Any,
    end: int,
    longest: Sequence[int],
    choose: Callable[[Tensor], Tensor] = lambda scores: scores.argmax(1),
) -> list[list[int]]:
    """Say one symbol after another, each the most probable one.

    Args:
        step: the model.
        symbols: [B], said already.
        state: of the model.
        end: the symbol behind which a sequence has no more; it is not returned.
        longest: symbols after which to stop, of each sequence.
        choose: takes log-probabilities [B, K] and returns symbols [B], where others are to be said.

    Returns:
        The symbols of each sequence.
    """
    said: list[list[int]] = [[] for _ in longest]
    speaking = set(range(len(said)))
    while speaking:
        scores, state = step(symbols, state)
        symbols = choose(scores)
        for i, symbol in enumerate(symbols.tolist()):
            if i in speaking and symbol != end:
                said[i].append(symbol)
            if symbol == end or len(said[i]) >= longest[i]:
                speaking.discard(i)
    return said


def beam(
    step: Step,
    symbols: Tensor,
    state: Any,
    end: int,
    longest: Sequence[int],
    width: int,
    exponent: float = 1.0,
) -> list[list[int]]:
    """Search for the most probable sequences; each step goes on from the `width` best so far.

    A sequence that has ended scores its log-probability divided by its length, the end included, to the power
    of `exponent`, or short ones would win. The search for a sequence ends when `width` have ended.

    Args:
        step: the model.
        symbols: [B], said already.
        state: of the model; it gives that of some rows as `state[rows]`.
        end: the symbol behind which a sequence has no more; it is not returned.
        longest: symbols after which to stop, of each sequence.
        width: W; with 1 what is found is what `speak` says.
        exponent: 0 for the probability as it is, 1 for that of a symbol on average.

    Returns:
        The best of each sequence.
    """
    best: list[tuple[float, list[int]]] = [(-torch.inf, [])] * len(longest)
    ended_so_far = symbols.new_zeros(len(longest))
    limits = symbols.new_tensor(longest)
    searched = torch.arange(len(longest), device=symbols.device)  # [A], those whose search goes on
    totals = torch.zeros(len(longest), 1, device=symbols.device)  # [A, W], but W is 1 at first
    said = symbols.new_empty(len(longest), 1, 0)  # [A, W, length]
    for length in count(1):
        scores, state = step(symbols, state)  # [A*W, K]
        kinds = scores.shape[1]
        sums = (totals[:, :, None] + scores.view(*totals.shape, kinds)).flatten(1)  # [A, W*K]
        # Each of W may end once, so among 2 W at least W go on.
        sums, where = sums.topk(min(2 * width, sums.shape[1]), dim=1)  # [A, 2W]
        row, symbol = where // kinds, where % kinds
        ends = symbol == end
        for a, rank in (ends & sums.isfinite())[:, :width].nonzero().tolist():
            score = sums[a, rank].item() / length**exponent
            i = int(searched[a])
            ended_so_far[i] += 1
            if score > best[i][0]:
                best[i] = score, said[a, row[a, rank]].tolist()

        totals, kept = sums.masked_fill(ends, -torch.inf).topk(min(width, sums.shape[1]), dim=1)  # [A, W]
        row, symbol = row.gather(1, kept), symbol.gather(1, kept)
        said = torch.cat(
            (said.gather(1, row[:, :, None].expand(-1, -1, said.shape[2])), symbol[:, :, None]), 2
        )
        for a in (limits[searched] <= length).nonzero()[:, 0].tolist():
            if best[searched[a]][0] == -torch.inf:
                best[searched[a]] = 0.0, said[a, 0].tolist()
        go_on = ((ended_so_far[searched] < width) & (length < limits[searched])).nonzero()[:, 0]
        if not len(go_on):
            break
        state = state[(go_on[:, None] * (len(scores) // len(searched)) + row[go_on]).flatten()]
        searched, totals, said, symbols = searched[go_on], totals[go_on], said[go_on], symbol[go_on].flatten()
    return [sequence for _, sequence in best]
