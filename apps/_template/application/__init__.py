"""The smallest whole application on attar: a town library's inquiries."""
