# tests/userns.sh - sourced after tests/lib.sh by the files about user namespaces.

# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.sh's

attack=$top/${NETCTR_BUILD:-build}/tests/attack

# On an overlay, for example, as in tests/vm, the host's programs cannot be mapped into a user namespace.
need_programs() {
    # In tests/vm these come by 9p, which cannot map ids. The kernel loads modules from outside of the arena.
    ! mountpoint -q "/usr/lib/modules/$(uname -r)" || umount -l "/usr/lib/modules/$(uname -r)"
    [ -e "$ARENA/programs" ] || netctr run --rm --userns=auto -v /usr:/usr:ro "$box" true 2>"$tmp/refusal" ||
        { ! grep -q 'cannot map ids' "$tmp/refusal" || skip 'the file system of /usr cannot map ids'; }
    : >"$ARENA/programs"
}

# A container with the host's programs, in which `attack` is /attack.
equipped() { # NAME [FLAGS OF RUN...]
    need_programs
    local volumes=(-v /usr:/usr:ro -v /usr/lib:/lib:ro -v "$attack:/attack:ro")
    [ ! -e /usr/lib64 ] || volumes+=(-v /usr/lib64:/lib64:ro)
    netctr run -d --name "$1" "${volumes[@]}" "${@:2}" "$box" sleep 1000 >/dev/null
}
# The same with every capability.
armed() { # NAME [FLAGS OF RUN...]
    equipped "$@" --cap-add ALL
}
# The same without a user namespace of its own, for the positive control.
unbound() { # NAME [FLAGS OF RUN...]
    armed "$@" --userns=host
}

inside() { # NAME ARGUMENTS OF ATTACK...
    netctr exec "$1" /attack "${@:2}"
}

# A busybox script in the container.
shell() { # NAME SCRIPT [ARGUMENTS...]
    netctr exec "$1" /bin/sh -c "$2" sh "${@:3}"
}

# Every attempt of an attack was refused, and by a permission: a missing file or a wrong argument proves nothing.
# A kernel may lack the feature.
assert_refused() { # REPORT [MORE ERRNOS...]
    local line errnos=" EPERM EACCES ENOSYS EOPNOTSUPP ${*:2} "
    [ -n "$1" ] || fail 'there is no report'
    while read -r line; do
        [[ $errnos == *" ${line##* } "* ]] || fail "$line"
    done <<<"$1"
}
# These have succeeded.
assert_done() { # REPORT NAME...
    local name
    for name in "${@:2}"; do grep -qx -- "$name done" <<<"$1" || fail "control: $(grep -- "^$name" <<<"$1")"; done
}

# The first id of the container's range on the host.
first_id() { # NAME
    awk '$1 == 0 { print $2 }' "/proc/$(pid_of "$1")/uid_map"
}
