"""Photographs: from folders, files, bytes and pictures of any size to images of one size.

Pillow decodes them (``pip install convnet-features[images]``); it is imported when it is used.
"""

from .folder import load_image_folder
from .lazy import LazyImages
from .loader import ImageLoader

__all__ = ["ImageLoader", "LazyImages", "load_image_folder"]
