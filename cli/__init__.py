"""The command `faellesdata`: one module per group of commands. Libraries are imported by the command that needs them."""
