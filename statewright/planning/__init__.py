"""What a plan is decided from: the inputs that a stage will find, and the reasons to run it."""
