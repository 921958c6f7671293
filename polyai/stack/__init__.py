"""The local stack: every process that `make run` starts, and the supervisor that keeps them."""
