# mypy: ignore-errors
"""Job (a) in Spark: rules in its Python workers, which expressions take longer for, then one row a hash of the text.

A thread and a worker for each processor; for one machine, two partitions each instead of 200. It runs on the Java of
the machine.
"""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.functions import udf, xxhash64

from benchmarks.data.rule import gopher

corpus, out = sys.argv[1:]
threads = len(os.sched_getaffinity(0))
os.environ["PYSPARK_PYTHON"] = sys.executable
settings = {
    "spark.driver.memory": "2g",
    "spark.driver.host": "127.0.0.1",
    "spark.local.dir": f"{out}/spill",
    "spark.sql.shuffle.partitions": 2 * threads,
    "spark.ui.enabled": False,
}
spark = SparkSession.builder.master(f"local[{threads}]").config(map=settings).getOrCreate()
files = sorted(map(str, Path(corpus).glob("part-*.jsonl")))
documents = spark.read.schema("id string, text string, url string, date string").json(files)
kept = documents.where(udf(gopher, "boolean")("text"))
unique = kept.withColumn("digest", xxhash64("text")).dropDuplicates(["digest"]).drop("digest")
unique.write.parquet(f"{out}/kept.parquet")
spark.stop()
