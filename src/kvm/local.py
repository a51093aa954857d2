#!/usr/bin/env python3
"""A zone on this machine with one real host, which is this machine: `make run-kvm`; `make stop-kvm` ends its guests and networks.

    local.py run  DIR STRATUS TEMPLATE [options of `stratus serve`]
    local.py stop DIR

Needs root and Linux. libvirt is a daemon of its own with its folders in DIR, beside one that the machine may have: guests of the machine's
are not touched, and nothing of its settings is changed. Ctrl-C ends server and agent; guests run on, and the next run takes them up.
"""
import base64
import functools
import glob
import hashlib
import hmac
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# First letters of the interfaces and namespaces of the agent.
PREFIX = "stk"
# The guests' bridge, this machine's leg in it and the leg's other end.
BRIDGE, LEG, PORT = "stratus0", "stratus1", "stratus2"
GATEWAY, MACHINE, FIRST, LAST, NETMASK, BITS = "10.98.0.1", "10.98.0.254", "10.98.0.10", "10.98.0.250", "255.255.255.0", 24
PATIENCE = 180

QEMU = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
# Arguments: the folder with libvirt's folders.
LIBVIRTD = """for place in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
mkdir -p "${place#*:}"; mount --bind "$1/${place%%:*}" "${place#*:}"; done
exec libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid"""


def zone():
    guests = {"gateway": GATEWAY, "netmask": NETMASK, "startip": FIRST, "endip": LAST}
    pod = {"name": "pod1", "gateway": GATEWAY, "netmask": NETMASK, "startip": "10.98.0.251", "endip": "10.98.0.253", "guestIpRanges": [guests]}
    pod["clusters"] = [{"clustername": "cluster1", "hypervisor": "KVM", "clustertype": "CloudManaged", "hosts": [], "primaryStorages": []}]
    wire = {"name": "wires", "traffictypes": [{"typ": "Guest"}, {"typ": "Management"}]}
    wire["providers"] = [{"name": "VirtualRouter"}, {"name": "SecurityGroupProvider"}]
    zone = {"name": "zone1", "networktype": "Basic", "dns1": "9.9.9.9", "internaldns1": GATEWAY, "securitygroupenabled": True}
    return {"zones": [{**zone, "physical_networks": [wire], "pods": [pod], "secondaryStorages": []}]}


def run(*command, may_fail=False):
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if said.returncode and not may_fail:
        sys.exit(f"{' '.join(command)}: {said.stdout.strip()}")
    return said.stdout if said.returncode == 0 else None


def until(what, look):
    end = time.time() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        if time.time() > end:
            sys.exit(f"{what} does not come about in {PATIENCE} s")
        time.sleep(0.3)


def number(path, tells, wanted):
    """The process of a pid file, if the file of it in /proc that `tells` has what is `wanted`: after a restart of the machine another one
    may have its number."""
    try:
        pid = int(open(path).read())
        return pid if wanted.encode() in open(f"/proc/{pid}/{tells}", "rb").read() else None
    except (OSError, ValueError):
        return None


def daemon(folder):
    """The libvirtd of a folder, if it runs; it is known by what is mounted for it alone."""
    mounted = f"{os.path.basename(os.path.dirname(folder))}/libvirt/etc /etc/libvirt "
    return number(f"{folder}/run/libvirtd.pid", "mountinfo", mounted)


def libvirt(folder):
    """libvirt's socket, after starting the daemon if it does not run."""
    # Who reaches the socket in it is as good as root.
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    for name in ("etc", "run", "lib", "log", "cache"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    socket = f"{folder}/run/libvirt-sock"
    if not daemon(folder):
        open(f"{folder}/etc/qemu.conf", "w").write(QEMU)
        open(f"{folder}/etc/libvirtd.conf", "w").write('auth_unix_ro = "none"\nauth_unix_rw = "none"\n')
        if os.path.exists(socket):
            os.remove(socket)
        log = open(f"{folder}/log/stderr", "w")
        command = ["unshare", "-m", "--propagation", "private", "sh", "-ec", LIBVIRTD, "sh", folder]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until("libvirt", lambda: os.path.exists(socket) and daemon(folder))
    return socket


def wires():
    for module in ("bridge", "veth", "tun", "br_netfilter"):
        run("modprobe", module, may_fail=True)
    if run("ip", "link", "show", BRIDGE, may_fail=True) is None:
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "link", "set", BRIDGE, "addrgenmode", "none", "up")
    # This machine is a neighbour of its guests and no part of the bridge, so that security groups hold for it too.
    if run("ip", "link", "show", LEG, may_fail=True) is None:
        run("ip", "link", "add", LEG, "type", "veth", "peer", "name", PORT)
        run("ip", "link", "set", PORT, "addrgenmode", "none", "master", BRIDGE, "up")
        run("ip", "addr", "add", f"{MACHINE}/{BITS}", "dev", LEG)
        run("ip", "link", "set", LEG, "up")


class Cloud:
    """The native API, as the administrator."""

    def __init__(self, folder):
        ready = json.load(open(f"{folder}/ready.json"))
        self.url, self.key, self.secret = ready["native"], ready["admin"]["api_key"], ready["admin"]["secret_key"]
        self.agents = ready["ports"]["agents"]

    def call(self, command, **given):
        given = {**given, "command": command, "response": "json", "apikey": self.key}
        pairs = sorted((name, urllib.parse.quote(str(value), safe="*")) for name, value in given.items())
        query = "&".join(f"{name}={value}" for name, value in pairs)
        digest = hmac.new(self.secret.encode(), query.lower().encode(), hashlib.sha1).digest()
        signature = urllib.parse.quote(base64.b64encode(digest), safe="")
        try:
            with urllib.request.urlopen(f"{self.url}?{query}&signature={signature}") as answer:
                return next(iter(json.load(answer).values()))
        except urllib.error.HTTPError as error:
            sys.exit(f"{command}: {error.read().decode()}")

    def list(self, command, kind, **given):
        return self.call(command, **given).get(kind, [])

    def host(self):
        return next(iter(self.list("listHosts", "host", type="Routing")), None)


def agent(cloud, folder, stratus, socket, children):
    """Starts the agent, one of the processes to be ended; the first time it becomes the zone's host."""
    home = f"{folder}/agent"
    os.makedirs(home, mode=0o700, exist_ok=True)
    settings = {"kvm.prefix": PREFIX, "kvm.guest_bridge": BRIDGE, "kvm.libvirt_socket": socket}
    with open(f"{home}/agent.properties", "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
    environment = dict(os.environ)
    if not cloud.host():
        cluster = cloud.list("listClusters", "cluster")[0]
        place = {"zoneid": cluster["zoneid"], "podid": cluster["podid"], "clusterid": cluster["id"]}
        login = {"hypervisor": "KVM", "url": f"agent://{os.uname().nodename}", "username": "root", "password": "not-used"}
        environment["STRATUS_TOKEN"] = cloud.list("addHost", "host", **place, **login)[0]["agenttoken"]
    log = open(f"{home}/log", "a")
    command = [stratus, "agent", "--server", f"127.0.0.1:{cloud.agents}", "--data-dir", home]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)
    children.append(child)

    def up():
        if child.poll() is not None:
            sys.exit(f"the agent ended: see {home}/log")
        return cloud.host()["state"] == "Up"

    until("the host", up)


def furnish(cloud, folder, template):
    """Storage, an offering that fits the template, and the template."""
    cluster = cloud.list("listClusters", "cluster")[0]
    place = {"zoneid": cluster["zoneid"], "podid": cluster["podid"], "clusterid": cluster["id"]}
    os.makedirs(f"{folder}/pool", mode=0o700, exist_ok=True)
    if not cloud.list("listStoragePools", "storagepool"):
        cloud.call("createStoragePool", name="primary", url=f"file://{folder}/pool", **place)
    if not cloud.list("listImageStores", "imagestore"):
        cloud.call("addImageStore", provider="File", zoneid=place["zoneid"], url=f"file://{folder}/store")
    if not cloud.list("listServiceOfferings", "serviceoffering", name="tiny"):
        cloud.call("createServiceOffering", name="tiny", displaytext="128 MB", cpunumber=1, cpuspeed=500, memory=128)
    look = functools.partial(cloud.list, "listTemplates", "template", templatefilter="all", name="stratus-tiny")
    if look():
        return
    handler = functools.partial(Quiet, directory=os.path.dirname(template))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    setting = "secstorage.allowed.internal.sites"
    here = "127.0.0.1/32"
    before = cloud.list("listConfigurations", "configuration", name=setting)[0].get("value", "")
    cloud.call("updateConfiguration", name=setting, value=here)
    os_type = cloud.list("listOsTypes", "ostype", description="Other Linux (64-bit)")[0]["id"]
    url = f"http://127.0.0.1:{server.server_address[1]}/{os.path.basename(template)}"
    about = {"name": "stratus-tiny", "displaytext": "a small Linux", "format": "QCOW2", "hypervisor": "KVM", "ostypeid": os_type}
    try:
        cloud.call("registerTemplate", url=url, zoneid=place["zoneid"], ispublic="true", passwordenabled="true", **about)
        until("the template", lambda: all(row.get("isready") for row in look()))
    finally:
        # From now on templates come from outside again. What a run that was cut off left is nobody's wish.
        cloud.call("updateConfiguration", name=setting, value="" if before == here else before)
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def hand_over(folder):
    """Whoever asked by sudo reads the keys that are in admin.env; nothing else of the folder."""
    user, group = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if user and group:
        os.chown(f"{folder}/admin.env", int(user), int(group))
        os.chmod(folder, 0o711)


def start(folder, stratus, template, options):
    if os.geteuid() != 0:
        sys.exit("a real host needs root: networks, packet filters and guests are made")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(f"{folder}/zone.json", "w") as file:
        json.dump(zone(), file)
    socket = libvirt(f"{folder}/libvirt")
    wires()
    if os.path.exists(f"{folder}/ready.json"):
        os.remove(f"{folder}/ready.json")
    children = [subprocess.Popen([stratus, "serve", "--data-dir", folder, "--simulate", f"{folder}/zone.json", *options], start_new_session=True)]

    def end(*_):
        sys.exit(0)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        until("the server", lambda: os.path.exists(f"{folder}/ready.json") or children[0].poll() is not None)
        if children[0].poll() is not None:
            sys.exit("the server ended")
        hand_over(folder)
        cloud = Cloud(folder)
        agent(cloud, folder, stratus, socket, children)
        furnish(cloud, folder, template)
        host = cloud.host()
        print(f"""
A real host is up: {host['name']}, {host['cpunumber']} CPUs, {host.get('hypervisorversion', '')}
  template stratus-tiny, offering tiny; guests get addresses from {FIRST} on, this machine is {MACHINE} among them
  the agent's log: {folder}/agent/log; guests run on after Ctrl-C, make stop-kvm ends them
""", flush=True)
        while all(child.poll() is None for child in children):
            time.sleep(1)
        sys.exit("server or agent ended by itself")
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            child.wait()


def stop(folder):
    """Ends guests, routers, bridge and libvirt. Disks and the cloud's books stay."""
    pids = glob.glob(f"{folder}/libvirt/run/qemu/*.pid") + glob.glob(f"{folder}/agent/kvm/routers/*/pid")
    for pid in [*(number(path, "cmdline", folder) for path in pids), daemon(f"{folder}/libvirt")]:
        if pid:
            os.kill(pid, signal.SIGKILL)
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        if name.startswith(f"{PREFIX}r"):
            run("ip", "netns", "del", name)
    for name in [link["ifname"] for link in json.loads(run("ip", "-j", "link"))]:
        if name.startswith(PREFIX) or name in (LEG, BRIDGE):
            run("ip", "link", "del", name, may_fail=True)
    for family in ("bridge", "ip"):
        run("nft", "delete", "table", family, f"{PREFIX}_filter", may_fail=True)


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if len(sys.argv) >= 5 and sys.argv[1] == "run":
        start(os.path.abspath(sys.argv[2]), *map(os.path.abspath, sys.argv[3:5]), sys.argv[5:])
    elif len(sys.argv) == 3 and sys.argv[1] == "stop":
        stop(os.path.abspath(sys.argv[2]))
    else:
        sys.exit(__doc__)
