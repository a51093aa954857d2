#!/bin/bash
# Installs what checks and tests need and this machine lacks, by package name. Does nothing, quickly, when all is there. With the
# argument `kvm` only what real guests need.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
PATH="$PATH:/usr/sbin:/sbin"
need python3 python3
if [ "${1:-}" != kvm ]; then
    need mariadbd mariadb-server
    need slapd slapd
    need ldapadd ldap-utils
    need curl curl
    need openssl openssl
    need cc build-essential
    need chromium chromium
    need ganesha.nfsd nfs-ganesha-vfs
    need rpcbind rpcbind
    ldconfig -p | grep -q 'libnfs\.so\.13' || missing+=(libnfs13)
    ldconfig -p | grep -q 'libfuse3\.so' || missing+=(fuse3)
    need node nodejs
    need npm npm
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
fi
# Real guests: QEMU under libvirt, and what the template and its networks are made with.
if [ "$(uname -m)" = x86_64 ]; then
    need libvirtd libvirt-daemon
    # What the driver is built with: it links libvirt's library.
    need pkg-config pkg-config
    pkg-config --exists libvirt libvirt-qemu 2>/dev/null || missing+=(libvirt-dev)
    need nft nftables
    need dnsmasq dnsmasq-base
    need ip iproute2
    need ping iputils-ping
    need busybox busybox
    need curl curl
    need openssl openssl
    need wget wget
    need dropbear dropbear-bin
    need ssh openssh-client
    need syslinux syslinux
    [ -e /usr/lib/syslinux/mbr/mbr.bin ] || missing+=(syslinux-common)
    need mcopy mtools
    need mkfs.fat dosfstools
    need sfdisk fdisk
    need cpio cpio
    need lz4 lz4
    need modinfo kmod
    [ -e /usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so ] || missing+=(libvirt-daemon-driver-qemu)
    # Some images bring newer tools for disks than Debian's QEMU goes with; both have to be of one version.
    if ! command -v qemu-system-x86_64 >/dev/null || ! command -v qemu-img >/dev/null; then
        version=$(apt-cache policy qemu-system-x86 | awk '/Candidate/{print $2}')
        if [ -z "$version" ]; then
            if [ "$(id -u)" = 0 ]; then apt-get update </dev/null; else sudo apt-get update </dev/null; fi
            version=$(apt-cache policy qemu-system-x86 | awk '/Candidate/{print $2}')
        fi
        missing+=("qemu-system-x86=$version" "qemu-utils=$version")
    fi
fi
if [ ${#missing[@]} -gt 0 ]; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
    export DEBIAN_FRONTEND=noninteractive
    # Tests start servers of their own in folders of their own: none is to run because its package came.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
    fi
    if ! "${as_root[@]}" apt-get install -y --no-install-recommends --allow-downgrades "${missing[@]}" </dev/null; then
        "${as_root[@]}" apt-get update </dev/null
        "${as_root[@]}" apt-get install -y --no-install-recommends --allow-downgrades "${missing[@]}" </dev/null
    fi
fi

# libvirt's QEMU driver does not start without this user, whoever the guests then run as.
if command -v libvirtd >/dev/null && ! id libvirt-qemu >/dev/null 2>&1; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
    getent group kvm >/dev/null || "${as_root[@]}" groupadd -r kvm
    getent group libvirt-qemu >/dev/null || "${as_root[@]}" groupadd -r libvirt-qemu
    "${as_root[@]}" useradd -r -g kvm -d /var/lib/libvirt -s /usr/sbin/nologin libvirt-qemu
fi

[ "${1:-}" != kvm ] || exit 0

for component in rustfmt clippy; do
    cargo "${component/rust/}" --version >/dev/null 2>&1 || rustup component add "$component"
done

# One line a package; a changed list makes a new environment.
packages=tests/clients/requirements.txt
if ! cmp -s "$packages" .venv/installed.txt; then
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement "$packages" </dev/null
    cp "$packages" .venv/installed.txt
fi

# Clients of Python 2, which Debian no longer has: pyenv's where there is one, elsewhere their tests say why they are skipped.
python2=$(ls "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 2>/dev/null | tail -1 || true)
old=tests/clients/requirements-2.7.txt
if [ -n "$python2" ] && ! cmp -s "$old" .venv/python2/installed.txt; then
    rm -rf .venv/python2
    "$python2" -m pip install --quiet --disable-pip-version-check --target .venv/python2 --requirement "$old" </dev/null
    ln -sf "$python2" .venv/python2.7
    cp "$old" .venv/python2/installed.txt
fi

# The console's build and tests; a changed lock file installs again.
if ! cmp -s console/package-lock.json console/node_modules/installed.json; then
    (cd console && npm ci --no-fund --no-audit </dev/null)
    cp console/package-lock.json console/node_modules/installed.json
fi

# The one client that speaks JavaScript, below the same folder.
if [ ! -d .venv/node/node_modules/@aws-sdk/client-s3 ]; then
    mkdir -p .venv/node
    (cd .venv/node && npm install --silent --no-audit --no-fund --no-save @aws-sdk/client-s3 </dev/null)
fi
