# Completion for bash: commands and flags as --help lists them, names of containers and networks.
# `make install` installs it; `. scripts/completion.bash` tries it.

# "  NAME summary" of the list of commands.
_netctr_commands() { # [network]
    netctr "$@" --help 2>/dev/null | sed -n '/^examples*:/q; s/^  \([a-z][a-z]*\) .*/\1/p'
}

_netctr_flags() { # COMMAND...
    netctr "$@" --help --all 2>/dev/null | sed -n '/^flags:/,/^$/s/^  [- ].[, ] *\(--[a-z0-9-]*\).*/\1/p'
}

# As root, listing the state directory is faster than running a command.
_netctr_containers() {
    (cd /var/lib/netctr/containers 2>/dev/null && printf '%s\n' [!.]*/ | sed -n 's|/$||p')
}
_netctr_networks() {
    (cd /var/lib/netctr/networks 2>/dev/null && printf '%s\n' [!.]*.json | sed -n 's|[.]json$||p')
}

_netctr_labs() {
    (cd /var/lib/netctr/labs 2>/dev/null && printf '%s\n' [!.]*/ | sed -n 's|/$||p')
}

# The words that fit after COMMAND; nothing: files.
_netctr_words() { # COMMAND
    case $1 in
    exec | attach | logs | top | diff | cp | inspect | start | restart | stop | kill | wait | pause | unpause | rename | stats | update | rm | port | publish | unpublish) _netctr_containers ;;
    'network rm' | 'network inspect' | 'network update' | 'network link' | 'network unlink') _netctr_networks ;;
    'lab link') printf '%s\n' ls down up ;;
    'lab set') printf '%s=\n' delay jitter loss corrupt duplicate reorder rate ;;
    'lab down' | 'lab graph' | 'lab inspect' | 'lab test' | 'lab save') _netctr_labs ;;
    'network connect' | 'network disconnect')
        _netctr_networks
        _netctr_containers
        ;;
    esac
}

_netctr() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words
    if [ "$COMP_CWORD" -gt 1 ] && [[ $command = network || $command = lab ]]; then command="$command ${COMP_WORDS[2]}"; fi
    # shellcheck disable=SC2086 # a command of networks or labs is two words
    case $COMP_CWORD,$command,$word in
    1,*) words="$(_netctr_commands) help" ;;
    2,help,*) words=$(_netctr_commands) ;;
    2,network* | 2,lab* | 3,help,*) words=$(_netctr_commands "${COMP_WORDS[COMP_CWORD - 1]}") ;;
    *,*,-*) words=$(_netctr_flags $command) ;;
    *) words=$(_netctr_words "$command") ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _netctr netctr
