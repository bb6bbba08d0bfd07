#!/bin/sh
# Runs one job with GitHub's runner. The machine is powered off when this ends.
# Runs as the user runner, in /home/runner, under any POSIX shell.
set -u

VERSION='<RUNNER_VERSION>'
SHA256='<RUNNER_HASH>'

# For the actions that store artifacts; 10.0.2.2 is the host.
export FORREST_API_URL=http://10.0.2.2:8080
export FORREST_RUN_TOKEN_FILE=/home/runner/config/run-token

cd /home/runner || exit 1

download() {
    url=https://github.com/actions/runner/releases/download/v$VERSION/actions-runner-linux-x64-$VERSION.tar.gz
    echo "forrest: downloading $url"
    if command -v curl > /dev/null; then
        curl --fail --silent --show-error --location --connect-timeout 20 --max-time 600 --output runner.tar.gz "$url"
    else
        timeout 600 wget -q -O runner.tar.gz "$url"
    fi
}

# Under its own name the runner is complete.
install_runner() {
    rm -rf runner.new &&
        mkdir runner.new &&
        download &&
        echo "$SHA256  runner.tar.gz" | sha256sum -c - &&
        tar -xzf runner.tar.gz -C runner.new &&
        echo "$VERSION" > runner.new/.forrest-version &&
        rm -rf runner &&
        mv runner.new runner
}

# An image that was persisted, or built with one, has a runner already. One of another version that came from here is
# replaced: GitHub turns old runners away.
if [ ! -x runner/run.sh ] || { [ -e runner/.forrest-version ] && [ "$(cat runner/.forrest-version)" != "$VERSION" ]; }; then
    case $VERSION$SHA256 in
        *'<'*)
            echo "forrest: there is no runner, and the machine type's parameters do not say which: RUNNER_VERSION, RUNNER_HASH"
            exit 1
            ;;
    esac
    wait=2
    until install_runner; do
        if [ "$wait" -gt 60 ]; then
            echo "forrest: giving up: there is no runner in version $VERSION with the SHA-256 $SHA256"
            exit 1
        fi
        echo "forrest: trying again in $wait s"
        sleep "$wait"
        wait=$((wait * 2))
    done
    rm -f runner.tar.gz
fi

# The runner is a .NET program and does not start without ICU, which small images lack, unless it is told to do without.
if command -v ldconfig > /dev/null && ! ldconfig -p | grep -q libicuuc; then
    export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
fi

exec ./runner/run.sh --jitconfig '<JITCONFIG>'
