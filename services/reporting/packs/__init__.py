"""Evidence packs: what followed a sample of incidents, gaps first, in files that anybody can check without this system.

Everything here is pure but for reading its own policies: it gets what was read through the APIs and makes the files.
"""
