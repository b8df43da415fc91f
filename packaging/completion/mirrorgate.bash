# Completion of mirrorgate, mirrorgate-policy and mirrorgate-pki for bash: commands and options are
# those that -h names.

_mirrorgate_words() { # what -h of the program offers: commands, or with an argument those of it
	"$@" -h 2>/dev/null | grep -oE -- "(^|[[ (|])--?[a-zA-Z-]+" | tr -d ' [(|' | sort -u
}

_mirrorgate() {
	local program=$1 current=$2 previous=$3 command=

	case $previous in
	-c | -o | -s)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	esac
	[ "$COMP_CWORD" -gt 1 ] && command=${COMP_WORDS[1]}
	if [[ $current == -* ]]; then
		if [[ ${program##*/} == mirrorgate-pki && -n $command ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_mirrorgate_words "$program" "$command")" -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_mirrorgate_words "$program")" -- "$current")
		fi
	elif [ -z "$command" ]; then
		case ${program##*/} in
		mirrorgate)
			mapfile -t COMPREPLY < <(compgen -W "$("$program" -h |
				sed -n -E 's/^ +mirrorgate ([a-z][a-z-]*) .*/\1/p')" -- "$current")
			;;
		mirrorgate-policy)
			mapfile -t COMPREPLY < <(compgen -W "$("$program" -h |
				sed -n -E 's/^(usage:)? +mirrorgate-policy ([a-z]+) .*/\2/p')" -- "$current")
			;;
		mirrorgate-pki)
			mapfile -t COMPREPLY < <(compgen -W "$("$program" -h |
				sed -n -E 's/^    ([a-z-]+)( .*)?$/\1/p')" -- "$current")
			;;
		esac
	fi
	[[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

complete -F _mirrorgate mirrorgate mirrorgate-policy mirrorgate-pki
