"SAG-GAN: put a tumour into a normal MRI slice, take one out, and measure whether it helps a classifier."
__version__ = "0.1.0"
