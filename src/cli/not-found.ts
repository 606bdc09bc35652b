/** A command that does not exist: what was probably meant. Hook `command_not_found` (package.json, oclif.hooks). Exit code 2. */
import { existsSync } from 'node:fs'
import type { Hook } from '@oclif/core'
import { EXIT } from '../core/errors.ts'
import { escapeControls } from '../report/style.ts'
import { nearest } from './suggest.ts'

const hook: Hook.CommandNotFound = async function notFound({ id, argv, config }) {
  const asked = id.replaceAll(':', ' ')
  const names = [...new Set(config.commands.flatMap((c) => [c.id, ...c.aliases]))].map((n) => n.replaceAll(':', ' '))
  // oclif joins what it cannot place with colons, so a path may have come apart; the first words are enough.
  const file = [asked, id, argv?.[0]].find((w) => w !== undefined && existsSync(w))
  // What follows the command are its arguments: fewer and fewer words are tried.
  const words = asked.split(' ')
  const near =
    words.map((_, i) => nearest(words.slice(0, words.length - i).join(' '), names)).find((n) => n.length > 0) ?? []
  const hint =
    file !== undefined
      ? `to analyse a capture: mysqlconn analyze ${file}`
      : near.length > 0
        ? `did you mean ${near.map((n) => `mysqlconn ${n}`).join(', ')}?`
        : 'mysqlconn --help'
  process.stderr.write(`mysqlconn: ${escapeControls(`there is no command '${asked}'`)}\n  ${escapeControls(hint)}\n`)
  this.exit(EXIT.usage)
}

export default hook
