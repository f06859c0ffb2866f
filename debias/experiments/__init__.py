"""Many runs at once, through `debias.jobs`."""
