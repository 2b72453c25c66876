# technique: T1046
# title: which doors are open
for port in 7 9 21 22 23 25 80 110 139 443 445 3306 3389 5432 6379 8080; do
  nc -z -w 1 "$OUTSIDE" "$port" || true
done
