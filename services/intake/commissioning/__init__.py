"""What commissioners' contracts ask to be told of, as directory keeps them."""
