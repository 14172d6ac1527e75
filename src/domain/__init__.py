"""Pure decisions: events in, commands out, `now` is an argument."""
