"""CloudMonkey 5 (Python 2.7): its own set-up and sync, then a VM by its verbs and nouns; it waits for jobs by itself.

    cloudmonkey_vm.py      with cloudmonkey on the path; HOME is a new folder, its configuration goes there
"""
import json
import os
import re
import subprocess
import sys

MAIN = "from cloudmonkey.cloudmonkey import main; main()"


def cm(*words, **more):
    """What one command line answers, or its job in the end; as a text when `plain`."""
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", MAIN] + list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = re.sub("\x1b[^m]*m", "", process.communicate()[0])
    if more.get("plain"):
        return out
    start = out.find("{")
    assert start >= 0, (words, out)
    answer = json.loads(out[start:out.rfind("}") + 1])
    return answer.get("jobresult", answer)


env = os.environ
for name, value in [("url", env["CLOUDSTACK_ENDPOINT"]), ("apikey", env["CLOUDSTACK_KEY"]), ("secretkey", env["CLOUDSTACK_SECRET"]),
                    ("display", "json")]:
    cm("set", name, value, plain=True)
synced = cm("sync", plain=True)
assert "APIs discovered" in synced, synced

zone = cm("list", "zones", "filter=id,networktype")["zone"][0]
template = cm("list", "templates", "templatefilter=executable", "zoneid=" + zone["id"])["template"][0]
offering = cm("list", "serviceofferings", "name=m1.small")["serviceoffering"][0]
group = cm("create", "securitygroup", "name=by-cloudmonkey")["securitygroup"]
rule = cm("authorize", "securitygroupingress", "securitygroupid=" + group["id"], "protocol=tcp", "startport=22", "endport=22",
          "cidrlist=10.0.0.0/8")
assert "10.0.0.0/8" in json.dumps(rule), rule
vm = cm("deploy", "virtualmachine", "zoneid=" + zone["id"], "templateid=" + template["id"], "serviceofferingid=" + offering["id"],
        "name=by-cloudmonkey", "securitygroupids=" + group["id"])["virtualmachine"]
assert vm["state"] == "Running" and vm["securitygroup"][0]["name"] == "by-cloudmonkey", vm
cm("create", "tags", "resourceids=" + vm["id"], "resourcetype=UserVm", "tags[0].key=color", "tags[0].value=blue")
assert cm("list", "virtualmachines", "tags[0].key=color", "tags[0].value=blue")["virtualmachine"][0]["id"] == vm["id"]
assert cm("stop", "virtualmachine", "id=" + vm["id"])["virtualmachine"]["state"] == "Stopped"
assert cm("start", "virtualmachine", "id=" + vm["id"])["virtualmachine"]["state"] == "Running"
assert cm("list", "nics", "virtualmachineid=" + vm["id"])["nic"][0]["ipaddress"] == vm["nic"][0]["ipaddress"]
assert "Missing arguments" in cm("deploy", "virtualmachine", plain=True)
refused = cm("stop", "virtualmachine", "id=no-such-id", plain=True)
assert "431" in refused or "Unable to find" in refused, refused
assert cm("destroy", "virtualmachine", "id=" + vm["id"])["virtualmachine"]["state"] == "Destroyed"
cm("expunge", "virtualmachine", "id=" + vm["id"], plain=True)
assert vm["id"] not in cm("list", "virtualmachines", "id=" + vm["id"], plain=True)
assert cm("delete", "securitygroup", "id=" + group["id"])["success"] == "true"
print("ok")
