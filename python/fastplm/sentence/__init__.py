"""What SentenceEncoder is made of: the files it reads, its modules, its inputs, its processes."""
