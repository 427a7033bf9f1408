"""Words of the field that a reader may not know, and what they mean: defined once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word: the name of its entry, what it is called, the forms in which it is met, its meaning.

    One without forms is in the list alone: in the text its word means other things as well.
    """

    name: str
    title: str
    forms: str  # a regular expression
    told: str


# In the order of the list at the end of the page: by title.
TERMS = (
    Term(
        "interval",
        "95 % interval",
        r"95 % intervals?",
        "Where the true value would lie in nineteen of twenty repetitions with other samples.",
    ),
    Term(
        "attention",
        "attention weight",
        r"attention weights?|attention scores?",
        "The share of a position's look that one earlier position gets. The weights of a row, "
        "which is one position looking, sum to 1. A head looks with weights of its own.",
    ),
    Term(
        "bits-per-byte",
        "bits per byte",
        r"bits per byte",
        "The loss per byte of text instead of per token, in bits: models that cut a text into "
        "other tokens can be compared by it. A nat is 1 / ln 2 bits.",
    ),
    Term(
        "block",
        "block",
        "",
        "A layer of the model: attention, then an MLP, each added to the stream.",
    ),
    Term(
        "calibration",
        "calibration",
        r"calibration",
        "Whether what is given a probability of 30% comes true in 30% of the cases.",
    ),
    Term(
        "cross-entropy",
        "cross-entropy",
        r"cross-entropy",
        "The mean surprisal of the tokens that did come: the loss that training lowers.",
    ),
    Term(
        "embedding",
        "embedding",
        r"embeddings?",
        "The vector that stands for a token, or for a position, where the computation begins.",
    ),
    Term(
        "entropy",
        "entropy",
        r"entropy",
        "How spread out a distribution is, in nats: 0 where one thing has all, ln n where n "
        "things have the same.",
    ),
    Term("head", "head", "", "One of several patterns of attention in a block, side by side."),
    Term(
        "held-out",
        "held-out text",
        r"held[- ]out",
        "The part of the book that the model never learned from, kept to measure it on.",
    ),
    Term(
        "layernorm",
        "LayerNorm",
        r"LayerNorm",
        "A step that brings a vector to mean 0 and a fixed length before it is used.",
    ),
    Term(
        "log-probability",
        "log-probability",
        r"log-probabilit(?:y|ies)",
        "The natural logarithm of a probability: 0 is certain, below 0 anything else. That of a "
        "text is the sum of its tokens'.",
    ),
    Term(
        "logit",
        "logit",
        r"logits?",
        "The score that the model gives a token before the softmax makes probabilities of all "
        "scores. A lead of 1 makes a token e = 2.7 times as probable as its rival.",
    ),
    Term(
        "mlp",
        "MLP",
        r"MLPs?",
        "The part of a block that computes on each position alone, after attention has gathered.",
    ),
    Term(
        "n-gram",
        "n-gram",
        r"n-grams?|unigram|bigram|trigram",
        "A model that counts: how often each token followed the last n - 1 (unigram 0, bigram 1, "
        "trigram 2).",
    ),
    Term(
        "nats",
        "nats",
        r"nats?",
        "The unit of log-probabilities with the natural logarithm. 1 nat less is e = 2.7 times "
        "less probable, 2.3 nats ten times.",
    ),
    Term(
        "perplexity",
        "perplexity",
        r"perplexity",
        "The loss per token as a number of choices: among so many equally probable tokens one "
        "would be as unsure. e to the power of the loss.",
    ),
    Term(
        "prefix",
        "prefix",
        r"prefix(?:es)?",
        "Learned vectors that come before the sentence. After them the model writes it by itself.",
    ),
    Term(
        "rank-correlation",
        "rank correlation",
        r"rank correlations?",
        "How alike two orders of the same things are: 1 the same, 0 unrelated, -1 reversed.",
    ),
    Term(
        "knock-out",
        "removing a word",
        r"remov(?:ing|ed|al)",
        "No later position may attend to it any more, in the rows and blocks that are named; what "
        "the choice loses by that is the effect of the word.",
    ),
    Term(
        "residual-stream",
        "residual stream",
        r"residual stream",
        "The vector that each position carries through the model, and that each block adds to.",
    ),
    Term(
        "restart",
        "restart",
        r"restarts?",
        "The same optimisation from other random vectors: one that fails may have had bad luck.",
    ),
    Term(
        "shapley",
        "Shapley value, exact worth",
        r"Shapley values?|exact worth",
        "What a word adds to the log-probability of the choice on average, over all orders in "
        "which the words may come. The values of all words sum to what they do together.",
    ),
    Term(
        "sink",
        "sink",
        r"sink",
        "A position that heads attend to when they look for nothing: a row must sum to 1 all the "
        "same.",
    ),
    Term(
        "softmax",
        "softmax",
        r"softmax",
        "Makes shares of scores: e to the power of each, over the sum of all.",
    ),
    Term(
        "standard-error",
        "standard error",
        r"standard errors?",
        "How far a mean would vary by chance; 1.96 of them to either side make a 95 % interval.",
    ),
    Term(
        "surprisal",
        "surprisal",
        r"surprisal",
        "Minus the log-probability of what came: 0 was certain, each 2.3 nats more ten times less "
        "probable.",
    ),
    Term(
        "token",
        "token",
        "",
        "A piece of text that the model reads and writes at once: a word, or part of a rarer one.",
    ),
)
