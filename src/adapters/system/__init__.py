"""The machine itself: clocks, signals, the inbox and the background threads."""
