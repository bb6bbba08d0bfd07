#!/bin/sh
# Stands in for GitHub's runner in demos and tests: takes one job from Forrest's embedded GitHub, runs it, reports, ends.
# Needs a POSIX shell, base64, sed and either curl or BusyBox's wget.
set -u

if [ $# -ne 2 ] || [ "$1" != --jitconfig ]; then
    echo "Usage: run.sh --jitconfig BASE64" >&2
    exit 2
fi

configuration=$(printf %s "$2" | base64 -d)

# Prints a text of the configuration, a flat JSON object.
field() {
    printf %s "$configuration" | sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p'
}

url=$(field url)
token=$(field token)
name=$(field name)
if [ -z "$url" ] || [ -z "$token" ]; then
    echo "runner: the JIT configuration has no url or no token" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Makes a request, POST with the file $2 or GET without one; the answer's body is in $work/answer.
# Returns 0 for success, 2 if the runner is gone for GitHub, 1 for anything else.
call() {
    rm -f "$work/answer"
    if command -v curl > /dev/null; then
        status=$(curl --silent --show-error --max-time 60 --output "$work/answer" --write-out '%{http_code}' \
            --header "Authorization: Bearer $token" ${2:+--data-binary "@$2"} "$url/$1") || return 1
    else
        # BusyBox's wget does not tell the status, but says what is wrong. Its own -T crashes in Debian's static build.
        if timeout 60 wget -q -O "$work/answer" --header "Authorization: Bearer $token" ${2:+--post-file "$2"} \
            "$url/$1" 2> "$work/errors"; then
            status=200
        else
            cat "$work/errors" >&2
            status=$(sed -n 's/.*HTTP\/1\.[01] \([0-9]*\).*/\1/p' "$work/errors")
        fi
    fi
    case $status in
        2??) return 0 ;;
        410) return 2 ;;
        *) return 1 ;;
    esac
}

# Calls until it works, for a minute at most; ends the runner if GitHub does not know it any more.
insist() {
    tries=60
    while :; do
        call "$@" && return 0
        if [ $? -eq 2 ]; then
            echo "runner: GitHub does not know $name any more"
            exit 0
        fi
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            echo "runner: giving up: $url/$1 does not work" >&2
            exit 1
        fi
        sleep 1
    done
}

: > "$work/nothing"
insist session "$work/nothing"
echo "runner: $name is online"

# Each request waits for a job for a while; an empty answer means: none yet.
until [ -s "$work/answer" ]; do
    insist job
done
mv "$work/answer" "$work/script"

echo "runner: a job"
# Where jobs leave files on the guest's disk in all demos.
[ -w /srv ] || sudo chmod 1777 /srv
mkdir "$work/job" "$work/alive"
# GitHub takes a runner that is silent for long for lost, and its job for failed.
(
    work=$work/alive
    : > "$work/nothing"
    while sleep 5; do call alive "$work/nothing"; done
) > /dev/null 2>&1 &
alive=$!
if (cd "$work/job" && HOME=/home/runner sh "$work/script" < /dev/null > "$work/log" 2>&1); then
    result=success
else
    result=failure
fi
kill "$alive" 2> /dev/null
cat "$work/log"
echo "runner: $result"

tail -c 1000000 "$work/log" > "$work/log-end"
insist log "$work/log-end"
echo "$result" > "$work/result"
insist result "$work/result"
