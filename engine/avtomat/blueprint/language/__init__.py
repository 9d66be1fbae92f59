"""The language of conditions and texts: one lexer, parser and evaluator."""
