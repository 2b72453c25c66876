#!/usr/bin/busybox sh
# Carries out the host's requests, one at a time. A request is a line `ID KIND LENGTH SECONDS` and LENGTH bytes;
# the answer is a line `ID STATUS OUT ERR` and that many bytes of both outputs. The host never sends a request before
# it has the answer to the one before, so reading ahead loses nothing.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8
most=16777216
here=/run/answer
mkdir -p $here
until set -- /dev/vport*; [ -e "$1" ]; do usleep 10000; done
exec 3<>"$1"
read -r boot </proc/sys/kernel/random/boot_id
echo "up $boot" >&3
while :; do
  if ! read -r id kind length seconds <&3; then usleep 50000; continue; fi
  : >$here/in; : >$here/out; : >$here/err
  [ "$length" -gt 0 ] && head -c "$length" <&3 >$here/in
  status=0
  case $kind in
    run) timeout -s KILL "$seconds" /usr/bin/bash $here/in </dev/null >$here/out 2>$here/err 3>&-; status=$? ;;
    hold) mv $here/in $here/held ;;
    reboot) sync; if [ -d /run/systemd/system ]; then systemctl reboot; else reboot -f; fi ;;
    *) status=127 ;;
  esac
  out=$(stat -c %s $here/out); err=$(stat -c %s $here/err)
  [ "$out" -le $most ] || out=$most
  [ "$err" -le $most ] || err=$most
  echo "$id $status $out $err" >&3
  [ "$out" -gt 0 ] && head -c "$out" $here/out >&3
  [ "$err" -gt 0 ] && head -c "$err" $here/err >&3
done
