"""The rules I1..I20, a module for each subject; `tests/simulation/checkers.py` says where each is judged."""
