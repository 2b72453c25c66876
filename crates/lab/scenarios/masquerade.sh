# technique: T1036.005
# title: a program with the name of another
cp /bin/sleep '/tmp/kworker'
cp /bin/sleep /var/tmp/sshd
/tmp/kworker 0.1
/var/tmp/sshd 0.1
