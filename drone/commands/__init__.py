"""One module per `drone` command: thin shells around the parts."""
