"""The kinds of state as authors write them: one module each, with the keys' formulas and the form in a Program."""
