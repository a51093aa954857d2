"""Every seed operation by SOAP (zeep, WS-Security) or by Query, in a published version; answers by SOAP are checked against the served schema.

ec2_sweep.py soap|query VERSION. An operation that mappings/ec2/unsupported.toml names must say so; every other must work.
"""
import base64
import datetime
import hashlib
import hmac
import os
import sys
import tempfile
import time
import tomllib
import urllib.parse
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree

WAY, VERSION = sys.argv[1:3]
URL = os.environ["EC2_URL"]
ACCESS, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
NS = "http://ec2.amazonaws.com/doc/%s/" % VERSION
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
SEED = """AllocateAddress AssociateAddress DescribeAddresses DisassociateAddress ReleaseAddress DescribeAvailabilityZones CreateImage
DeregisterImage DescribeImages RegisterImage DescribeImageAttribute ModifyImageAttribute ResetImageAttribute RunInstances DescribeInstances
StartInstances StopInstances RebootInstances TerminateInstances DescribeInstanceAttribute CreateKeyPair DeleteKeyPair DescribeKeyPairs
ImportKeyPair GetPasswordData CreateSecurityGroup DeleteSecurityGroup DescribeSecurityGroups AuthorizeSecurityGroupIngress
RevokeSecurityGroupIngress CreateSnapshot DeleteSnapshot DescribeSnapshots AttachVolume CreateVolume DeleteVolume DescribeVolumes
DetachVolume""".split()
assert len(SEED) == 38
REPOSITORY = Path(__file__).resolve().parents[2]
UNSUPPORTED = tomllib.loads((REPOSITORY / "mappings/ec2/unsupported.toml").read_text())["actions"]


class Refused(Exception):
    """An error answer; its text begins with the code."""


def signed(parameters):
    """A form with a version 2 signature."""
    p = {"AWSAccessKeyId": ACCESS, "SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "Version": VERSION}
    p["Timestamp"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    p.update(parameters)
    quote = lambda t: urllib.parse.quote(str(t), safe="-_.~")
    query = "&".join("%s=%s" % (quote(k), quote(p[k])) for k in sorted(p))
    where = urllib.parse.urlsplit(URL)
    text = "\n".join(["POST", where.netloc.lower(), where.path, query])
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
    p["Signature"] = base64.b64encode(mac).decode()
    return requests.post(URL, data=p, timeout=60)


def certificate(folder):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sweep")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=30)).sign(key, hashes.SHA256())
    files = Path(folder, "cert.pem"), Path(folder, "key.pem")
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    how = serialization.PrivateFormat.TraditionalOpenSSL
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, how, serialization.NoEncryption()))
    return files


class Query:
    """Says an operation by its Query parameters."""

    def say(self, name, soap, query):
        answer = signed(dict(query, Action=name))
        tree = etree.fromstring(answer.content)
        if answer.status_code != 200:
            raise Refused("%s: %s" % (tree.findtext(".//Code"), tree.findtext(".//Message")))
        assert tree.tag == "{%s}%sResponse" % (NS, name), tree.tag
        return tree


class Soap:
    """Says an operation by a signed message that zeep makes from the served WSDL."""

    def __init__(self, folder):
        import zeep
        from zeep.wsse import utils
        from zeep.wsse.signature import BinarySignature

        cert, key = certificate(folder)
        answer = signed({"Action": "SetCertificate", "cert": cert.read_text()})
        assert (answer.status_code, answer.text) == (200, "User certificate set successfully"), answer.text

        class Sign(BinarySignature):
            def apply(self, envelope, headers):
                security = utils.get_security_header(envelope)
                now = datetime.datetime.now(datetime.timezone.utc)
                stamp = etree.SubElement(security, "{%s}Timestamp" % WSU)
                for tag, at in (("Created", now), ("Expires", now + datetime.timedelta(minutes=5))):
                    etree.SubElement(stamp, "{%s}%s" % (WSU, tag)).text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
                return super().apply(envelope, headers)

            def verify(self, envelope):
                return envelope

        self.zeep, self.history = zeep, zeep.plugins.HistoryPlugin()
        where = "%s/services/AmazonEC2?wsdl&version=%s" % (URL, VERSION)
        self.client = zeep.Client(where, wsse=Sign(str(key), str(cert)), plugins=[self.history])
        binding = list(self.client.wsdl.bindings.values())[0]
        self.service = self.client.create_service(str(binding.name), URL)
        self.operations = sorted(binding._operations)
        text = etree.fromstring(requests.get(where, timeout=60).content)
        # Alone, with the namespaces that are declared around it.
        schema = etree.tostring(text.find(".//{http://www.w3.org/2001/XMLSchema}schema"))
        self.schema = etree.XMLSchema(etree.fromstring(schema))

    def say(self, name, soap, query):
        try:
            getattr(self.service, name)(**soap)
        except self.zeep.exceptions.Fault as fault:
            code = fault.code.split(".", 1)[1]
            raise Refused("%s: %s" % (code, fault.message)) from fault
        tree = self.history.last_received["envelope"].find("{*}Body")[0]
        tree = etree.fromstring(etree.tostring(tree))
        self.schema.assertValid(tree)
        return tree


def items(**one):
    return {"item": [one]}


done = set()


def call(name, soap=None, **query):
    """Carries an operation out; None when this cloud has not got it, which it must then say itself."""
    try:
        answer = way.say(name, soap or {}, {k.replace("_", "."): v for k, v in query.items()})
    except Refused as e:
        assert name in UNSUPPORTED and str(e).startswith("UnsupportedOperation"), "%s: %s" % (name, e)
        done.add(name)
        return None
    assert name not in UNSUPPORTED, "%s works and is listed as unsupported" % name
    done.add(name)
    return answer


def get(tree, path):
    found = tree.find(".//{*}" + "/{*}".join(path.split("/")))
    assert found is not None, "%s in %s" % (path, etree.tostring(tree)[:2000])
    return found.text


def wait(name, soap, path, wanted, **query):
    end = time.time() + 60
    while True:
        value = get(call(name, soap, **query), path)
        if value == wanted:
            return
        assert time.time() < end, "%s %s is %s" % (name, path, value)
        time.sleep(0.2)


def refused(code, name, soap, **query):
    try:
        way.say(name, soap, {k.replace("_", "."): v for k, v in query.items()})
    except Refused as e:
        assert str(e).startswith(code), e
        return
    raise AssertionError("%s was not refused with %s" % (name, code))


OLD = VERSION == "2010-11-15"
folder = tempfile.TemporaryDirectory()
way = Soap(folder.name) if WAY == "soap" else Query()
tag = "sweep-%s-%s" % (WAY, VERSION)

zone = get(call("DescribeAvailabilityZones", {"availabilityZoneSet": {"item": []}}), "zoneName")
none = {"item": []}
image = get(call("DescribeImages", {"executableBySet": none, "imagesSet": none, "ownersSet": none}), "imageId")
call("DescribeImageAttribute", {"imageId": image, "launchPermission": {}}, ImageId=image, Attribute="launchPermission")

assert "PRIVATE KEY" in get(call("CreateKeyPair", {"keyName": tag}, KeyName=tag), "keyMaterial")
assert get(call("DescribeKeyPairs", {"keySet": items(keyName=tag)}, KeyName_1=tag), "keyName") == tag
public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
public = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
public = base64.b64encode(public).decode()
call("ImportKeyPair", {"keyName": tag + "i", "publicKeyMaterial": public}, KeyName=tag + "i", PublicKeyMaterial=public)

call("CreateSecurityGroup", {"groupName": tag, "groupDescription": "sweep"}, GroupName=tag, GroupDescription="sweep")
permission = dict(ipProtocol="tcp", fromPort=22, toPort=22, groups=none, ipRanges=items(cidrIp="10.0.0.0/8"))
rule = dict(groupName=tag, ipPermissions=items(**permission), **({"userId": ""} if OLD else {}))
flat = dict(GroupName=tag, IpPermissions_1_IpProtocol="tcp", IpPermissions_1_FromPort=22, IpPermissions_1_ToPort=22)
flat["IpPermissions_1_IpRanges_1_CidrIp"] = "10.0.0.0/8"
call("AuthorizeSecurityGroupIngress", rule, **flat)
groups = call("DescribeSecurityGroups", {"securityGroupSet": items(groupName=tag)}, GroupName_1=tag)
assert get(groups, "cidrIp") == "10.0.0.0/8"
call("RevokeSecurityGroupIngress", rule, **flat)

run = dict(imageId=image, minCount=1, maxCount=1, keyName=tag, instanceType="m1.small", placement={"availabilityZone": zone})
run["groupSet"] = items(groupId=tag) if OLD else items(groupName=tag)
run["userData"] = {"data": "aGk=", "version": "1.0", "encoding": "base64"}
flat = dict(ImageId=image, MinCount=1, MaxCount=1, KeyName=tag, InstanceType="m1.small", SecurityGroup_1=tag, UserData="aGk=")
i = get(call("RunInstances", run, Placement_AvailabilityZone=zone, **flat), "instanceId")
one = {"instancesSet": items(instanceId=i)}
state = "instanceState/name"
wait("DescribeInstances", one, state, "running", InstanceId_1=i)
data = call("DescribeInstanceAttribute", {"instanceId": i, "userData": {}}, InstanceId=i, Attribute="userData")
assert get(data, "userData/value") == "aGk=", etree.tostring(data)
call("GetPasswordData", {"instanceId": i}, InstanceId=i)
refused("InvalidInstanceID.NotFound", "DescribeInstances", {"instancesSet": items(instanceId="i-00000000")}, InstanceId_1="i-00000000")

address = call("AllocateAddress")
if address is not None:
    address = get(address, "publicIp")
    ip = {"publicIp": address}
    call("AssociateAddress", dict(ip, instanceId=i), PublicIp=address, InstanceId=i)
    asked = {"publicIpsSet": items(**ip)} if OLD else {"publicIpsSet": items(**ip), "allocationIdsSet": none}
    shown = call("DescribeAddresses", asked, PublicIp_1=address)
    assert get(shown, "addressesSet/item/instanceId") == i
    call("DisassociateAddress", ip, PublicIp=address)
    call("ReleaseAddress", ip, PublicIp=address)
else:
    done.update({"AssociateAddress", "DescribeAddresses", "DisassociateAddress", "ReleaseAddress"} & set(UNSUPPORTED))

v = get(call("CreateVolume", {"size": "1", "availabilityZone": zone}, Size=1, AvailabilityZone=zone), "volumeId")
volume = {"volumeSet": items(volumeId=v)}
wait("DescribeVolumes", volume, "status", "available", VolumeId_1=v)
call("AttachVolume", {"volumeId": v, "instanceId": i, "device": "/dev/sdh"}, VolumeId=v, InstanceId=i, Device="/dev/sdh")
wait("DescribeVolumes", volume, "volumeSet/item/status", "in-use", VolumeId_1=v)
wait("DescribeVolumes", volume, "attachmentSet/item/status", "attached", VolumeId_1=v)
snapshot = call("CreateSnapshot", {"volumeId": v, "description": "sweep"}, VolumeId=v, Description="sweep")
s = get(snapshot, "snapshotId") if snapshot is not None else "snap-00000000"
if snapshot is not None:
    wait("DescribeSnapshots", {"snapshotSet": items(snapshotId=s)}, "status", "completed", SnapshotId_1=s)
else:
    call("DescribeSnapshots", {"snapshotSet": items(snapshotId=s)}, SnapshotId_1=s)
call("DeleteSnapshot", {"snapshotId": s}, SnapshotId=s)
call("DetachVolume", {"volumeId": v}, VolumeId=v)
wait("DescribeVolumes", volume, "volumeSet/item/status", "available", VolumeId_1=v)
call("DeleteVolume", {"volumeId": v}, VolumeId=v)

call("RebootInstances", one, InstanceId_1=i)
wait("DescribeInstances", one, state, "running", InstanceId_1=i)
call("StopInstances", one, InstanceId_1=i)
wait("DescribeInstances", one, state, "stopped", InstanceId_1=i)
made = call("CreateImage", {"instanceId": i, "name": tag}, InstanceId=i, Name=tag)
m = get(made, "imageId") if made is not None else image
if made is not None:
    wait("DescribeImages", {"executableBySet": none, "imagesSet": items(imageId=m), "ownersSet": none}, "imageState", "available", ImageId_1=m)
permit = {"imageId": m, "launchPermission": {"add": items(group="all")}}
call("ModifyImageAttribute", permit, ImageId=m, LaunchPermission_Add_1_Group="all")
call("ResetImageAttribute", {"imageId": m, "launchPermission": {}}, ImageId=m, Attribute="launchPermission")
call("DeregisterImage", {"imageId": m}, ImageId=m)
place = "http://images.example.org/sweep.qcow2"
form = "qcow2:%s:Other (64-bit):KVM" % zone
registered = call(
    "RegisterImage", {"imageLocation": place, "name": tag + "r", "architecture": form}, ImageLocation=place, Name=tag + "r", Architecture=form
)
if registered is not None:
    call("DeregisterImage", {"imageId": get(registered, "imageId")}, ImageId=get(registered, "imageId"))
call("StartInstances", one, InstanceId_1=i)
wait("DescribeInstances", one, state, "running", InstanceId_1=i)
call("TerminateInstances", one, InstanceId_1=i)
wait("DescribeInstances", one, state, "terminated", InstanceId_1=i)
call("DeleteSecurityGroup", {"groupName": tag}, GroupName=tag)
for name in (tag, tag + "i"):
    call("DeleteKeyPair", {"keyName": name}, KeyName=name)

left = [name for name in SEED if name not in done]
assert not left, "never asked: %s" % left
if WAY == "soap":
    assert len(way.operations) == (95 if OLD else 144), len(way.operations)
    # Nothing answers an empty success: an operation that no mapping has says so.
    for name in ("CancelSpotInstanceRequests", "BundleInstance"):
        soap = {"spotInstanceRequestIdSet": none} if name.startswith("Cancel") else None
        soap = soap or {"instanceId": i, "storage": {"S3": {"bucket": "b", "prefix": "p"}}}
        assert name in UNSUPPORTED and call(name, soap) is None
print("ok: %d operations, %d of them said to be unsupported" % (len(done), len(done & set(UNSUPPORTED))))
