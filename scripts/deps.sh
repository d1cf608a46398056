# shellcheck shell=bash
# The Debian packages that pgripple needs; sourced by demo.sh and test.sh.
#
#     need_packages build|servers|test...   installs those that are missing

packages_for() {
    case $1 in
    build)
        echo gcc libc6-dev meson ninja-build pkg-config libpq-dev \
            libhiredis-dev libevent-dev libyaml-dev libsystemd-dev libyajl-dev \
            libmd-dev
        ;;
    servers)
        echo postgresql redis-server
        ;;
    test)
        echo postgresql redis-server pgbouncer iproute2 libcriterion-dev mandoc \
            build-essential debhelper lintian systemd-journal-remote \
            clang libclang-rt-14-dev llvm clang-format clang-tidy patch shellcheck spin \
            strace graphviz valgrind prometheus python3-pytest python3-pytest-xdist python3-psycopg2 python3-redis \
            python3-django python3-django-cacheops nodejs openssl
        # Node of another source than Debian brings npm along, and Debian's
        # does not go with it.
        command -v npm >/dev/null || echo npm
        ;;
    bench)
        echo gnuplot-nox
        ;;
    long)
        echo chromium
        ;;
    newer)
        echo debootstrap
        ;;
    *)
        echo "no packages are known for \"$1\"" >&2
        return 1
        ;;
    esac
}

# Those of the packages that are not installed, one a line.
missing_packages() {
    local package state
    for package in "$@"; do
        # shellcheck disable=SC2016 # dpkg-query's own variable
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
            2>/dev/null || true)
        if [[ $state != installed ]]; then
            echo "$package"
        fi
    done
}

# apt-get as root, or through sudo.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

need_packages() {
    local purpose wanted=""
    local -a missing
    for purpose in "$@"; do
        wanted+=" $(packages_for "$purpose")"
    done
    # shellcheck disable=SC2086 # names of packages are single words
    mapfile -t missing < <(missing_packages $wanted)
    if [[ ${#missing[@]} -eq 0 ]]; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        echo "these packages (or what your system calls them) are needed:" \
            "${missing[*]}" >&2
        return 1
    fi
    if [[ $(id -u) -ne 0 ]] && ! command -v sudo >/dev/null; then
        echo "let root run: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${missing[@]}" \
        >/dev/null
}

# The modules that the tests of docs/recipes need, in node_modules beside their
# package.json; installed anew when the lock file has changed.
need_node_modules() {
    local folder=tests/system/recipes
    (
        cd "$folder" || exit
        exec 9<package-lock.json
        flock 9
        if ! cmp -s package-lock.json node_modules/.installed; then
            npm ci --prefer-offline --no-audit --no-fund --loglevel=error
            cp package-lock.json node_modules/.installed
        fi
    )
}
