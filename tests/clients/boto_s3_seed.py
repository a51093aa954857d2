"""The S3 example of the AWS chapter with boto 2.49, as printed but for the keys, the port and the file that it uploads."""
import json
import os
import tempfile

os.chdir(tempfile.mkdtemp())
apikey = os.environ["AWS_ACCESS_KEY_ID"]
secretkey = os.environ["AWS_SECRET_ACCESS_KEY"]
aws_port = json.load(open(os.environ["READY_JSON"]))["ports"]["aws"]
open("a", "wb").write(os.urandom(100000))

from boto.s3.key import Key
from boto.s3.connection import S3Connection
from boto.s3.connection import OrdinaryCallingFormat

for _ in range(2):
    # The example expects an error for the bucket of a first run, or finds it made again; so it runs twice.
    cf = OrdinaryCallingFormat()
    conn = S3Connection(aws_access_key_id=apikey, aws_secret_access_key=secretkey, is_secure=False, host="localhost",
                        port=aws_port, calling_format=cf, path="/awsapi/rest/AmazonS3")
    bucket = conn.create_bucket("cloudstack")
    k = Key(bucket)
    k.key = "test"
    k.set_contents_from_filename("a")
    k = Key(bucket)
    k.key = "test"
    k.get_contents_to_filename("b")
    assert open("a", "rb").read() == open("b", "rb").read()
print("ok")
