"""The live page: what the drone sees and why it decides, in a browser, while it flies."""
