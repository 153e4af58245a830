"""Where stereo frames come from: one module per kind of recording, and live cameras.

    files ─► PairReader (raw pairs) ─► Recording (window, checks, rectification) ─► FrameSource
    flight log ─► LogSource ─► FrameSource
    device or command ─► Capture ─► LiveCamera ─► the newest sample, health events ─► LiveSource

`opening.open_source` picks the reader, `liveopening.open_live` the camera. A data set's world and
body frames are turned into ours (NED, FRD) at its reader; nothing beyond it knows of another
convention.
"""
