"""A model whose logits are a hash of all that comes before: exact, cheap, and sensitive to any wrong id."""


class FakeModel:
    """Takes each character for a token, so that ways of going on often share their first ids.

    `open_bonus` and `close_bonus` shift the logits of brackets and bars, to have some mentions and not only mentions.
    """

    def __init__(self, seed=0, open_bonus=0.0, close_bonus=0.0, spread=8.0):
        self.seed = seed
        self.bonus = {ord("["): open_bonus, ord("|"): close_bonus}
        self.spread = spread
        self.read = []

    def tokenize(self, piece):
        return tuple(map(ord, piece))

    def logit(self, prefix, token):
        return (hash((*prefix, token, self.seed)) % 9973 / 9973 - 0.5) * self.spread + self.bonus.get(token, 0.0)

    def evaluate(self, tokens, asks):
        assert tokens
        assert all(0 <= a.after < len(tokens) for a in asks)
        assert [a.after for a in asks] == sorted(a.after for a in asks)
        self.read.append(tuple(tokens))
        return tuple(tuple(self.logit(tokens[: ask.after + 1], token) for token in ask.tokens) for ask in asks)
