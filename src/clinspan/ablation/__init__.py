"""What prompt, examples and knowledge bring: a grid of settings over gold documents, measured and reported."""
