#!/bin/busybox sh
# What a lease changes; option 121 brings the way to 169.254.169.254, the default route goes by the router of the lease.
case "$1" in
bound | renew)
    ip addr flush dev "$interface"
    ip addr add "$ip/${mask:-24}" dev "$interface"
    [ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
    ip route add default via "${router:-$serverid}"
    set -- $staticroutes
    while [ $# -ge 2 ]; do [ "$1" != 0.0.0.0/0 ] && ip route replace "$1" via "$2"; shift 2; done
    { [ -n "$domain" ] && echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } > /etc/resolv.conf
    echo "$serverid" > /run/server
    ;;
esac
