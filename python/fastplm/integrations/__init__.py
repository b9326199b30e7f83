"""Models of other libraries, made to run on the engine where they are."""
