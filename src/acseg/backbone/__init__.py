"""A frozen self-supervised ViT: photographs -> patch tokens and attention.

`load.load_backbone` opens one by name, `backbone.Backbone` runs it, `features.Features` is what it
gives. `families` is the table of what is known about each kind, `listing.backbones` names examples.
`folders` finds a checkpoint by name, `fetch` and `convert` bring one onto this machine.
"""
