"""A simulated run as one page that needs nothing else: numbers and plots of a `History`, and of nothing but it."""

from doka.app.simulate.report.page import render

__all__ = ["render"]
