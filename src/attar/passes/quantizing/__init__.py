"""What the quantize pass is made of: weights in a graph, activations, sensitivity."""
