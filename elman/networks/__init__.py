"""The networks of the tasks: all that a device or an export sees."""
