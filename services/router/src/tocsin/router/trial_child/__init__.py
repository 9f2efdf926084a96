"""The child process in which what tenants write is tried: `python -m tocsin.router.trial_child.child`. It imports no more than it runs."""
