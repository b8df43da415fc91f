# Completion of spot for bash: commands and options are those that `spot -h` names.

_spot_words() { # the command of each line of the usage, with its second word if it has one
	"$1" -h 2>/dev/null | sed -n -E 's/^(usage:)? +spot( \[[^]]*\])* ([a-z]+)( [a-z]+)?( .*)?$/\3\4/p'
}

_spot() {
	local command=$1 current=$2 previous=$3 i words=()

	case $previous in
	-c | --config | --from | --sign | --signer | --key | --ca | --crl | --newest | --bad)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W "table csv json html" -- "$current")
		return
		;;
	--to)
		mapfile -t COMPREPLY < <(compgen -d -- "$current")
		return
		;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$("$command" -h 2>/dev/null | grep -oE -- '(^|[[ ])--?[a-zA-Z-]+' | tr -d '[ ')" -- "$current")
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i - 1]} in
		-c | --config) continue ;;
		esac
		[[ ${COMP_WORDS[i]} == -* ]] || words+=("${COMP_WORDS[i]}")
	done
	case ${#words[@]} in
	0) mapfile -t COMPREPLY < <(compgen -W "$(_spot_words "$command" | cut -d ' ' -f 1)" -- "$current") ;;
	1) mapfile -t COMPREPLY < <(compgen -W "$(_spot_words "$command" |
		sed -n "s/^${words[0]} //p")" -- "$current") ;;
	esac
	[[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

complete -F _spot spot
