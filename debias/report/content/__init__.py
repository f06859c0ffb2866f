"""What a human reads about each value, in order and without a format."""
