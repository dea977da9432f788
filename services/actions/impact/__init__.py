"""Whether it worked: the measure of a cycle, its checkpoints, the verdict that figures propose and a person decides."""
