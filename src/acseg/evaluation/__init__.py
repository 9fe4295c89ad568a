"""How good a segmentation is: confusion matrix, matching, protocols, data sets, baselines."""
