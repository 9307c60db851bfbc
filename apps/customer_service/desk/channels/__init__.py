"""Where customers write to the desk: each channel turns what comes in into a `Message`, and what
the desk says into what the channel's clients read. Channels decide nothing that the desk says.
"""
