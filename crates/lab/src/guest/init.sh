#!/bin/sh
# First process of a guest: loads the devices, says that it is ready, and waits for the word to go on. A snapshot
# is taken at that point, before anything that must differ between two guests exists: clock, addresses, disk, and
# the state of the random generator, which stays unseeded until the host's randomness arrives.
# After that point every process costs a restored guest some 20 ms, so there are few.
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "guest: cannot load $module"
done
until set -- /dev/vport*; [ -e "$1" ]; do usleep 10000; done
exec 3<>"$1"
echo ready >&3
until read -r word now seed settings <&3 && [ "$word" = go ]; do usleep 10000; done
exec 3>&-
date -u -s "@$now" >/dev/null
echo "$seed" >/dev/urandom
while read -r module; do insmod "/modules/$module"; done </modules/late
mount -t ext4 -o rw /dev/vda /disk || { echo "guest: no disk"; exec sh; }
mount -t tmpfs -o mode=755 run /disk/run
echo "$settings" >/disk/run/guest
# The name and the number of this machine stand before its first process looks for them.
echo "${settings%% *}" >/proc/sys/kernel/hostname
if [ ! -s /disk/etc/machine-id ]; then
  read -r id </proc/sys/kernel/random/uuid
  echo "${id//-/}" >/disk/etc/machine-id
fi
for place in dev proc sys; do mount --move /$place /disk/$place; done
exec switch_root /disk /sbin/init </dev/console >/dev/console 2>&1
