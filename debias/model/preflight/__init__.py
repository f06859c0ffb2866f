"""The pre-flight: a model file is looked at as a zip, and nothing of it is executed.

`entries` reads the zip, `check` decides, `torchscript` (with `programtext` and `functionbody`) and `export` (with
`expressions`) know the two formats, `pickles` and `allowlist` what may stand in them.
"""
