"""Translation: a decoder that generates a sentence about another.

Letters: N real steps (subwords) of a batch of sources, M of their targets, B sentences.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from elman.answers import Translated
from elman.data.extras import need
from elman.data.parallel import Pair
from elman.data.units import BEGIN, END
from elman.encoders.parallel import PairInputs, ParallelEncoder
from elman.heads.head import Head, Heatmap
from elman.learning.metrics import translation_scores
from elman.networks.pretrained import layer_depths
from elman.nn.packing import to_tensors
from elman.nn.search import beam, speak

SMOOTHING = 0.1  # share of a target that goes to all symbols alike


class TranslationHead(Head):
    """Cross-entropy of the next subword in training; a beam search for the answer.

    Args:
        encoder: which has the vocabulary.
    """

    metric = "bleu"

    def __init__(self, encoder: ParallelEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def targets(self, examples: Sequence[Pair]) -> None:
        """Return None: the inputs have them."""

    def loss(self, network: Any, inputs: PairInputs[Any], targets: None, state: Any = None) -> tuple[Tensor, Any]:
        """Return the mean cross-entropy of a subword of the targets, in nats; smoothed in training."""
        assert inputs.targets is not None
        smoothing = SMOOTHING if network.training else 0.0
        return network.loss(inputs.source, inputs.target, inputs.targets.data, smoothing), None

    def answer(self, network: Any, inputs: PairInputs[Any], examples: Sequence[Pair]) -> list[Translated]:
        """Return the best translation of each sentence that the beam finds."""
        return self._translate(network, inputs, examples, self.encoder.settings.beam)

    def _translate(
        self, network: Any, inputs: PairInputs[Any], examples: Sequence[Pair], width: int
    ) -> list[Translated]:
        longest = [3 * self.encoder.length(example) + 10 for example in examples]
        begin = torch.full((len(examples),), BEGIN, device=inputs.source.data.device)
        search = speak if width == 1 else partial(beam, width=width)
        found = search(network.step, begin, network.encode(inputs.source), END, longest)
        return [
            Translated(self.encoder.units.text(numbers), example.asked)
            for numbers, example in zip(found, examples, strict=True)
        ]

    def score(self, network: Any, encoder: Any, examples: Sequence[Pair]) -> float:
        """Return the BLEU of greedy translations."""
        greedy = partial(self._translate, width=1)
        return self.metrics(examples, self.answers(network, encoder, examples, greedy))["value"]

    def metrics(self, examples: Sequence[Pair], answers: Sequence[Translated]) -> dict[str, Any]:
        """Score translations as sacrebleu does. Raises MissingError where it is not installed."""
        gold = [example.target or "" for example in examples]
        given = [answer.translation for answer in answers]
        return translation_scores(gold, given, need("sacrebleu.metrics", "translation"))

    def layer_depths(self, network: Any) -> dict[str, int]:
        """Return those of the decoder where it starts from a language model."""
        pretrained = self.encoder.settings.init
        return layer_depths("embedding", "decoder", network.decoder) if pretrained else {}

    def plot(self, network: Any, example: Pair) -> Heatmap:
        """Return the attention to the source as each subword of its translation, or of one given, is generated."""
        with torch.no_grad():
            target = example.target
            if not target:
                (answer,) = self.answers(network, self.encoder, [example])
                target = answer.translation
            inputs = to_tensors(self.encoder.with_targets([Pair(example.source, target, example.place)]))
            _, weights = network(inputs.source, inputs.target)
        rows, columns = ([*self.encoder.units.split(text), "(end)"] for text in (target, example.source))
        return Heatmap(weights[0].numpy(), rows, columns, "Attention of each subword of the translation")
