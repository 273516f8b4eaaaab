"""Is this sequence of NAND flash commands legal, and if not, where does it break which rule?

A block is erased, then its pages are programmed in order, then read back near the write frontier. With E "erased"
and w "pages written so far", for a block:

    erase             always legal;              E <- 1, w <- 0
    program page p    E and p == w;              w <- w + 1
    read page p       E and p < w and w-1-p < L  (L: the test plan's read_offset_limit)

The classifier is a (bidirectional) GRU with attention pooling for the verdict and a head on every operation for the
first violation and its rule. Cho et al. 2014, arXiv:1406.1078 (GRU); Lin et al. 2017, arXiv:1708.02002 (focal loss);
the order of programming within a block: data sheets differ on it, hence `program_order`.
"""
