# technique: T1059.006
# title: a one-liner of Python gives a terminal
/usr/bin/python3 -c 'import pty,os; pty.spawn(["/bin/sh","-c","id"])' < /dev/null > /tmp/.pty 2>&1
