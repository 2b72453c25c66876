# technique: T1547.006
# title: a module for the kernel
printf '\177ELF' > /tmp/rk.ko
/usr/bin/busybox insmod /tmp/rk.ko 2>/dev/null || true
