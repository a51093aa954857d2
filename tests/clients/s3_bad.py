"""Broken requests at the S3 door, signed right all the same: each gets the error document with the code that AWS gives, and stores nothing."""
import hashlib
import http.client
import json
import os
import socket
import time
import urllib.parse
from datetime import datetime, timezone
import hmac

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ready = json.load(open(os.environ["READY_JSON"]))
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
ROOT = ready["s3_root"]
HOST = urllib.parse.urlsplit(ROOT).netloc
c = boto3.client("s3", region_name="us-east-1", endpoint_url=ROOT, config=Config(s3={"addressing_style": "path"}))
B = "broken"
c.create_bucket(Bucket=B)


def signed(method, path, headers, digest):
    """The headers of a request with this body hash, signed."""
    r = AWSRequest(method=method, url=ROOT + path, headers={"X-Amz-Content-SHA256": digest, **headers})
    auth = S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1")
    r.context["payload_signing_enabled"] = True
    auth.payload = lambda request: digest
    auth.add_auth(r)
    return dict(r.headers.items())


def send(method, path, headers, body, cut=False):
    """Sends bytes as they are; with `cut`, hangs up behind them."""
    s = socket.create_connection(tuple([HOST.split(":")[0], int(HOST.split(":")[1])]), timeout=30)
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + HOST] + ["%s: %s" % x for x in headers.items() if x[0].lower() != "host"] + ["Connection: close", "", ""]
    s.sendall("\r\n".join(lines).encode() + body)
    if cut:
        s.shutdown(socket.SHUT_WR)
    answer = http.client.HTTPResponse(s, method=method)
    try:
        answer.begin()
        return answer.status, answer.read()
    except (http.client.HTTPException, ConnectionError):
        return 0, b""
    finally:
        s.close()


def expect(code, status, got):
    assert got[0] == status and b"<Code>%s</Code>" % code.encode() in got[1], (code, status, got)


def plain(path, body, method="PUT", digest=None, length=None, cut=False, **headers):
    digest = digest or hashlib.sha256(body).hexdigest()
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    all_headers = signed(method, path, headers, digest)
    if length is not False:
        all_headers["Content-Length"] = str(len(body) if length is None else length)
    return send(method, path, all_headers, body, cut)


# Wrong length, hash, MD5.
expect("XAmzContentSHA256Mismatch", 400, plain("/broken/k", b"other", digest=hashlib.sha256(b"wanted").hexdigest()))
expect("BadDigest", 400, plain("/broken/k", b"x", Content_MD5="1B2M2Y8AsgTpgAmY7PhCfg=="))
expect("MissingContentLength", 411, plain("/broken/k", b"0\r\n\r\n", length=False, digest="UNSIGNED-PAYLOAD", Transfer_Encoding="chunked"))
assert plain("/broken/k", b"short", length=50, digest="UNSIGNED-PAYLOAD", cut=True)[0] in (0, 400)
expect("EntityTooLarge", 400, plain("/broken/k", b"", length=(5 << 30) + 1, digest="UNSIGNED-PAYLOAD"))
expect("InvalidArgument", 400, plain("/broken/k", b"", x_amz_acl="everything"))
expect("NotImplemented", 501, plain("/broken?lifecycle", b"<x/>"))
expect("NotImplemented", 501, plain("/broken?unheard", b""))
expect("MethodNotAllowed", 405, plain("/broken/k", b"", method="PATCH"))

# Keys.
expect("KeyTooLongError", 400, plain("/broken/" + "k" * 1025, b""))
expect("InvalidURI", 400, plain("/broken/%ff%fe", b""))
expect("InvalidArgument", 400, plain("/broken/a%00b", b""))
assert plain("/broken/..%2F..%2Fetc", b"dots")[0] == 200
assert c.get_object(Bucket=B, Key="../../etc")["Body"].read() == b"dots"
c.delete_object(Bucket=B, Key="../../etc")

# Documents.
bomb = b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]><Delete><Object><Key>&d;</Key></Object></Delete>'
expect("MalformedXML", 400, plain("/broken?delete", bomb, method="POST"))
expect("MalformedXML", 400, plain("/broken?delete", b"<a>" * 100000, method="POST"))
expect("MalformedXML", 400, plain("/broken?delete", b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>", method="POST"))
expect("MalformedXML", 400, plain("/broken?versioning", b"not xml"))
expect("IllegalVersioningConfigurationException", 400, plain("/broken?versioning", b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>"))
expect("MalformedPolicy", 400, plain("/broken?policy", b'{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::other"}]}'))
expect("MalformedXML", 400, plain("/broken?acl", b"<AccessControlPolicy/>"))
expect("MaxMessageLengthExceeded", 400, plain("/broken?acl", b"x" * 70000))
up = c.create_multipart_upload(Bucket=B, Key="mp")["UploadId"]
parts = b"".join(b"<Part><PartNumber>%d</PartNumber><ETag>x</ETag></Part>" % (i + 1) for i in range(10001))
expect("InvalidPart", 400, plain("/broken/mp?uploadId=" + up, b"<CompleteMultipartUpload>" + parts + b"</CompleteMultipartUpload>", method="POST"))
expect("InvalidArgument", 400, plain("/broken/mp?partNumber=0&uploadId=" + up, b""))
expect("InvalidArgument", 400, plain("/broken/mp?partNumber=10001&uploadId=" + up, b""))
expect("NoSuchUpload", 404, plain("/broken/mp?partNumber=1&uploadId=none", b""))
c.abort_multipart_upload(Bucket=B, Key="mp", UploadId=up)


# Chunked bodies, signed chunk by chunk.
def chunks(pieces, trailer=None, spoil=None, cut=0, length=None, path="/broken/chunked"):
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    size = str(sum(map(len, pieces)) if length is None else length)
    more = {"x-amz-decoded-content-length": size, "Content-Encoding": "aws-chunked"}
    if trailer:
        more["x-amz-trailer"] = trailer[0]
    headers = signed("PUT", path, more, kind)
    date = headers["X-Amz-Date"]
    scope = date[:8] + "/us-east-1/s3/aws4_request"
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    before = headers["Authorization"].rsplit("=", 1)[1]
    body = b""
    for i, piece in enumerate(pieces + [b""]):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, before, hashlib.sha256(b"").hexdigest(), hashlib.sha256(piece).hexdigest()])
        before = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        sent = before if i != spoil else before[:-1] + ("0" if before[-1] != "0" else "1")
        body += b"%x;chunk-signature=%s\r\n" % (len(piece), sent.encode()) + piece + (b"\r\n" if piece else b"")
    if trailer:
        line = "%s:%s\n" % trailer
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", date, scope, before, hashlib.sha256(line.encode()).hexdigest()])
        body += ("%s:%s\r\nx-amz-trailer-signature:%s\r\n" % (trailer + (hmac.new(key, text.encode(), hashlib.sha256).hexdigest(),))).encode()
    body += b"\r\n"
    body = body[:len(body) - cut]
    headers["Content-Length"] = str(len(body))
    return send("PUT", path, headers, body)


def stored():
    return [o["Key"] for o in c.list_objects_v2(Bucket=B).get("Contents", [])]


pieces = [b"a" * 65536, b"b" * 1000]
for i in range(3):
    expect("SignatureDoesNotMatch", 403, chunks(pieces, spoil=i))
expect("IncompleteBody", 400, chunks(pieces, cut=20))
expect("IncompleteBody", 400, chunks(pieces, length=66535))
expect("IncompleteBody", 400, chunks(pieces, length=66537))
expect("BadDigest", 400, chunks(pieces, trailer=("x-amz-checksum-crc32", "AAAAAA==")))
expect("InvalidRequest", 400, chunks(pieces, trailer=("x-amz-checksum-crc32", "short")))
expect("InvalidRequest", 400, chunks(pieces, trailer=("x-amz-checksum-other", "AAAAAA==")))
assert stored() == [], stored()
assert chunks(pieces)[0] == 200
import base64, zlib
assert chunks(pieces, trailer=("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(b"".join(pieces)).to_bytes(4, "big")).decode()), path="/broken/trailed")[0] == 200
for key in ("chunked", "trailed"):
    got = c.get_object(Bucket=B, Key=key)
    assert got["Body"].read() == b"".join(pieces) and "ContentEncoding" not in got
    c.delete_object(Bucket=B, Key=key)

# Nothing that fails leaves a file behind.
def files():
    return [f for _, _, names in os.walk(os.path.join(ready["data_dir"], "objects")) for f in names]


end = time.time() + 20
while files() and time.time() < end:
    # A file goes a moment after the answer.
    time.sleep(0.05)
assert files() == [], files()
c.delete_bucket(Bucket=B)
print("ok")
