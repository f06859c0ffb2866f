"""What a verdict is made of, piece by piece, and what was accepted of it beforehand."""
