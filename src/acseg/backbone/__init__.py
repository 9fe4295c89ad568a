"""A frozen self-supervised ViT: photographs -> pixels of the feature grid, and attention.

`load.load_backbone` opens one by name, `backbone.Backbone` runs it, `features.Features` is what it
gives, `families` is the table of what is known about each kind, `listing.backbones` names examples.
"""
