"""The rules I1..I21, a module for each subject; `tests/simulation/checkers.py` says where each is judged."""
