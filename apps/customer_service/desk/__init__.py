"""A shop's support desk: understands messages, acts on the shop's database, answers from its help
pages, and hands over what it cannot do. Built from public names of attar alone."""
