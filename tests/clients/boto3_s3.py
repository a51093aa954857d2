"""S3 with boto3: put, get, ranges, presigned URLs of both signatures, 100 MB in parts, trailers, versions, ACLs, policies and the rest.
Argument: `path` for the AWS port, `root` for the port of its own, `host` for buckets in the host name."""
import hashlib
import io
import os
import sys
import json
import urllib.error
import urllib.request
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ready = json.load(open(os.environ["READY_JSON"]))
mode = sys.argv[1]
endpoint = {"path": ready["s3"], "root": ready["s3_root"], "host": "http://localhost:%d" % ready["ports"]["s3"]}[mode]
if mode == "host":
    # Names below localhost are this machine by RFC 6761; not every resolver knows.
    import socket
    known = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *a, **k: known("127.0.0.1" if str(host).endswith("localhost") else host, *a, **k)


def client(version="s3v4", key=None, secret=None, **more):
    style = "virtual" if mode == "host" else "path"
    return boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint,
                        aws_access_key_id=key or os.environ["AWS_ACCESS_KEY_ID"],
                        aws_secret_access_key=secret or os.environ["AWS_SECRET_ACCESS_KEY"],
                        config=Config(signature_version=version, retries={"total_max_attempts": 1}, s3={"addressing_style": style, **more}))


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        got = e.response["Error"]["Code"]
        assert got in (code, str(e.response["ResponseMetadata"]["HTTPStatusCode"])) and (got == code or got.isdigit()), (code, got, e)
        return e.response
    raise AssertionError("no error, want " + code)


def fetch(url, method="GET", data=None, headers={}):
    r = urllib.request.Request(url, method=method, data=data, headers=headers)
    try:
        with urllib.request.urlopen(r, timeout=20) as a:
            return a.status, a.read(), dict(a.headers)
    except urllib.error.HTTPError as e:
        return e.code, e.read(), dict(e.headers)


c = client()
B = "boto3-" + mode
c.create_bucket(Bucket=B)
c.create_bucket(Bucket=B)
assert c.head_bucket(Bucket=B)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
assert B in [b["Name"] for b in c.list_buckets()["Buckets"]]

# Objects, with what today's boto3 adds unasked.
body = os.urandom(300000)
put = c.put_object(Bucket=B, Key="a b/é+&=~.txt", Body=body, Metadata={"color": "blue"}, ContentType="text/x-a", CacheControl="no-cache",
                   Tagging="k=v&empty=")
assert put["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
assert put["ChecksumCRC32"]
got = c.get_object(Bucket=B, Key="a b/é+&=~.txt")
assert got["Body"].read() == body and got["Metadata"] == {"color": "blue"} and got["ContentType"] == "text/x-a"
assert got["CacheControl"] == "no-cache" and got["TagCount"] == 2
assert c.get_object(Bucket=B, Key="a b/é+&=~.txt", Range="bytes=-7")["Body"].read() == body[-7:]
part = c.get_object(Bucket=B, Key="a b/é+&=~.txt", Range="bytes=10-19", ResponseContentType="text/other")
assert part["Body"].read() == body[10:20] and part["ContentRange"] == "bytes 10-19/300000" and part["ContentType"] == "text/other"
refused("InvalidRange", c.get_object, Bucket=B, Key="a b/é+&=~.txt", Range="bytes=300000-")
refused("PreconditionFailed", c.get_object, Bucket=B, Key="a b/é+&=~.txt", IfMatch='"0"')
refused("304", c.get_object, Bucket=B, Key="a b/é+&=~.txt", IfNoneMatch=put["ETag"])
for key in ("../../../etc/passwd", "./x", "a//b", "/lead", "trail/", "x" * 1024, "new\nline", "日本語"):
    c.put_object(Bucket=B, Key=key, Body=key.encode())
    assert c.get_object(Bucket=B, Key=key)["Body"].read() == key.encode(), key
    assert key in [o["Key"] for o in c.list_objects_v2(Bucket=B, Prefix=key)["Contents"]], key
    c.delete_object(Bucket=B, Key=key)
refused("KeyTooLongError", c.put_object, Bucket=B, Key="x" * 1025, Body=b"")
refused("NoSuchKey", c.get_object, Bucket=B, Key="none")
refused("NoSuchBucket", c.list_objects_v2, Bucket="none-" + B)

# Checksums: all five, verified and given back; a wrong one stores nothing.
for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
    try:
        put = c.put_object(Bucket=B, Key="sum", Body=b"hello", ChecksumAlgorithm=name)
    except Exception as e:
        # CRC32C and CRC64NVME need a package of their own.
        assert "crt" in str(e).lower(), e
        continue
    head = c.head_object(Bucket=B, Key="sum", ChecksumMode="ENABLED")
    assert head["Checksum" + name] == put["Checksum" + name] and head["ChecksumType"] == "FULL_OBJECT"
refused("BadDigest", c.put_object, Bucket=B, Key="bad", Body=b"hello", ChecksumSHA256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
refused("BadDigest", c.put_object, Bucket=B, Key="bad", Body=b"hello", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
refused("InvalidDigest", c.put_object, Bucket=B, Key="bad", Body=b"hello", ContentMD5="no")
refused("NoSuchKey", c.get_object, Bucket=B, Key="bad")

# Conditional writes.
c.put_object(Bucket=B, Key="once", Body=b"1", IfNoneMatch="*")
refused("PreconditionFailed", c.put_object, Bucket=B, Key="once", Body=b"2", IfNoneMatch="*")
refused("PreconditionFailed", c.put_object, Bucket=B, Key="once", Body=b"2", IfMatch='"0"')
c.put_object(Bucket=B, Key="once", Body=b"3", IfMatch=c.head_object(Bucket=B, Key="once")["ETag"])
refused("NoSuchKey", c.put_object, Bucket=B, Key="never", Body=b"2", IfMatch='"0"')

# Copies, tags, attributes.
c.copy_object(Bucket=B, Key="copy", CopySource={"Bucket": B, "Key": "a b/é+&=~.txt"})
assert c.get_object(Bucket=B, Key="copy")["Metadata"] == {"color": "blue"}
c.copy_object(Bucket=B, Key="copy", CopySource={"Bucket": B, "Key": "copy"}, MetadataDirective="REPLACE", Metadata={"x": "y"})
assert c.get_object(Bucket=B, Key="copy")["Metadata"] == {"x": "y"} and c.get_object(Bucket=B, Key="copy")["Body"].read() == body
refused("InvalidRequest", c.copy_object, Bucket=B, Key="copy", CopySource={"Bucket": B, "Key": "copy"})
refused("PreconditionFailed", c.copy_object, Bucket=B, Key="copy2", CopySource={"Bucket": B, "Key": "copy"}, CopySourceIfMatch='"0"')
c.put_object_tagging(Bucket=B, Key="copy", Tagging={"TagSet": [{"Key": "a", "Value": "<&>"}]})
assert c.get_object_tagging(Bucket=B, Key="copy")["TagSet"] == [{"Key": "a", "Value": "<&>"}]
c.delete_object_tagging(Bucket=B, Key="copy")
assert c.get_object_tagging(Bucket=B, Key="copy")["TagSet"] == []
assert c.get_object_attributes(Bucket=B, Key="copy", ObjectAttributes=["ObjectSize", "ETag"])["ObjectSize"] == 300000

# Lists.
for i in range(25):
    c.put_object(Bucket=B, Key="l/%02d/%d" % (i // 5, i), Body=b"x")
pages = list(c.get_paginator("list_objects_v2").paginate(Bucket=B, Prefix="l/", PaginationConfig={"PageSize": 7}))
assert sum(len(p["Contents"]) for p in pages) == 25 and len(pages) == 4
pages = list(c.get_paginator("list_objects_v2").paginate(Bucket=B, Prefix="l/", Delimiter="/", PaginationConfig={"PageSize": 2}))
assert [x["Prefix"] for p in pages for x in p["CommonPrefixes"]] == ["l/%02d/" % i for i in range(5)]
pages = list(c.get_paginator("list_objects").paginate(Bucket=B, Prefix="l/", Delimiter="/", PaginationConfig={"PageSize": 2}))
assert [x["Prefix"] for p in pages for x in p["CommonPrefixes"]] == ["l/%02d/" % i for i in range(5)]
assert [o["Key"] for o in c.list_objects_v2(Bucket=B, StartAfter="l/04/22")["Contents"]] == ["l/04/23", "l/04/24", "once", "sum"]
done = c.delete_objects(Bucket=B, Delete={"Objects": [{"Key": "l/%02d/%d" % (i // 5, i)} for i in range(25)] + [{"Key": "ghost"}]})
assert len(done["Deleted"]) == 26 and "Errors" not in done

# Presigned: SigV4 and SigV2, GET and PUT, an altered one, an expired one.
for version in ("s3v4", "s3"):
    p = client(version)
    url = p.generate_presigned_url("get_object", Params={"Bucket": B, "Key": "once", "ResponseContentDisposition": "attachment"}, ExpiresIn=60)
    status, data, headers = fetch(url)
    assert status == 200 and data == b"3" and headers["content-disposition"] == "attachment", (status, data)
    assert fetch(url.replace("once", "sum"))[0] == 403
    assert fetch(url, "PUT", b"x")[0] == 403
    url = p.generate_presigned_url("put_object", Params={"Bucket": B, "Key": "up-" + version}, ExpiresIn=60)
    assert fetch(url, "PUT", b"sent", {"Content-Type": ""})[0] == 200, fetch(url, "PUT", b"sent", {"Content-Type": ""})
    assert c.get_object(Bucket=B, Key="up-" + version)["Body"].read() == b"sent"
    if version == "s3":
        url = p.generate_presigned_url("get_object", Params={"Bucket": B, "Key": "once"}, ExpiresIn=-5)
        assert fetch(url)[0] == 403
    if mode != "host":
        assert p.get_object(Bucket=B, Key="once")["Body"].read() == b"3"
        assert [o["Key"] for o in p.list_objects(Bucket=B, Prefix="once")["Contents"]] == ["once"]

# 100 MB in parts, four at a time; checksums as boto3 has them unasked; then parts copied, and one part read.
big = os.urandom(1 << 20) * 100
config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=16 << 20, max_concurrency=4)
c.upload_fileobj(io.BytesIO(big), B, "big", Config=config)
out = io.BytesIO()
c.download_fileobj(B, "big", out, Config=config)
assert hashlib.sha256(out.getvalue()).digest() == hashlib.sha256(big).digest()
head = c.head_object(Bucket=B, Key="big", PartNumber=2)
assert head["PartsCount"] == 7 and head["ContentLength"] == 16 << 20 and head["ETag"].endswith('-7"')
assert c.get_object(Bucket=B, Key="big", Range="bytes=16777210-16777225")["Body"].read() == big[16777210:16777226]
c.copy_object(Bucket=B, Key="big2", CopySource={"Bucket": B, "Key": "big"})
c.delete_object(Bucket=B, Key="big")
assert hashlib.sha256(c.get_object(Bucket=B, Key="big2")["Body"].read()).digest() == hashlib.sha256(big).digest()
up = c.create_multipart_upload(Bucket=B, Key="mp")["UploadId"]
assert up in [u["UploadId"] for u in c.list_multipart_uploads(Bucket=B)["Uploads"]]
one = c.upload_part_copy(Bucket=B, Key="mp", UploadId=up, PartNumber=1, CopySource={"Bucket": B, "Key": "big2"}, CopySourceRange="bytes=1-6000000")
two = c.upload_part(Bucket=B, Key="mp", UploadId=up, PartNumber=10000, Body=b"tail")
refused("InvalidArgument", c.upload_part, Bucket=B, Key="mp", UploadId=up, PartNumber=10001, Body=b"")
assert [p["PartNumber"] for p in c.list_parts(Bucket=B, Key="mp", UploadId=up)["Parts"]] == [1, 10000]
parts = [{"PartNumber": 1, "ETag": one["CopyPartResult"]["ETag"]}, {"PartNumber": 10000, "ETag": two["ETag"]}]
refused("InvalidPartOrder", c.complete_multipart_upload, Bucket=B, Key="mp", UploadId=up, MultipartUpload={"Parts": parts[::-1]})
refused("InvalidPart", c.complete_multipart_upload, Bucket=B, Key="mp", UploadId=up, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"0"'}]})
c.complete_multipart_upload(Bucket=B, Key="mp", UploadId=up, MultipartUpload={"Parts": parts})
assert c.get_object(Bucket=B, Key="mp")["Body"].read() == big[1:6000001] + b"tail"
refused("NoSuchUpload", c.abort_multipart_upload, Bucket=B, Key="mp", UploadId=up)
up = c.create_multipart_upload(Bucket=B, Key="small")["UploadId"]
tags = [c.upload_part(Bucket=B, Key="small", UploadId=up, PartNumber=i, Body=b"x")["ETag"] for i in (1, 2)]
refused("EntityTooSmall", c.complete_multipart_upload, Bucket=B, Key="small", UploadId=up,
        MultipartUpload={"Parts": [{"PartNumber": i + 1, "ETag": t} for i, t in enumerate(tags)]})
c.abort_multipart_upload(Bucket=B, Key="small", UploadId=up)
up = c.create_multipart_upload(Bucket=B, Key="full", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
pieces = [big[: 5 << 20], b"the end"]
tags = [c.upload_part(Bucket=B, Key="full", UploadId=up, PartNumber=i + 1, Body=x, ChecksumAlgorithm="CRC32") for i, x in enumerate(pieces)]
whole = c.complete_multipart_upload(Bucket=B, Key="full", UploadId=up, MultipartUpload={"Parts": [
    {"PartNumber": i + 1, "ETag": t["ETag"], "ChecksumCRC32": t["ChecksumCRC32"]} for i, t in enumerate(tags)]})
import base64
assert whole["ChecksumCRC32"] == base64.b64encode(zlib.crc32(b"".join(pieces)).to_bytes(4, "big")).decode()

# Versions.
V = B + "-v"
c.create_bucket(Bucket=V)
assert "Status" not in c.get_bucket_versioning(Bucket=V)
c.put_object(Bucket=V, Key="k", Body=b"zero")
c.put_bucket_versioning(Bucket=V, VersioningConfiguration={"Status": "Enabled"})
ids = [c.put_object(Bucket=V, Key="k", Body=x)["VersionId"] for x in (b"one", b"two")]
assert c.get_object(Bucket=V, Key="k")["Body"].read() == b"two"
assert c.get_object(Bucket=V, Key="k", VersionId=ids[0])["Body"].read() == b"one"
assert c.get_object(Bucket=V, Key="k", VersionId="null")["Body"].read() == b"zero"
gone = c.delete_object(Bucket=V, Key="k")
assert gone["DeleteMarker"] and refused("NoSuchKey", c.get_object, Bucket=V, Key="k")["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
listed = c.list_object_versions(Bucket=V)
assert [v["VersionId"] for v in listed["Versions"]] == [ids[1], ids[0], "null"] and listed["DeleteMarkers"][0]["IsLatest"]
pages = list(c.get_paginator("list_object_versions").paginate(Bucket=V, PaginationConfig={"PageSize": 1}))
assert len(pages) == 4, len(pages)
c.delete_object(Bucket=V, Key="k", VersionId=gone["VersionId"])
assert c.get_object(Bucket=V, Key="k")["Body"].read() == b"two"
c.put_bucket_versioning(Bucket=V, VersioningConfiguration={"Status": "Suspended"})
c.put_object(Bucket=V, Key="k", Body=b"new zero")
assert c.get_object(Bucket=V, Key="k", VersionId="null")["Body"].read() == b"new zero"
assert len(c.list_object_versions(Bucket=V)["Versions"]) == 3
refused("NoSuchVersion", c.get_object, Bucket=V, Key="k", VersionId="0" * 32)
refused("BucketNotEmpty", c.delete_bucket, Bucket=V)
for v in c.list_object_versions(Bucket=V)["Versions"]:
    c.delete_object(Bucket=V, Key="k", VersionId=v["VersionId"])
c.delete_bucket(Bucket=V)

# Who may: ACLs and policies for those who do not sign, and for another account.
base = (endpoint + "/" + B) if mode != "host" else "http://%s.localhost:%d" % (B, ready["ports"]["s3"])
assert fetch(base + "/once")[0] == 403 and fetch(base + "/none")[0] == 403 and fetch(base)[0] == 403
c.put_object_acl(Bucket=B, Key="once", ACL="public-read")
assert fetch(base + "/once")[:2] == (200, b"3") and fetch(base + "/once", "DELETE")[0] == 403
assert [g["Permission"] for g in c.get_object_acl(Bucket=B, Key="once")["Grants"]] == ["FULL_CONTROL", "READ"]
c.put_object_acl(Bucket=B, Key="once", ACL="private")
assert fetch(base + "/once")[0] == 403
policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/*" % B},
    {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/sum" % B}]}
c.put_bucket_policy(Bucket=B, Policy=json.dumps(policy))
assert fetch(base + "/once")[:2] == (200, b"3") and fetch(base + "/sum")[0] == 403 and fetch(base)[0] == 403
assert c.get_bucket_policy_status(Bucket=B)["PolicyStatus"]["IsPublic"]
refused("AccessDenied", c.get_object, Bucket=B, Key="sum")
refused("MalformedPolicy", c.put_bucket_policy, Bucket=B, Policy="{}")
c.delete_bucket_policy(Bucket=B)
refused("NoSuchBucketPolicy", c.get_bucket_policy, Bucket=B)
other = json.loads(sys.argv[2]) if len(sys.argv) > 2 else None
if other:
    o = client(key=other["apikey"], secret=other["secretkey"])
    for call, arguments in ((o.list_objects_v2, {}), (o.get_object, {"Key": "once"}), (o.put_object, {"Key": "x", "Body": b""}),
                            (o.delete_object, {"Key": "once"}), (o.get_bucket_acl, {}), (o.get_bucket_policy, {})):
        refused("AccessDenied", call, Bucket=B, **arguments)
    refused("BucketAlreadyExists", o.create_bucket, Bucket=B)
    assert o.list_buckets()["Buckets"] == []
    refused("AccessDenied", o.copy_object, Bucket=B, Key="x", CopySource={"Bucket": B, "Key": "once"})
    them = o.list_buckets()["Owner"]["ID"]
    c.put_object_acl(Bucket=B, Key="once", GrantRead='id="%s"' % them)
    assert o.get_object(Bucket=B, Key="once")["Body"].read() == b"3"
    c.put_bucket_acl(Bucket=B, ACL="public-read-write")
    o.put_object(Bucket=B, Key="theirs", Body=b"t")
    refused("AccessDenied", c.get_object, Bucket=B, Key="theirs")
    c.delete_object(Bucket=B, Key="theirs")
    c.put_bucket_acl(Bucket=B, ACL="private")

# CORS, tags, and what is not set.
refused("NoSuchCORSConfiguration", c.get_bucket_cors, Bucket=B)
c.put_bucket_cors(Bucket=B, CORSConfiguration={"CORSRules": [
    {"AllowedOrigins": ["http://*.example"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 5}]})
assert c.get_bucket_cors(Bucket=B)["CORSRules"][0]["MaxAgeSeconds"] == 5
asked = {"Origin": "http://a.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "X-Thing"}
status, _, headers = fetch(base + "/once", "OPTIONS", headers=asked)
assert status == 200 and headers["access-control-allow-origin"] == "http://a.example", (status, headers)
assert fetch(base + "/once", "OPTIONS", headers={**asked, "Origin": "http://evil.test"})[0] == 403
assert "access-control-allow-origin" in fetch(base + "/once", headers={"Origin": "http://a.example"})[2]
refused("NoSuchTagSet", c.get_bucket_tagging, Bucket=B)
c.put_bucket_tagging(Bucket=B, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
assert c.get_bucket_tagging(Bucket=B)["TagSet"] == [{"Key": "a", "Value": "b"}]
for call, code in ((c.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"), (c.get_bucket_website, "NoSuchWebsiteConfiguration"),
                   (c.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError"), (c.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
                   (c.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"), (c.get_public_access_block, "NoSuchPublicAccessBlockConfiguration"),
                   (c.get_bucket_ownership_controls, "OwnershipControlsNotFoundError")):
    refused(code, call, Bucket=B)
for call in (c.get_bucket_logging, c.get_bucket_accelerate_configuration, c.get_bucket_notification_configuration, c.get_bucket_request_payment, c.get_bucket_location):
    call(Bucket=B)
refused("NotImplemented", c.put_public_access_block, Bucket=B, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
refused("NotImplemented", c.put_object, Bucket=B, Key="enc", Body=b"", ServerSideEncryption="AES256")

# Forms, of both signatures.
def post(form, data, name="f.txt"):
    edge = "XYZ"
    out = b"".join(b"--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n" % (edge.encode(), k.encode(), v.encode()) for k, v in form["fields"].items())
    out += b"--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\n\r\n%s\r\n--%s--\r\n" % (edge.encode(), name.encode(), data, edge.encode())
    return fetch(form["url"], "POST", out, {"Content-Type": "multipart/form-data; boundary=" + edge})


for version in ("s3v4", "s3"):
    form = client(version).generate_presigned_post(B, "form/${filename}", Fields={"acl": "public-read", "success_action_status": "201"},
                                                   Conditions=[{"acl": "public-read"}, {"success_action_status": "201"}, ["content-length-range", 1, 100000]])
    status, answer, _ = post(form, b"\r\n--XY\r\nbody" * 5000)
    assert status == 201 and b"<Key>form/f.txt</Key>" in answer, (status, answer)
    assert fetch(base + "/form/f.txt")[1] == b"\r\n--XY\r\nbody" * 5000
    assert b"EntityTooLarge" in post(form, b"x" * 100001)[1] and b"EntityTooSmall" in post(form, b"")[1]
    form["fields"]["acl"] = "private"
    assert post(form, b"x")[0] == 403
    c.delete_object(Bucket=B, Key="form/f.txt")

# Keys that are wrong.
refused("InvalidAccessKeyId", client(key="nobody").list_buckets)
refused("SignatureDoesNotMatch", client(secret="wrong").list_buckets)

for o in c.list_objects_v2(Bucket=B)["Contents"]:
    c.delete_object(Bucket=B, Key=o["Key"])
c.delete_bucket(Bucket=B)
print("ok")
