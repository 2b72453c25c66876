# technique: T1574.006
# title: a library in every program
printf '\177ELF' > /tmp/libx.so
echo /tmp/libx.so > /etc/ld.so.preload
rm -f /etc/ld.so.preload
