"""The taxonomy as training sees it: trees, what of a tree is shown, how it is drawn, and the sentences around it."""
