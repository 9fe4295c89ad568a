"""The paper itself: pixels to concepts, the loss that trains it, concepts to an assignment.

Tensors only. Nothing here reads files or imports another part of acseg.
"""
