"""One module per system of the practice municipality.

Each has `build(municipality, folder, truth)`: it writes to `folder` what the system holds or serves, spoilt the way such systems
spoil it, and tells `truth` how much that is and which defects it planted. Serving needs nothing but the folder.
"""
