"""From tallylight.yaml to one frozen `Configuration`."""
