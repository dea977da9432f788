"""How a review is done: each method's stages and questions, and what people answered."""
