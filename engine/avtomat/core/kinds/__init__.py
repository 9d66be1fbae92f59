"""The kinds of state: one module each, with the state's class and all that is particular to it."""
