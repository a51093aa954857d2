#!/bin/bash
# Makes a small bootable Linux as a qcow2 image: build.sh OUT.qcow2. About 15 MB, 64 MiB inside, root's password is "password" on the
# console and SSH takes keys. It is put together from packages of this Debian: the kernel is downloaded and unpacked, never
# installed, and nothing is mounted. The contents are those packages' (GPL and others) and are no part of this repository.
set -euo pipefail
out=$(realpath -m "${1:?where to}")
here=$(dirname "$(realpath "$0")")
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C
need() { command -v "$1" >/dev/null || { echo "$1 is missing: apt-get install $2" >&2; exit 1; }; }
need busybox busybox; need dropbear dropbear-bin; need syslinux "syslinux syslinux-common"; need mcopy mtools; need mkfs.fat dosfstools
need sfdisk fdisk; need cpio cpio; need lz4 lz4; need qemu-img qemu-utils; need modinfo kmod
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"

kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/{print $2; exit}')
cache=${STRATUS_TEMPLATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stratus}
mkdir -p "$cache"
deb=$(find "$cache" -name "${kernel}_*.deb" | head -n 1)
if [ -z "$deb" ]; then
    mkdir deb; (cd deb && apt-get download -q "$kernel")
    mv deb/*.deb "$cache/"; deb=$(find "$cache" -name "${kernel}_*.deb" | head -n 1)
fi
mkdir kernel; dpkg-deb -x "$deb" kernel
modules=$(echo kernel/lib/modules/*)

mkdir -p root/{bin,dev,proc,sys,run,tmp,etc,modules,root}
copy() { # a program with the libraries that it needs
    install -D -m 755 "$(command -v "$1")" "root/bin/$1"
    ldd "root/bin/$1" | grep -o '/[^ ]*' | while read -r library; do
        [ -e "root$library" ] || install -D -m 755 "$(realpath "$library")" "root$library"
    done
}
for program in busybox dropbear dropbearkey; do copy "$program"; done
# insmod resolves nothing, so what needs what is the order.
order="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net virtio_blk virtio-rng
virtio_balloon button evdev scsi_common scsi_mod cdrom libata ata_piix sr_mod isofs mbcache jbd2 crc16 crc32c_generic ext4"
for module in $order; do
    file=$(find "$modules" -name "$module.ko*" | head -n 1)
    [ -n "$file" ] || continue
    install -m 644 "$file" root/modules/
    echo "$module"
done > root/modules/order
if ls root/modules/*.xz >/dev/null 2>&1; then xz -d root/modules/*.xz; fi
install -m 755 "$here/init" root/init
install -m 755 "$here/udhcpc.sh" "$here/poweroff.sh" root/etc/
ln -s /data/dropbear_key root/etc/dropbear_key
echo 'root:x:0:0:root:/root:/bin/sh' > root/etc/passwd
echo 'root:x:0:' > root/etc/group
echo '/bin/sh' > root/etc/shells
# The word "password", salted with the product's name: what the template is documented to have.
printf 'root:%s:19000:0:99999:7:::\n' "$(openssl passwd -6 -salt stratus password)" > root/etc/shadow
chmod 600 root/etc/shadow
printf 'passwd: files\nshadow: files\ngroup: files\nhosts: files dns\n' > root/etc/nsswitch.conf
(cd root && find . | cpio -o -H newc -R 0:0 --quiet) | lz4 -l -9 -q > initrd

cat > syslinux.cfg <<'C'
SERIAL 0 115200
DEFAULT linux
TIMEOUT 0
LABEL linux
  KERNEL vmlinuz
  INITRD initrd
  APPEND console=tty0 console=ttyS0,115200 quiet panic=10 net.ifnames=0 random.trust_cpu=on rdinit=/init
C
truncate -s 64M disk
printf 'label: dos\nstart=2048,size=65536,type=e,bootable\nstart=67584,size=63488,type=83\n' | sfdisk -q disk
dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk conv=notrunc bs=440 count=1 status=none
mkfs.fat -F 16 --offset 2048 disk 32768 > /dev/null
export MTOOLS_SKIP_CHECK=1
mcopy -i disk@@1M "$(echo kernel/boot/vmlinuz-*)" ::vmlinuz
mcopy -i disk@@1M initrd ::initrd
mcopy -i disk@@1M syslinux.cfg ::syslinux.cfg
syslinux --install --offset 1048576 disk
truncate -s 31744K data; mkfs.ext4 -q -O ^has_journal data
dd if=data of=disk bs=1M seek=33 conv=notrunc status=none
mkdir -p "$(dirname "$out")"
qemu-img convert -q -c -f raw -O qcow2 disk "$out.new"
mv "$out.new" "$out"
ls -l "$out"
