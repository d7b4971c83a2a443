"""Tagging: recurrent layers read the words of a sentence in both directions.

Each word is its embedding beside what a recurrent network reads from its characters (Lample et al. 2016, "Neural
architectures for named entity recognition").

Letters: N real steps (words) of a batch, M distinct words of it, K tags, I size of a step's input.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.vocabulary import PADDING, UNKNOWN
from elman.encoders.words import WordEncoder, WordInputs, normal
from elman.networks.layers import recurrent_layers
from elman.networks.pretrained import TokenEmbedder, start
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToMany

CHARACTER_SIZE = 32
SPELLING_SIZE = 64  # hidden size of the character network, in each direction


class WordTagger(nn.Module):
    """Scores of all tags at every word.

    Args:
        words: size of the vocabulary.
        sizes: of what reads the words; see `TokenEmbedder`.
        characters: size of the vocabulary of characters.
        tags: K.
        settings: of the task.
    """

    word_counts: Tensor  # in training: a rare word is more often read as the unknown, so that this is learned

    def __init__(
        self, words: int, sizes: Mapping[str, Any], characters: int, tags: int, settings: Any
    ) -> None:
        super().__init__()
        self.register_buffer("word_counts", torch.zeros(words))
        self.word = TokenEmbedder(words, sizes)
        self.character = nn.Embedding(characters, CHARACTER_SIZE, padding_idx=PADDING)
        self.character_rnn = LAYERS[settings.cell](CHARACTER_SIZE, SPELLING_SIZE, bidirectional=True)
        layers = recurrent_layers(settings, self.word.output_size + 2 * SPELLING_SIZE, bidirectional=True)
        self.tagger = ManyToMany(layers, tags, settings.dropout)

    def forward(self, inputs: WordInputs[PackedSequence], state: Any = None) -> tuple[Tensor, Any]:
        """Return the scores of the tags, [N, K], packed; no state."""
        numbers = inputs.words.data
        if self.training:
            count = self.word_counts[numbers]
            numbers = numbers.masked_fill(torch.rand_like(count) < 0.5 / (0.5 + count), UNKNOWN)
        characters = PackedSequence(self.character(inputs.characters.data), *inputs.characters[1:])
        _, final = self.character_rnn(characters)
        last = final[0] if isinstance(final, tuple) else final  # [2, M, SPELLING_SIZE]
        spelling = torch.cat((last[0], last[1]), 1)[inputs.spelling.data]
        embedded = torch.cat((self.word(numbers, inputs.words), spelling), 1)  # [N, I]
        return self.tagger(PackedSequence(embedded, *inputs.words[1:])), None

    def initialize(self, encoder: WordEncoder) -> None:
        """Set how often each word was seen, and its vector or what the language model has of it."""
        pretrained, vectors = encoder.pretrained, encoder.vectors
        # What a language model knows is not rare, however rarely the training file has it.
        known = {*map(normal, pretrained.units.symbols)} if pretrained else set()
        counts = [math.inf if w in known else float(encoder.word_counts[w]) for w in encoder.words.symbols]
        self.word_counts.copy_(torch.tensor(counts))
        if pretrained:
            start(self.word, pretrained, encoder.words.symbols, normal)
        if vectors is None:
            return
        # Of a word that is written in several ways, the first counts.
        rows = dict(zip(reversed([*map(normal, vectors.words)]), vectors.rows[::-1], strict=True))
        with torch.no_grad():
            for number, word in enumerate(encoder.words.symbols):
                if word in rows:
                    self.word.embedding.weight[number] = torch.from_numpy(rows[word].copy())
