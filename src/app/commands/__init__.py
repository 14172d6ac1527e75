"""What each command does; a module is imported only when its command runs, so that `doka --help` stays quick."""
