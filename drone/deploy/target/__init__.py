"""What runs on the companion computer itself: installs bundles, rolls back, sends runs home.

These modules travel alone, over ssh and in each bundle (`install.pyz`): the standard library and
each other are all that they import, and Python 3.8 is all that they need.
"""
