#!/bin/sh
# Installs the endpoint agent of Quell on Linux, takes this machine in, and starts the agent.
#
#   sh install.sh --token TOKEN|-      TOKEN from the server; `-` reads it from standard input
#   sh install.sh --uninstall          takes all of it back
#
# Further: --server HOST:PORT (where agents connect), --name NAME (instead of the host name), --from URL (where the program
# is fetched). QUELL_PREFIX=FOLDER installs below a folder, for an image.
set -eu
umask 077

from='@FROM@'
server='@SERVER@'
sha256_x86_64='@SHA256_X86_64@'
sha256_aarch64='@SHA256_AARCH64@'

prefix="${QUELL_PREFIX:-}"
program="$prefix/usr/sbin/quell-agent"
unit="$prefix/etc/systemd/system/quell-agent.service"
state="$prefix/var/lib/quell-agent"
token=''
name=''
uninstall=''
work=''

say() { printf 'quell: %s\n' "$1"; }
fail() {
    printf 'quell: error: %s\n' "$1" >&2
    exit 1
}
# shellcheck disable=SC2317
tidy() { if [ -n "$work" ]; then rm -rf "$work"; fi; }
trap tidy EXIT
trap 'exit 1' HUP INT TERM

runs_systemd() { [ -d "$prefix/run/systemd/system" ] && command -v systemctl >/dev/null 2>&1; }

is_plain() {
    case "$1" in
        '' | -* | *[!A-Za-z0-9._:/@[\]-]*) return 1 ;;
    esac
}

value() { if [ "$#" -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value"; fi; }

while [ "$#" -gt 0 ]; do
    case "$1" in
        --server)
            value "$@"
            is_plain "$2" || fail '--server must be HOST:PORT'
            case "$2" in ?*:[0-9]*) ;; *) fail '--server must be HOST:PORT' ;; esac
            case "${2##*:}" in *[!0-9]*) fail '--server must be HOST:PORT' ;; esac
            server="$2"
            shift 2
            ;;
        --from)
            value "$@"
            is_plain "$2" || fail '--from must be https://HOST'
            case "$2" in https://?* | http://localhost* | http://127.0.0.1*) ;; *) fail '--from must be https://HOST' ;; esac
            from="${2%/}"
            shift 2
            ;;
        --name)
            value "$@"
            case "$2" in -* | *[!A-Za-z0-9._-]*) fail '--name has characters that a host name does not' ;; esac
            name="$2"
            shift 2
            ;;
        --token)
            value "$@"
            token="$2"
            if [ "$token" = - ]; then IFS= read -r token || [ -n "$token" ] || fail 'no token came on standard input'; fi
            case "$token" in *[!A-Za-z0-9._-]*) fail 'the token is not one: it was cut or changed on the way' ;; esac
            shift 2
            ;;
        --uninstall)
            uninstall=1
            shift
            ;;
        *) fail 'usage: install.sh --token TOKEN|- [--server HOST:PORT] [--name NAME] [--from URL], or --uninstall' ;;
    esac
done

[ "$(uname -s)" = Linux ] || fail 'this is the installer for Linux'
[ "$(id -u)" = 0 ] || fail 'run it as root, with sudo for instance: the agent changes network rules and reads every file'

if [ -n "$uninstall" ]; then
    if [ -e "$state/isolation.json" ]; then
        fail 'this endpoint is isolated: restore it on the server first, or its network stays cut'
    fi
    if runs_systemd; then systemctl disable --now quell-agent.service >/dev/null 2>&1 || true; fi
    rm -f "$unit" "$program"
    rm -rf "$state"
    if runs_systemd; then systemctl daemon-reload || true; fi
    # What the block list keeps away, the kernel does without an agent until these rules end, or the machine does.
    if [ -z "$prefix" ] && command -v nft >/dev/null 2>&1; then
        for table in quell_block quell_names; do nft delete table inet "$table" 2>/dev/null || true; done
    fi
    say 'the agent, its service and its identity are gone from this machine'
    say 'the server goes on to show the endpoint until somebody revokes it: quell endpoints revoke NAME'
    exit 0
fi

if [ -z "$token" ] && [ ! -e "$state/identity.json" ]; then
    fail 'there is no token: --token TOKEN, made by `quell endpoints enrol-token` or in the console'
fi

case "$(uname -m)" in
    x86_64 | amd64)
        arch=x86_64
        sha256="$sha256_x86_64"
        ;;
    aarch64 | arm64)
        arch=aarch64
        sha256="$sha256_aarch64"
        ;;
    *) fail "there is no agent for $(uname -m)" ;;
esac
[ -n "$sha256" ] || fail "the server has no agent for $arch"
command -v sha256sum >/dev/null 2>&1 || fail 'sha256sum is not there: install coreutils'

mkdir -p "$prefix/usr/sbin"
# Beside its place, so that it gets there in one step.
work="$(mktemp -d "$prefix/usr/sbin/.quell-agent.XXXXXX")"
say "fetching the agent for $arch"
# The certificate is not looked at: the digest below says whether it is the right program.
if command -v curl >/dev/null 2>&1; then
    curl -fsSk --max-time 600 --max-filesize 268435456 -o "$work/quell-agent" "$from/install/agent/linux/$arch" ||
        fail "the agent could not be fetched from $from"
elif command -v wget >/dev/null 2>&1; then
    wget -q --no-check-certificate -O "$work/quell-agent" "$from/install/agent/linux/$arch" ||
        fail "the agent could not be fetched from $from"
else
    fail 'neither curl nor wget is there'
fi
printf '%s  %s\n' "$sha256" "$work/quell-agent" | sha256sum -c - >/dev/null 2>&1 ||
    fail 'the agent is not the one that the server named: it was changed on the way, or the server has a newer one by now. Nothing was installed'
chmod 0755 "$work/quell-agent"
"$work/quell-agent" version >/dev/null 2>&1 || fail 'the agent does not run on this machine'
mv -f "$work/quell-agent" "$program"
say "installed $program"

if [ -e "$state/identity.json" ]; then
    say 'this machine was taken in before; its identity stays (to take it in anew: --uninstall, then install)'
else
    mkdir -p "$state"
    # By the environment: every user could read an argument.
    if [ -n "$name" ]; then
        QUELL_ENROL_TOKEN="$token" "$program" --state "$state" enrol --server "$server" --name "$name" || fail 'the server did not take this machine in'
    else
        QUELL_ENROL_TOKEN="$token" "$program" --state "$state" enrol --server "$server" || fail 'the server did not take this machine in'
    fi
fi

mkdir -p "${unit%/*}"
cat >"$work/unit" <<'QUELL_UNIT'
@UNIT@
QUELL_UNIT
chmod 0644 "$work/unit"
mv -f "$work/unit" "$unit"
say "wrote $unit"

if runs_systemd; then
    systemctl daemon-reload
    systemctl enable quell-agent.service >/dev/null 2>&1 || fail 'the service could not be enabled'
    systemctl restart quell-agent.service || fail 'the agent did not start: journalctl -u quell-agent says why'
    say 'the agent runs, and starts with the machine'
else
    say "systemd does not run here: start the agent by \`$program run\`"
fi
