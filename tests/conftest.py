"""What every test process shares."""

from __future__ import annotations

import gc
import signal

import botocore.session
import pytest
from botocore.loaders import Loader, create_loader

from tests.order import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]


def pytest_configure(config: pytest.Config) -> None:
    """Let no garbage be looked for until the tests are collected: what is loaded by then stays, and is a third of the time."""
    _let_ctrl_c_in()
    gc.disable()
    config.add_cleanup(gc.enable)


def pytest_collection_finish() -> None:
    """Look for garbage from here on, but not in what was loaded."""
    gc.freeze()
    gc.enable()


def _let_ctrl_c_in() -> None:
    """Take SIGINT where a shell started all this behind `&`, and had it ignored: the processes of tests inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _share_models_of_aws() -> None:
    """Let the sessions of botocore in this process share what it reads of its own files, which none of them changes.

    Each would read it anew, for 0.1 s of CPU, and most tests of AWS make several. Who sets AWS_DATA_PATH reads his own.
    """
    shared = create_loader()

    def loader(search_path_string: str | None = None) -> Loader:
        return shared if search_path_string is None else create_loader(search_path_string)

    botocore.session.create_loader = loader


_share_models_of_aws()
