"""What every store promises: operations, answers, write-sets, and how they are encoded."""
