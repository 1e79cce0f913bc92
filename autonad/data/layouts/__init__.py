"""Readers of layouts: published sets, and folders of images and masks."""
