//! What is: the pure nouns of a server and its parts.
