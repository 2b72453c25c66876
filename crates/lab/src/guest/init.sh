#!/bin/sh
# First process of a guest: loads the devices, says that it is ready, and waits for the word to go on. A snapshot
# is taken at that point, before anything that must differ between two guests exists: clock, addresses, disk, and
# the state of the random generator, which stays unseeded until the host's randomness arrives.
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "guest: cannot load $module"
done
until port=$(ls /dev/vport* 2>/dev/null); do usleep 10000; done
exec 3<>"$port"
echo ready >&3
until read -r word now seed host mac addresses gateways <&3 && [ "$word" = go ]; do usleep 10000; done
exec 3>&-
date -u -s "@$now" >/dev/null
echo "$seed" >/dev/urandom
for module in $(cat /modules/late); do insmod "/modules/$module"; done
mount -t ext4 -o rw /dev/vda /disk || { echo "guest: no disk"; exec sh; }
mount -t tmpfs -o mode=755 run /disk/run
mkdir /disk/run/guest
echo "$host" >/disk/run/guest/host
echo "$mac" >/disk/run/guest/mac
echo "$addresses" | tr ',' '\n' >/disk/run/guest/addresses
echo "$gateways" | tr ',' '\n' >/disk/run/guest/gateways
for place in dev proc sys; do mount --move /$place /disk/$place; done
exec switch_root /disk /sbin/init </dev/console >/dev/console 2>&1
