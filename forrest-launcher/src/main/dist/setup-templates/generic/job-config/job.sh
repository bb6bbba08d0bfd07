#!/bin/sh
# Runs one job with GitHub's runner. The machine is powered off when this ends.
# Runs as the user runner, in /home/runner, under any POSIX shell.
set -u

# By the machine type's parameters; with "runner: auto" by Forrest, which then gives the archive to this machine as a disk.
VERSION='<RUNNER_VERSION>'
SHA256='<RUNNER_HASH>'

# For the actions that store artifacts; 10.0.2.2 is the host.
export FORREST_API_URL=http://10.0.2.2:8080
export FORREST_RUN_TOKEN_FILE=/home/runner/config/run-token

cd /home/runner || exit 1

# The runner is a .NET program and does not start without ICU, which small images lack, unless it is told to do without.
if command -v ldconfig > /dev/null && ! ldconfig -p | grep -q libicuuc; then
    export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
fi

# Whether anybody said which runner it is to be.
known() {
    case $VERSION$SHA256 in
        *'<'*) return 1 ;;
    esac
}

# Prints the name of the disk with the runner's archive.
disk() {
    for serial in /sys/block/*/serial; do
        if [ "$(cat "$serial" 2> /dev/null)" = actions-runner ]; then
            block=${serial%/serial}
            echo "/dev/${block##*/}"
            return 0
        fi
    done
    return 1
}

# Forrest has checked it. What fills its last sector up are zeros, which are ignored.
unpack_disk() {
    device=$(disk) || return 1
    echo "forrest: unpacking the runner $VERSION from $device"
    sudo cat "$device" | tar -xz -C runner.new
}

download() {
    url=https://github.com/actions/runner/releases/download/v$VERSION/actions-runner-linux-x64-$VERSION.tar.gz
    echo "forrest: downloading $url"
    if command -v curl > /dev/null; then
        curl --fail --silent --show-error --location --connect-timeout 20 --max-time 600 --output runner.tar.gz "$url"
    else
        timeout 600 wget -q -O runner.tar.gz "$url"
    fi
}

unpack_download() {
    download &&
        echo "$SHA256  runner.tar.gz" | sha256sum -c - &&
        tar -xzf runner.tar.gz -C runner.new
}

make_room() {
    rm -rf runner.new && mkdir runner.new
}

# Under its own name the runner is complete.
install_runner() {
    make_room &&
        { unpack_disk || { make_room && unpack_download; }; } &&
        echo "$VERSION" > runner.new/.forrest-version &&
        rm -rf runner &&
        mv runner.new runner
}

# Prints the version of the runner that is here. One that did not come from here is left alone, unless Forrest sees to it.
installed_version() {
    if [ -e runner/.forrest-version ]; then
        cat runner/.forrest-version
    elif disk > /dev/null; then
        ./runner/bin/Runner.Listener --version 2> /dev/null
    else
        echo "$VERSION"
    fi
}

# An image that was persisted, or built with one, has a runner already. GitHub turns old ones away.
if [ ! -x runner/run.sh ] || { known && [ "$(installed_version)" != "$VERSION" ]; }; then
    if ! known; then
        echo "forrest: there is no runner, and nobody says which: neither does Forrest (runner: auto), nor do the machine" \
            "type's parameters: RUNNER_VERSION, RUNNER_HASH"
        exit 1
    fi
    wait=2
    until install_runner; do
        if [ "$wait" -gt 60 ]; then
            if [ -x runner/run.sh ]; then
                echo "forrest: going on with the runner that is here: there is none in version $VERSION"
                break
            fi
            echo "forrest: giving up: there is no runner in version $VERSION with the SHA-256 $SHA256"
            exit 1
        fi
        echo "forrest: trying again in $wait s"
        sleep "$wait"
        wait=$((wait * 2))
    done
    rm -rf runner.tar.gz runner.new
fi

exec ./runner/run.sh --jitconfig '<JITCONFIG>'
