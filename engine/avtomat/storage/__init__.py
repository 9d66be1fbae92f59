"""Where jobs are kept: one set of promises, several stores."""
