# technique: T1620
# title: a program that was never a file
/usr/bin/python3 -c '
import os
fd = os.memfd_create("x", 0)
os.write(fd, open("/bin/true", "rb").read())
os.execv("/proc/self/fd/%d" % fd, ["kthreadd"])
'
