#!/bin/sh
# Includes point down only, and every library has one folder that knows it:
# layers.sh [TREE]
cd "${1:-$(dirname "$0")/..}" || exit 2
bad=0

# refuse REASON PATTERN PATH...: no #include in the paths may match the pattern
refuse() {
    reason=$1
    pattern="^[[:space:]]*#[[:space:]]*include[[:space:]]*$2"
    shift 2
    if grep -rnE --include='*.[ch]' "$pattern" "$@"; then
        echo "layers: $reason"
        bad=1
    fi
}
# only FOLDER LIBRARY PATTERN: a library's header outside its folder
only() {
    # shellcheck disable=SC2046 # one path a word: no path has a space
    refuse "$2 belongs to src/$1" "$3" include \
        $(find src -name '*.[ch]' ! -path "src/$1/*")
}

refuse "base is the lowest layer" \
    '"(config|core|observe|net|postgres|redis|flow|cli)/' src/base
refuse "config and core know nothing above" \
    '"(observe|net|postgres|redis|flow|cli)/' src/config src/core
refuse "observe knows nothing above" \
    '"(net|postgres|redis|flow|cli)/' src/observe
refuse "net knows nothing above" '"(postgres|redis|flow|cli)/' src/net
refuse "postgres knows neither redis nor what is above" \
    '"(redis|flow|cli)/' src/postgres
refuse "redis knows neither postgres nor what is above" \
    '"(postgres|flow|cli)/' src/redis
refuse "flow does not know the command line" '"cli/' src/flow
refuse "the command line does not know flow" '"flow/' src/cli
standard='assert|ctype|inttypes|limits|std(arg|bool|def|int|io|lib)|string'
if grep -rn '#[[:space:]]*include' include |
    grep -vE "<(pgripple/[a-z_]+|$standard)\.h>"; then
    echo "layers: a public header includes public ones and the C library alone"
    bad=1
fi

only config libyaml '<yaml\.h>'
only postgres libpq '<(libpq-fe|libpq-events|postgres_ext)\.h>'
only redis hiredis '<hiredis/'
only redis OpenSSL '<openssl/'
only observe libsystemd '<systemd/'
only base yajl '<yajl/'
only base libmd '<(md5|sha1)\.h>'

io='<(event2/|poll|sys/(socket|select|epoll|un|uio|wait|stat|file)|net|arpa/'
io="$io|fcntl|signal|pthread|unistd|syslog|termios|dirent)"
refuse "base, core and public headers do no I/O" "$io" src/base src/core include
refuse "core is pure" '<(time|sys/|errno|locale|setjmp)' src/core
refuse "no event loop in config and cli" '<event2/' src/config src/cli

exit $bad
