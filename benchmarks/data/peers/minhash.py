# mypy: ignore-errors
"""datatrove's near-duplicates up to the filter that leaves them out."""

from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
from datatrove.utils.hashing import HashConfig

from benchmarks.data.peers.trove import WhiteSpace, files, reader, run


def remove(corpus: str, out: str) -> MinhashDedupFilter:
    config = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)
    run([reader(corpus), MinhashDedupSignature(f"{out}/signatures", config, language=WhiteSpace())], files(corpus))
    run([MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)], config.num_buckets)
    run([MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config)], 1)
    return MinhashDedupFilter(f"{out}/remove")
