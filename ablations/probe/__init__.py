"""Parts of the design `probe`: the tables made from embeddings, and what they say."""
