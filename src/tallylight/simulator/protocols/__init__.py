"""One reading of each protocol, made from its public descriptions and sharing no code with ours."""
