"""The deep core: net, blocks, devices, state. Nothing here is imported before it is needed."""
