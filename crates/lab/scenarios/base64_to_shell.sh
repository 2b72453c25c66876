# technique: T1140
# title: a command in disguise
echo aWQgPiAvdG1wLy5vdXQK | base64 -d | sh
