"""`doka run --workers N`: several group members as processes under one supervisor that forwards nothing itself."""
