"""The command line: what can be typed (`words`), and what each command does, one file for each."""
