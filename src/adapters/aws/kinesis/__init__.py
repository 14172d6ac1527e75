"""Amazon Kinesis Data Streams: puts by hand-built body and libcurl, everything else by botocore."""
