"""Small sample data, made up on the spot and written in each task's real file format."""
