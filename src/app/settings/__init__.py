"""The configuration: one frozen object from a YAML file, `DOKA_*` variables and the command line.

Importing this costs pydantic (0.3 s of CPU), so commands import it inside their bodies.
"""

from doka.app.settings.load import load_settings, settings_from
from doka.app.settings.model import Settings
from doka.app.settings.problems import Problem, SettingsError

__all__ = ["Problem", "Settings", "SettingsError", "load_settings", "settings_from"]
