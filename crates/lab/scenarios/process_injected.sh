# technique: T1055.008
# title: one process writes into another
sleep 30 &
victim=$!
gdb -q -n -batch -p $victim -ex 'call (int)getpid()' > /tmp/.gdb 2>&1 || true
kill $victim
