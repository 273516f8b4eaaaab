"""echo: what does a room look like to somebody who claps and listens?

    depth = clip(base + residual, 0, max_depth)

A robot chirps and hears the room with two ears; the magnitude spectrograms of both go in, the depth image in front of
it comes out. The base is the coarse room, the residual what is special about this one.

Christensen, Hornauer and Yu (2020), BatVision: Learning to see 3D spatial layout with two ears.
Brunetto, Hornauer, Yu and Moutarde (2023), The audio-visual BatVision dataset.
"""
