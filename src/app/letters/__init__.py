"""Dead letters: found and shown, and brought back."""
