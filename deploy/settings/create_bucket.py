"""Create the bucket of MLflow's artifacts, unless it exists.

The address and the keys come from the environment, as for MLflow itself.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import boto3


def main() -> None:
    """Create the bucket in `MLFLOW_ARTIFACTS_DESTINATION`."""
    bucket = urlsplit(os.environ["MLFLOW_ARTIFACTS_DESTINATION"]).netloc
    store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    known = {found["Name"] for found in store.list_buckets()["Buckets"]}
    if bucket not in known:
        store.create_bucket(Bucket=bucket)
    print(f"bucket {bucket}: {'exists' if bucket in known else 'created'}")


if __name__ == "__main__":
    main()
