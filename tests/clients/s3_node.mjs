// S3 with @aws-sdk/client-s3: what today's SDK sends unasked, checksums and all. Arguments: endpoint, folder of the package.
import { createRequire } from "node:module";
import { createHash, randomBytes } from "node:crypto";
import assert from "node:assert";

const [endpoint, folder] = process.argv.slice(2);
const s3 = createRequire(folder + "/")("@aws-sdk/client-s3");
const credentials = { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY };
const c = new s3.S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials, maxAttempts: 1 });
const send = (name, input) => c.send(new s3[name + "Command"](input));

const Bucket = "node-sdk";
await send("CreateBucket", { Bucket });
const body = randomBytes(200000);
const put = await send("PutObject", { Bucket, Key: "a/é b", Body: body, Metadata: { color: "blue" } });
assert.equal(put.ETag, '"' + createHash("md5").update(body).digest("hex") + '"');
const got = await send("GetObject", { Bucket, Key: "a/é b" });
assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), body);
assert.equal(got.Metadata.color, "blue");
const listed = await send("ListObjectsV2", { Bucket, Prefix: "a/" });
assert.deepEqual(listed.Contents.map((o) => o.Key), ["a/é b"]);
const { UploadId } = await send("CreateMultipartUpload", { Bucket, Key: "mp" });
const Parts = [];
for (const [i, Body] of [randomBytes(5 << 20), Buffer.from("end")].entries()) {
  const part = await send("UploadPart", { Bucket, Key: "mp", UploadId, PartNumber: i + 1, Body });
  Parts.push({ PartNumber: i + 1, ...part, $metadata: undefined });
}
await send("CompleteMultipartUpload", { Bucket, Key: "mp", UploadId, MultipartUpload: { Parts } });
assert.equal((await send("HeadObject", { Bucket, Key: "mp" })).ContentLength, (5 << 20) + 3);
await assert.rejects(send("GetObject", { Bucket, Key: "none" }), { name: "NoSuchKey" });
const deleted = await send("DeleteObjects", { Bucket, Delete: { Objects: [{ Key: "mp" }, { Key: "a/é b" }] } });
assert.equal(deleted.Deleted.length, 2);
await send("DeleteBucket", { Bucket });
console.log("ok");
