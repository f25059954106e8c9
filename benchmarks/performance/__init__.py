"""Speed and accuracy of xaisvc beside other explainers; README.md says how to run it and how to read it."""
