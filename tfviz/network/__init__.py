"""Any model becomes a `TracedNetwork`: sources, replay, rules, layers, scores."""
