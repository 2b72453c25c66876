# technique: T1087.001
# title: who lives here
cat /etc/passwd > /tmp/.users
getent passwd | cut -d: -f1,3 >> /tmp/.users
id root
groups root
