/** Shell completion scripts (bash, zsh, fish), made from the commands themselves. They call nothing: the words are in the script. */

export interface CompletedCommand {
  /** Words after the program: `capture slice`. */
  name: string
  summary: string
  flags: { name: string; char: string | null; summary: string; takesValue: boolean; options: readonly string[] }[]
  /** Words that its first argument may be; empty: files. */
  words: readonly string[]
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

export function completion(shell: Shell, commands: readonly CompletedCommand[]): string {
  const sorted = [...commands].sort((a, b) => (a.name < b.name ? -1 : 1))
  return shell === 'bash' ? bash(sorted) : shell === 'zsh' ? zsh(sorted) : fish(sorted)
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
/** First words, and second words by first. */
function topics(commands: readonly CompletedCommand[]): Map<string, string[]> {
  const out = new Map<string, string[]>()
  for (const c of commands) {
    const [first, second] = c.name.split(' ') as [string, string | undefined]
    const list = out.get(first) ?? []
    out.set(first, list)
    if (second !== undefined) list.push(second)
  }
  return out
}
const flagWords = (c: CompletedCommand): string[] =>
  c.flags.flatMap((f) => [`--${f.name}`, ...(f.char === null ? [] : [`-${f.char}`])])

function bash(commands: readonly CompletedCommand[]): string {
  const tops = topics(commands)
  const second = [...tops].filter(([, list]) => list.length > 0)
  const byCommand = commands.map((c) => {
    const values = c.flags
      .filter((f) => f.options.length > 0)
      .map((f) => `        ${f.char === null ? '' : `-${f.char}|`}--${f.name}) words=${quote(f.options.join(' '))} ;;`)
    const free = c.flags.filter((f) => f.takesValue && f.options.length === 0)
    const files = free.map((f) => `${f.char === null ? '' : `-${f.char}|`}--${f.name}`)
    return `    ${quote(c.name)})
      flags=${quote(flagWords(c).join(' '))}
      first=${quote(c.words.join(' '))}
      case "$prev" in
${values.join('\n')}${values.length > 0 ? '\n' : ''}${files.length > 0 ? `        ${files.join('|')}) flags='' first='' ;;\n` : ''}        *) ;;
      esac ;;`
  })
  return `# bash completion for mysqlconn: source <(mysqlconn completion bash)
_mysqlconn() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]} words='' flags='' first='' at=2
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quote([...tops.keys()].join(' '))} -- "$cur"))
    return
  fi
  case "$command" in
${second.map(([top, list]) => `    ${quote(top)}) case " ${list.join(' ')} " in *" \${COMP_WORDS[2]} "*) [ "$COMP_CWORD" -gt 2 ] && command="$command \${COMP_WORDS[2]}" at=3 ;; *) [ "$COMP_CWORD" -eq 2 ] && words=${quote(list.join(' '))} ;; esac ;;`).join('\n')}
  esac
  case "$command" in
${byCommand.join('\n')}
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ; return ;;
  esac
  [ "$COMP_CWORD" -eq "$at" ] && words="$words $first"
  if [ -n "\${words# }" ]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); fi
  if [ -z "$first" ] || [ "$COMP_CWORD" -ne "$at" ]; then
    if [ -z "\${words# }" ]; then compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); fi
  fi
}
complete -o filenames -F _mysqlconn mysqlconn
`
}

function zsh(commands: readonly CompletedCommand[]): string {
  const tops = topics(commands)
  const describe = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", '’')
  const one = commands.map((c) => {
    const flags = c.flags.map((f) => {
      const value = !f.takesValue ? '' : f.options.length > 0 ? `:value:(${f.options.join(' ')})` : ':value:_files'
      const names = f.char === null ? `'--${f.name}` : `'(-${f.char} --${f.name})'{-${f.char},--${f.name}}'`
      return `        ${names}[${describe(f.summary)}]${value}'`
    })
    const rest = c.words.length > 0 ? `'*:what:(${c.words.join(' ')})'` : "'*:file:_files'"
    return `      ${quote(c.name)}) _arguments -S \\\n${[...flags, `        ${rest}`].join(' \\\n')} ;;`
  })
  const second = [...tops].filter(([, list]) => list.length > 0)
  return `#compdef mysqlconn
# zsh completion for mysqlconn: mysqlconn completion zsh > "\${fpath[1]}/_mysqlconn"
_mysqlconn() {
  local command=$words[2]
  if (( CURRENT == 2 )); then
    local -a commands=(
${[...tops.keys()].map((t) => `      '${t}:${describe(commands.find((c) => c.name === t)?.summary ?? `${t} commands`)}'`).join('\n')}
    )
    _describe command commands
    return
  fi
  case $command in
${second.map(([top, list]) => `    ${top}) if (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then compadd ${list.join(' ')}; ${commands.some((c) => c.name === top) ? '' : 'return; '}elif [[ " ${list.join(' ')} " == *" $words[3] "* ]]; then command="$command $words[3]"; shift words; (( CURRENT-- )); fi ;;`).join('\n')}
  esac
  shift words; (( CURRENT-- ))
  case $command in
${one.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_mysqlconn" ]; then _mysqlconn "$@"; else compdef _mysqlconn mysqlconn; fi
`
}

function fish(commands: readonly CompletedCommand[]): string {
  const tops = topics(commands)
  const lines = [
    '# fish completion for mysqlconn: mysqlconn completion fish > ~/.config/fish/completions/mysqlconn.fish',
  ]
  const none = `not __fish_seen_subcommand_from ${[...tops.keys()].join(' ')}`
  for (const top of tops.keys()) {
    const summary = commands.find((c) => c.name === top)?.summary ?? `${top} commands`
    lines.push(`complete -c mysqlconn -f -n ${quote(none)} -a ${top} -d ${quote(summary)}`)
  }
  for (const c of commands) {
    const [first, second] = c.name.split(' ') as [string, string | undefined]
    const list = tops.get(first)!
    const here =
      second === undefined
        ? `__fish_seen_subcommand_from ${first}${list.length > 0 ? `; and not __fish_seen_subcommand_from ${list.join(' ')}` : ''}`
        : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`
    if (second !== undefined)
      lines.push(
        `complete -c mysqlconn -n ${quote(`__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${list.join(' ')}`)} -a ${second} -d ${quote(c.summary)}`,
      )
    if (c.words.length > 0) lines.push(`complete -c mysqlconn -f -n ${quote(here)} -a ${quote(c.words.join(' '))}`)
    for (const f of c.flags) {
      const value = !f.takesValue ? '' : f.options.length > 0 ? ` -x -a ${quote(f.options.join(' '))}` : ' -r'
      lines.push(
        `complete -c mysqlconn -n ${quote(here)} -l ${f.name}${f.char === null ? '' : ` -s ${f.char}`}${value} -d ${quote(f.summary)}`,
      )
    }
  }
  return `${lines.join('\n')}\n`
}
