"""`doka simulate`: the production loop in virtual time, judged by the simulated world's own log."""
