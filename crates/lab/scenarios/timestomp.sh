# technique: T1070.006
# title: a file that looks old
echo x > /tmp/new
touch -r /bin/ls /tmp/new
touch -d '2019-01-01 00:00:00' /tmp/new
