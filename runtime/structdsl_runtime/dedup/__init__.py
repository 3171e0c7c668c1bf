"""Documents that are alike: signatures, verified similarities, clusters, and lines that many share."""
